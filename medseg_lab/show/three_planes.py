"""Networks for three planes of one volume: where they disagree, and who is right there (survey 3.1 [60])."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import (
    cut_slice,
    handles,
    in_rows,
    painted,
    panels,
    pictured,
    small_title,
    square_box,
)
from medseg_lab.show.page import show
from medseg_lab.show.style import house
from medseg_lab.show.table import rows_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTLED, LOST, SHARED = "#009E73", "#D55E00", "#CC79A7"
NAMES = {SETTLED: "disputed, right", LOST: "disputed, wrong", SHARED: "agreed upon, wrong"}
"""What the pseudo-label of a voxel is, by the colour in which it is painted."""
FUSED, TRUTH = "pseudo-label", "reference"

Maps = Mapping[str, NDArray[np.integer]]
"""Classes `(*S)` by case id."""


def right_by_dispute(truth: Sequence[Case], planes: Mapping[str, Maps], fused: Maps) -> pd.DataFrame:
    """How often each plane, and what was made of them, is right: where all planes agree, and where not.

    Only voxels count that the reference or one of the planes takes for foreground: the rest is easy.

    Args:
        truth: the cases with their reference labels.
        planes: a plane's name to its network's classes.
        fused: the pseudo-labels made of them.

    Returns:
        A row for each plane and for the pseudo-label, with the share that is right where the planes are
        `agreed` and where they are `disputed`; NaN where there is no such voxel. A last row, `voxels`, has
        how many these are.
    """
    right, counts = dict[str, list[list[int]]](), list[list[int]]()
    for case in truth:
        label = case.label.cpu().numpy()
        said = {name: of[case.id] for name, of in planes.items()}
        views = np.stack(list(said.values()))
        counted = (label != IGNORE) & ((label > 0) | (views > 0).any(axis=0))
        agreed = (views == views[0]).all(axis=0)
        where = [counted & agreed, counted & ~agreed]
        counts.append([int(part.sum()) for part in where])
        for name, classes in (said | {FUSED: fused[case.id]}).items():
            right.setdefault(name, []).append([int((classes == label)[part].sum()) for part in where])
    total = np.sum(counts, axis=0)
    rows = {name: np.sum(of, axis=0) / np.where(total, total, np.nan) for name, of in right.items()}
    return pd.DataFrame.from_dict(rows | {"voxels": total}, orient="index", columns=["agreed", "disputed"])


def show_disputes(found: pd.DataFrame) -> None:
    """Display a table that `right_by_dispute` gave."""
    *said, voxels = found.iterrows()
    rows = [[str(name), *(f"{share:.1%}" for share in row)] for name, row in said]
    agreed, disputed = voxels[1]
    caption = (
        f"How often each is right: on {int(agreed):,} voxels of which all planes say the same class, and on "
        f"{int(disputed):,} of which they do not. Voxels that nobody takes for foreground are left out."
    )
    show(rows_html(["network", "where they agree", "where they disagree"], rows, caption), found.to_string())


def three_planes(
    case: Case, planes: Mapping[str, NDArray], fused: NDArray, task: Task, axis: int = 2
) -> Callable[[int], "Figure"]:
    """A function that draws one slice: the outlines of the reference and of each plane, and the pseudo-label.

    On the pseudo-label it is painted where the planes disagreed, and whether it is right there.

    Args:
        case: with a reference label.
        planes: a plane's name to its network's classes `(*S)`.
        fused: the pseudo-label made of them, `(*S)`.
        task: names the classes.
        axis: across which the volume is cut, whatever the planes are.
    """
    label = case.label.cpu().numpy()
    labels = {TRUTH: label, **planes, FUSED: fused}
    everywhere = np.any([(classes > 0) & (classes != IGNORE) for classes in labels.values()], axis=0)
    flat = cut_slice(everywhere.any(axis=axis, keepdims=True).astype(float), {}, case.spacing, axis, 0)
    box = square_box(flat.image, [flat.aspect, 1.0]) if flat.image.any() else np.s_[:, :]

    def draw(slice: int) -> "Figure":
        cut = cut_slice(pictured(case), labels, case.spacing, axis, slice)
        near = replace(cut, image=cut.image[box], labels={n: of[box] for n, of in cut.labels.items()})
        views = np.stack([near.labels[name] for name in planes])
        known = near.labels[TRUTH] != IGNORE
        disputed = (views != views[0]).any(axis=0) & known
        wrong = (near.labels[FUSED] != near.labels[TRUTH]) & known
        masks = {SETTLED: disputed & ~wrong, LOST: disputed & wrong, SHARED: ~disputed & wrong}
        with house():
            fig, (axes,) = panels([[(near, name) for name in labels]], task)
            for ax, name in zip(axes, labels, strict=True):
                small_title(ax, name)
            for colour, mask in masks.items():
                painted(axes[-1], mask, colour, 0.8)
            _legend(fig, task)
            counts = ", ".join(f"{int(mask.sum())} {NAMES[colour]}" for colour, mask in masks.items())
            fig.set_label(
                f"Slice {slice} of case {case.id}: outlines of the reference, of the networks for "
                f"{', '.join(planes)} slices, and of their pseudo-label, of whose pixels are {counts}."
            )
        return fig

    return draw


def _legend(fig: "Figure", task: Task) -> None:
    """Classes, and below them what is painted."""
    from matplotlib.patches import Patch

    for old in fig.legends:
        old.remove()
    patches = [Patch(color=colour, label=name) for colour, name in NAMES.items()]
    fig.legend(**in_rows(handles(task), patches), loc="outside lower center")
