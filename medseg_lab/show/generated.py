"""What generators make: patches that are deformed and changed in intensity, and whole images (survey 3.4)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.semi.adversaries.few_shot_gan import FewShotGAN
from medseg_lab.semi.adversaries.generative_augmentation import (
    Fields,
    GenerativeAugmentation,
    at_random,
    changed,
    rms,
)
from medseg_lab.semi.transforms.jacobian import jacobian_determinant
from medseg_lab.show.contours import Cut, handles, panel, small_title
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.perturbations import GRID, LINES
from medseg_lab.show.sheet import Sheet, beside
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (0.0, 2.0)
"""The determinants at the ends of the colours: what folds, and what is twice as large."""
COLUMNS = 4
"""Images side by side."""


def generated_patches(
    learner: Segmenter, case: Case, task: Task, *, slice_axis: int = 2
) -> "Callable[[int], Figure]":
    """A function from the number of a draw to what the generators make of one slice in it.

    Above: the slice with its reference, the same as the generators change it, and under random fields of the
    same root mean square; a grid moves with the image. Below: the intensity that the generators add, and the
    determinant of each deformation's Jacobian, which is how many times larger a place becomes. Made for
    `explore(generated_patches(learner, case, task), draw=range(6))`.

    Args:
        learner: a trained `GenerativeAugmentation` of slices.
        case: with a reference label; the slice is the one on which it marks most.
        task: names the classes.
        slice_axis: across which a volume is cut.

    Raises:
        ValueError: for another learner.
    """
    method = _of_slices(learner, GenerativeAugmentation)
    place = fullest(case, slice_axis, method.patch)
    label = torch.from_numpy(place.of(case.label.cpu().numpy()).astype(np.int64))[None]
    batch = Batch(place.image(case).cpu().float(), label)

    def draw(draw: int) -> "Figure":
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(draw)
            learned = method.fields(batch.image)
            random = at_random(learned)
        nothing = Fields(*(torch.zeros_like(field) for field in learned))
        shown = {"the slice": nothing, "generated": learned, "at random, as strong": random}
        with house():
            cuts = {name: _cut(case, place, batch, fields, task) for name, fields in shown.items()}
            fig = canvas(7.0, 2 * (2.1 * ratio(cuts["the slice"]) + 0.3) + 0.5)
            axes: Any = fig.subplots(2, 3)
            for ax, (name, cut) in zip(axes[0], cuts.items(), strict=True):
                _bent(ax, cut, name, task)
            _map(axes[1, 0], cuts["generated"], "added", "added to generated", None)
            for ax, name in zip(axes[1, 1:], list(shown)[1:], strict=True):
                size = _map(ax, cuts[name], "size", "times larger", SIZES)
            fig.colorbar(size, ax=axes[1, 1:], shrink=0.8, label="")
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            fig.set_label(_said(case, draw, shown))
        return fig

    return draw


def generated_images(
    learners: Mapping[int, Segmenter], cases: Sequence[Case], *, slice_axis: int = 2, seed: int = 0
) -> "Callable[[int], Figure]":
    """A function from a number of steps to what a few-shot GAN generates then, below slices of cases.

    The noise is the same after any number of steps. Every image has its own grey scale. Made for
    `explore(generated_images(learners, cases), step=list(learners))`.

    Args:
        learners: trained `FewShotGAN`s of slices, by the steps they have learned (`watched`).
        cases: with a reference label, whose fullest slices are shown; fewer than `COLUMNS` come again.
        slice_axis: across which volumes are cut.
        seed: of the noise.

    Raises:
        ValueError: for no learner, another one, or no case.
    """
    if not learners or not cases:
        raise ValueError("learners, cases: expected one or more of each, got none")
    cases = [cases[number % len(cases)] for number in range(COLUMNS)]
    checked = {step: _of_slices(one, FewShotGAN) for step, one in learners.items()}
    patch = next(iter(checked.values())).patch
    places = [fullest(case, slice_axis, patch) for case in cases]
    real = [place.image(case).cpu().float() for place, case in zip(places, cases, strict=True)]

    def draw(step: int) -> "Figure":
        made = []
        for number, like in enumerate(real):
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(seed + number)
                made.append(checked[step].generator(like))
        rows = {
            name: [
                _sheet(image, place, case) for image, place, case in zip(images, places, cases, strict=True)
            ]
            for name, images in {"unlabelled": real, f"generated, step {step}": made}.items()
        }
        spread = torch.stack([image.std() for image in made]).mean()
        alt = f"{COLUMNS} slices, and below as many images that were generated after {step} steps"
        return beside(rows, f"{alt}; their mean standard deviation is {spread:.2f}.")

    return draw


def _of_slices(learner: Segmenter, kind: type[Any]) -> Any:
    if not isinstance(learner, kind) or learner.task.spatial_dims != 2:
        raise ValueError(f"learner: expected {kind.__name__} of slices, got {type(learner).__name__}")
    return learner


def _cut(case: Case, place: Spot, batch: Batch, fields: Fields, task: Task) -> Cut:
    """The slice after the fields, with its labels, where each pixel comes from, and sizes."""
    image, planes = changed(batch, fields, len(task.classes))
    label = planes.argmax(dim=1)[0]
    axes = [torch.arange(edge, dtype=torch.float32) for edge in label.shape]
    came = torch.stack(torch.meshgrid(*axes, indexing="ij")) + fields.displacement[0]
    maps = {
        "reference": label.where(label < len(task.classes), IGNORE).numpy(),
        "changed": image[0, 0].numpy(),
        "added": fields.intensity[0, 0].numpy(),
        "size": jacobian_determinant(fields.displacement)[0].numpy(),
        **{f"came {axis}": along.numpy() for axis, along in enumerate(came)},
    }
    return place.cut(case, maps, channel=0)


def _bent(ax: Any, cut: Cut, title: str, task: Task) -> None:
    """The changed image with its reference, and a grid that moved with it."""
    panel(ax, Cut(cut.labels["changed"], cut.labels, cut.aspect, cut.window), "reference", len(task.classes))
    small_title(ax, title)
    every = max(2, round(max(cut.image.shape) / LINES))
    for name in ("came 0", "came 1"):
        places = cut.labels[name]
        levels = np.arange(every / 2, np.nanmax(places), every)
        ax.contour(places, levels, colors=[GRID], linewidths=0.7, alpha=0.7)


def _map(ax: Any, cut: Cut, name: str, title: str, ends: tuple[float, float] | None) -> Any:
    """A map whose middle is grey: nothing added, or as large as before."""
    panel(ax, cut, "", 0)
    small_title(ax, title)
    found = cut.labels[name]
    low, high = ends or (-float(np.abs(found).max()), float(np.abs(found).max()) + 1e-6)
    return ax.imshow(found, cmap="cividis", vmin=low, vmax=high, aspect=cut.aspect)


def _said(case: Case, draw: int, shown: Mapping[str, Fields]) -> str:
    parts = []
    for name, fields in list(shown.items())[1:]:
        folded = (jacobian_determinant(fields.displacement) <= 0).float().mean()
        moved, added = float(rms(fields.displacement)), float(rms(fields.intensity))
        parts.append(f"{name}: moved by {moved:.1f} pixels, {added:.2f} added, {folded:.1%} folded")
    return f"A slice of case {case.id} in draw {draw}. Root mean squares: {'; '.join(parts)}."


def _sheet(image: Tensor, place: Spot, case: Case) -> Sheet:
    """An image `(1, C, H, W)` as a picture that stands upright, from its 1st to its 99.5th percentile."""
    pixels: NDArray = image[0, :1].numpy()
    if place.axis is not None:
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1)[:, ::-1])
    low, high = np.percentile(pixels, [1, 99.5])
    aspect = place.cut(case, {}, channel=0).aspect
    return Sheet(case.id, np.clip((pixels - low) / max(high - low, 1e-6), 0, 1), pixels * 0, aspect)
