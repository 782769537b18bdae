"""What methods of section 3.2 make of an image: how they perturb it, and how MASSL reconstructs it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.semi.massl import MASSL
from medseg_lab.semi.noise import noisy
from medseg_lab.semi.transforms.similarity import Similarity, draw_similarity
from medseg_lab.semi.transforms.warp import Warp, draw_warp
from medseg_lab.show.contours import Cut, handles, panel, small_title
from medseg_lab.show.heat_map import colour_bar, ratio
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID, LINES = "#E69F00", 8
"""Colour of the grid, and its lines along the longer edge of the image."""


def perturbations(image: Tensor, *, seed: int = 0, channel: int = 0, upright: bool = True) -> "Figure":
    """One image under each perturbation, and how one elastic warp is carried over to another.

    Above: the image; two draws of `noisy`; a `Similarity`, which flips nothing. Below: a warp t1, with a
    regular grid that moves with the image; the same brought to the frame of a warp t2 by t2 o t1^-1, as
    semiTC does with predictions; the image under t2; and the difference of these two, where semiTC compares
    them.

    Args:
        image: `(C, H, W)`, one slice, or a patch of it as a learner sees it. Quarter turns need a square one.
        seed: random seed; the global generator stays as it was.
        channel: which is shown.
        upright: for a slice of a volume in RAS order, whose axes run rightwards and upwards; False for an
            image whose axes run downwards and rightwards.

    Raises:
        ValueError: for an image with other axes.
    """
    x = _checked(image)[:, channel : channel + 1].cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        noises = noisy(x), noisy(x)
        turn = draw_similarity(tuple(x.shape[2:]), mirror=())
        first, second = draw_warp(x), draw_warp(x)
    across = first.inverse.then(second)
    kept = (across.inside(x) & second.inside(x))[:, None]
    apart = torch.where(kept, (across(first(x)) - second(x)).abs(), torch.nan)
    matched, unmatched = float(apart.nanmean()), float((first(x) - second(x)).abs()[kept].mean())
    panels: dict[str, tuple[Tensor, Warp | None]] = {
        "the image": (x, None),
        "noise, first draw": (noises[0], None),
        "noise, second draw": (noises[1], None),
        in_words(turn).replace(", scaled", "\nscaled"): (turn(x), None),
        "first warp $t_1$": (first(x), first),
        "$t_2 \\circ t_1^{-1}$ of it": (across(first(x)), first.then(across)),
        "second warp $t_2$": (second(x), second),
        f"these two differ by {matched:.2f}\n(the warps by {unmatched:.2f})": (apart, None),
    }
    low, high = _window(x)
    cuts = [_cut(of[0, 0], upright, (low, high)) for of, _ in panels.values()]
    with house():
        fig = canvas(7.0, 2 * (6.7 / 4 * ratio(cuts[0]) + 0.45) + 0.1)
        axes = fig.subplots(2, 4).flat
        for ax, cut, (name, (_, warp)) in zip(axes, cuts, panels.items(), strict=True):
            panel(ax, cut, "", 0)
            small_title(ax, name)
            if warp is not None:
                _draw_grid(ax, warp, upright)
        ax.images[0].set_clim(0, high - low)
        fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.06, wspace=0.01, hspace=0.01)
        fig.set_label(
            f"One image eight times. Above: as it is; twice under slight noise; {in_words(turn)}. "
            "Below: under an elastic warp, whose bent grid is drawn on it; brought from there to the "
            "frame of a second warp; under the second warp itself; and the difference of these two, "
            f"{matched:.2f} on average, where the two warps differ by {unmatched:.2f}."
        )
    return fig


def in_words(turn: Similarity) -> str:
    """What a similarity of the plane does: "turned 90°, flipped, scaled 0.87"."""
    quarters = sum(quarters for _, _, quarters in turn.turns) + 2 * (len(turn.flipped) == 2)
    said = [f"turned {90 * (quarters % 4)}°"] if quarters % 4 else []
    said += ["flipped"] if len(turn.flipped) == 1 else []
    return ", ".join([*said, f"scaled {turn.scale:.2f}"])


def grid_lines(warp: Warp, every: int) -> list[NDArray]:
    """A regular grid, moved as the image is: each line `(points, 2)`, in voxels.

    The content at q moves to the p with p + u(p) = q, which the inverse displacement gives at q.
    """
    moves = warp.inverse_displacement[0].numpy()  # (2, H, W)
    places = np.indices(moves.shape[1:]) + moves
    rows, columns = (range(every // 2, edge, every) for edge in moves.shape[1:])
    return [*(places[:, i].T for i in rows), *(places[:, :, j].T for j in columns)]


def reconstruction(learner: Learner, image: Tensor, *, channel: int = 0, upright: bool = True) -> "Figure":
    """The classes that a trained MASSL predicts of an image, its reconstruction, and the error of that.

    Of the image that each class reconstructs, the pixels of that class are shown: sum_k g_k r_k.

    Args:
        learner: a `MASSL` of slices; it stays in the mode it was in.
        image, channel, upright: as in `perturbations`.

    Raises:
        ValueError: for another learner, or an image with other axes.
    """
    if not isinstance(learner, MASSL):
        raise ValueError(f"learner: expected MASSL, got {type(learner).__name__}")
    x, task = _checked(image).to(next(learner.parameters()).device), learner.task
    was_training = learner.training
    try:
        with torch.no_grad():
            found, gate = learner.eval().rebuilt(x)
    finally:
        learner.train(was_training)
    original, composite = x[0, channel], (gate.unsqueeze(2) * found).sum(dim=1)[0, channel]
    error, window = (composite - original).abs(), _window(original)
    mean, scatter = float(error.mean()), float(original.std(correction=0))
    panels = {"the image": original, "predicted classes": original, "reconstruction": composite}
    panels[f"error, {mean:.2f} on average"] = error
    cuts = {name: _cut(of, upright, window, gate[0].argmax(dim=0)) for name, of in panels.items()}
    with house():
        fig = canvas(7.0, 6.2 / 4 * ratio(cuts["the image"]) + 0.8)
        for ax, (name, cut) in zip(fig.subplots(1, 4), cuts.items(), strict=True):
            panel(ax, cut, name, len(task.classes))
            small_title(ax, name)
        map_ = ax.images[0]
        map_.set(cmap="cividis", clim=(0, max(float(error.max()), 1e-6)))
        colour_bar(ax, map_)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        fig.set_label(
            f"An image; on it, the outlines of what is predicted: {', '.join(task.foreground)}; the image as "
            f"the second decoder reconstructs it; and the absolute error, {mean:.2f} on average, where "
            f"the image's intensities have a standard deviation of {scatter:.2f}."
        )
    return fig


def _checked(image: Tensor) -> Tensor:
    if image.ndim != 3:
        raise ValueError(f"image: expected (C, H, W), got {tuple(image.shape)}")
    return image.detach().float()[None]


def _window(image: Tensor) -> tuple[float, float]:
    """The intensities shown as black and as white."""
    low, high = np.percentile(image.cpu().numpy(), [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def _cut(image: Tensor, upright: bool, window: tuple[float, float], classes: Tensor | None = None) -> Cut:
    """An image `(H, W)` as it stands on the page, with the classes predicted of it."""
    pixels = {"image": image} if classes is None else {"image": image, "predicted classes": classes}
    arrays = {name: of.cpu().numpy() for name, of in pixels.items()}
    turned = {name: of.T[::-1] if upright else of for name, of in arrays.items()}
    return Cut(turned.pop("image"), turned, 1.0, window)


def _draw_grid(ax: Any, warp: Warp, upright: bool) -> None:
    shape = warp.displacement.shape[2:]
    for line in grid_lines(warp, max(2, round(max(shape) / LINES))):
        x, y = (line[:, 0], shape[1] - 1 - line[:, 1]) if upright else (line[:, 1], line[:, 0])
        ax.plot(x, y, color=GRID, linewidth=0.7)
