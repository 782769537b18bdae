"""What methods of section 3.2 make of an image: how they perturb it, and how MASSL rebuilds it."""

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
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID = "#E69F00"
LINES = 8
"""Of the grid, along the longer edge of the image."""


def perturbed(image: Tensor, *, seed: int = 0, channel: int = 0, upright: bool = True) -> "Figure":
    """One image under each perturbation, and how one elastic warp is carried over to another.

    Above: the image; two draws of `noisy`; a `Similarity`. Below: a warp t1, with a regular grid that goes
    with it; the same brought to the frame of a warp t2 by t2 o t1^-1, as semiTC does with predictions; the
    image under t2; and how far these two are apart, where semiTC compares them.

    Args:
        image: `(C, H, W)`, one slice, or a patch of it as a learner sees it. Quarter turns need a square one.
        seed: of all that is drawn; the global generator stays as it was.
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
        turn, first, second = draw_similarity(tuple(x.shape[2:])), draw_warp(x), draw_warp(x)
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
    with house():
        fig = canvas(7.0, 2 * (6.7 / 4 * _ratio(x, upright) + 0.45) + 0.1)
        for ax, (name, (shown, warp)) in zip(fig.subplots(2, 4).flat, panels.items(), strict=True):
            window = (0.0, high - low) if shown is apart else (low, high)
            panel(ax, Cut(_standing(shown[0, 0].numpy(), upright), {}, 1.0, window), "", 0)
            small_title(ax, name)
            if warp is not None:
                _draw_grid(ax, warp, upright)
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
    """Where the lines of a regular grid go with what they lie on: each `(points, 2)`, in voxels.

    What was at q comes to the p with p + u(p) = q, which the inverse displacement gives at q.
    """
    moves = warp.inverse_displacement[0].numpy()  # (2, H, W)
    places = np.indices(moves.shape[1:]) + moves
    rows, columns = (range(every // 2, edge, every) for edge in moves.shape[1:])
    return [*(places[:, i].T for i in rows), *(places[:, :, j].T for j in columns)]


def rebuilt(learner: Learner, image: Tensor, *, channel: int = 0, upright: bool = True) -> "Figure":
    """What a trained MASSL predicts of an image, what it rebuilds in its place, and how far that is off.

    Of the image that each class rebuilds, its own pixels are shown: sum_k g_k r_k.

    Args:
        learner: a `MASSL` of slices; it stays in the mode it was in.
        image, channel, upright: as in `perturbed`.

    Raises:
        ValueError: for another learner, or an image with other axes.
    """
    if not isinstance(learner, MASSL):
        raise ValueError(f"learner: got {type(learner).__name__}, wanted MASSL")
    x = _checked(image).to(next(learner.parameters()).device)
    was_training = learner.training
    try:
        with torch.no_grad():
            found, gate = learner.eval().rebuilt(x)
    finally:
        learner.train(was_training)
    original = x[0, channel].cpu().numpy()
    composite = (gate.unsqueeze(2) * found).sum(dim=1)[0, channel].cpu().numpy()
    predicted, error = gate[0].argmax(dim=0).cpu().numpy(), np.abs(composite - original)
    window, task = _window(x[:, channel]), learner.task
    with house():
        fig = canvas(7.0, 6.2 / 4 * _ratio(x, upright) + 0.8)
        panels = fig.subplots(1, 4)
        names = "the image", "predicted classes", "rebuilt", f"error, {error.mean():.2f} on average"
        for ax, name, shown in zip(panels, names, (original, original, composite, error), strict=True):
            labels = {"predicted classes": _standing(predicted, upright)}
            panel(ax, Cut(_standing(shown, upright), labels, 1.0, window), name, len(task.classes))
            small_title(ax, name)
        map_ = panels[-1].images[0]
        map_.set(cmap="cividis", clim=(0, max(error.max(), 1e-6)))
        fig.colorbar(map_, cax=panels[-1].inset_axes((1.04, 0, 0.06, 1)))
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        fig.set_label(
            f"An image; on it, the outlines of what is predicted: {', '.join(task.foreground)}; the image as "
            f"the second decoder rebuilds it; and the absolute error, {error.mean():.2f} on average, where "
            f"the image's intensities have a standard deviation of {original.std():.2f}."
        )
    return fig


def _checked(image: Tensor) -> Tensor:
    if image.ndim != 3:
        raise ValueError(f"image: got {tuple(image.shape)}, wanted (C, H, W)")
    return image.detach().float()[None]


def _window(image: Tensor) -> tuple[float, float]:
    """The intensities shown as black and as white."""
    low, high = np.percentile(image.cpu().numpy(), [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def _standing(pixels: NDArray, upright: bool) -> NDArray:
    return pixels.T[::-1] if upright else pixels


def _ratio(image: Tensor, upright: bool) -> float:
    """Height over width on the page."""
    first, second = image.shape[2:]
    return second / first if upright else first / second


def _draw_grid(ax: Any, warp: Warp, upright: bool) -> None:
    shape = warp.displacement.shape[2:]
    for line in grid_lines(warp, max(2, round(max(shape) / LINES))):
        x, y = (line[:, 0], shape[1] - 1 - line[:, 1]) if upright else (line[:, 1], line[:, 0])
        ax.plot(x, y, color=GRID, linewidth=0.7)
