"""Why parts are split by patient: masks copied from the most similar slice, of the same patient or not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import Cut, centred, cut_slice, panel, per_slice, pictured, small_title
from medseg_lab.show.contours import handles as class_handles
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.spot import marked
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERY = 4
"""Of each patient's slices, one in so many is held out."""
WAYS = ("split by slice", "split by patient")


@dataclass(frozen=True)
class Slice:
    """One slice of a volume, on a grid that all slices share.

    Args:
        patient: whose it is.
        index: along the slice axis.
        image, label: `(H, W)`.
        aspect: the height of a voxel over its width.
    """

    patient: str
    index: int
    image: NDArray
    label: NDArray
    aspect: float


@dataclass(frozen=True)
class Copied:
    """A held-out slice, the most similar training slice of each way to split, and the Dice of its mask."""

    held_out: Slice
    sources: tuple[Slice, Slice]
    dice: tuple[float, float]


def all_slices(cases: Sequence[Case], axis: int = 2) -> list[Slice]:
    """The slices of volumes with a quarter or more of what the fullest one has marked, cut to one size.

    Args:
        cases: volumes, with reference labels.
        axis: across which they are cut.

    Raises:
        ValueError: for cases of two dimensions.
    """
    if flat := [case.id for case in cases if case.label.ndim != 3]:
        raise ValueError(f"case {flat[0]}: expected a volume, got {flat[0]} with 2 axes")
    found = []
    for case in cases:
        image, label, counts = pictured(case, 0), case.label.cpu().numpy(), per_slice(marked(case), axis)
        for index in map(int, np.flatnonzero(counts >= max(1, counts.max() / 4))):
            thin, mask = (array.take([index], axis) for array in (image, label))
            cut = cut_slice(thin, {"reference": mask}, case.spacing, axis, 0)
            found.append(Slice(case.patient, index, cut.image, cut.labels["reference"], cut.aspect))
    height, width = (min(one.image.shape[a] for one in found) for a in (0, 1))
    return [_cropped(one, height, width) for one in found]


def copied(slices: Sequence[Slice], task: Task) -> list[Copied]:
    """What a segmenter that only copies is worth: the mask of the training slice with the nearest image.

    One slice in four of every patient is held out, in both ways the same. Split by slice, the training slices
    are all others. Split by patient, they are those of other patients. Near is in the mean squared difference
    of intensities.

    Args:
        slices: of two patients or more, on one grid.
        task: names the classes.

    Raises:
        ValueError: for slices of one patient.
    """
    from scipy.spatial.distance import cdist

    patients = np.array([one.patient for one in slices])
    if len(set(patients)) < 2:
        raise ValueError(f"slices: expected those of 2 patients or more, got {len(set(patients))}")
    held = np.zeros(len(slices), bool)
    for patient in dict.fromkeys(patients):
        held[np.flatnonzero(patients == patient)[EVERY // 2 :: EVERY]] = True
    flat = np.stack([one.image.ravel() for one in slices])
    away = cdist(flat[held], flat, "sqeuclidean")
    away[:, held] = np.inf
    others = np.where(patients[held][:, None] == patients, np.inf, away)
    found = []
    nearest = (np.flatnonzero(held), away.argmin(axis=1), others.argmin(axis=1))
    for one, *chosen in zip(*(of.tolist() for of in nearest), strict=True):
        sources = slices[chosen[0]], slices[chosen[1]]
        dice = [case_dice(source.label, slices[one].label, task) for source in sources]
        found.append(Copied(slices[one], sources, (dice[0], dice[1])))
    return found


def shown_slices(found: Sequence[Copied], most: int = 9) -> list[int]:
    """The numbers of some held-out slices, evenly spread: values of the slider, from 1."""
    return sorted({round(float(i)) for i in np.linspace(1, len(found), min(most, len(found)))})


def nearest_slices(found: Sequence[Copied], task: Task) -> Callable[..., "Figure"]:
    """A function that draws one held-out slice, whose mask is copied in both ways, and all Dice.

    For `explore(nearest_slices(found, task), slice=shown_slices(found))`.

    Args:
        found: what `copied` gave.
        task: names the classes.
    """
    dice = np.array([one.dice for one in found])
    means = dice.mean(axis=0)

    def draw(slice: int) -> "Figure":
        one = found[slice - 1]
        seen = (one.held_out, *one.sources)
        cuts = [_cut(of) for of in seen]
        with house():
            fig = canvas(7.0, 2.2 + min(2.6, 2.15 * ratio(cuts[0])))
            grid = fig.add_gridspec(2, 3, height_ratios=[2.2 * ratio(cuts[0]), 1.1])
            panels = [fig.add_subplot(grid[0, column]) for column in range(3)]
            titles = [f"held out\n{one.held_out.patient}"]
            titles += [
                f"{way}: Dice {value:.2f}\nfrom {_whose(source, one.held_out)}"
                for way, source, value in zip(WAYS, one.sources, one.dice, strict=True)
            ]
            for ax, cut, title in zip(panels, cuts, titles, strict=True):
                panel(ax, cut, "reference", len(task.classes))
                small_title(ax, title)
            _strip(fig.add_subplot(grid[1, :]), dice, means, slice - 1)
            fig.legend(handles=class_handles(task), loc="outside lower center", ncols=len(task.foreground))
            said = (
                f"{way}, of {_whose(source, one.held_out)}, Dice {value:.2f}, on average {mean:.2f}"
                for way, source, value, mean in zip(WAYS, one.sources, one.dice, means, strict=True)
            )
            fig.set_label(
                f"Slice {one.held_out.index} of {one.held_out.patient}, and its mask copied from the most "
                f"similar slice: {'; '.join(said)}. All Dice of {len(found)} slices are below."
            )
        return fig

    return draw


def _whose(source: Slice, held_out: Slice) -> str:
    return "the same patient" if source.patient == held_out.patient else source.patient


def _strip(ax: Any, dice: NDArray, means: NDArray, now: int) -> None:
    """All Dice of each way, their mean, and which belong to the slice that is shown."""
    spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(dice))
    for way in (0, 1):
        ax.plot(dice[:, way], way + spread, ".", color="#888888", markersize=5)
        ax.plot([means[way]] * 2, [way - 0.33, way + 0.33], color="black", linewidth=2)
        ax.plot(dice[now, way], way + spread[now], "D", color="white", mec="black", mew=1.5, markersize=7)
    names = [f"{way}\nmean {mean:.2f}" for way, mean in zip(WAYS, means, strict=True)]
    ax.set(yticks=(0, 1), yticklabels=names, ylim=(1.5, -0.5), xlim=(-0.02, 1.02))
    ax.set_xlabel("Dice of a copied mask (diamond: the slice above)")
    ax.grid(axis="y", visible=False)


def _cut(one: Slice) -> Cut:
    low, high = np.percentile(one.image, [1, 99.5])
    return Cut(one.image, {"reference": one.label}, one.aspect, (float(low), float(max(high, low + 1e-6))))


def _cropped(one: Slice, height: int, width: int) -> Slice:
    """The middle of a slice."""
    rows, columns = (
        centred(0, size, want, size) for size, want in zip(one.image.shape, (height, width), strict=True)
    )
    return Slice(one.patient, one.index, one.image[rows, columns], one.label[rows, columns], one.aspect)
