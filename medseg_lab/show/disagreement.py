"""Which part of a case to show: where its raters, or the predictions, disagree."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch import Tensor

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.reading import consensus
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.cases import telling_slice
from medseg_lab.show.contours import LARGE, Cut, square_box
from medseg_lab.show.spot import Spot

LEAST, NEAR = 32, 128
"""Pixels of a window's edge: the fewest, and those where the marks, such as vessels, reach beyond `LARGE`."""


def common_case(drawn: Mapping[str, Drawn]) -> Case:
    """The one case of which all methods drew samples.

    Raises:
        ValueError: for no method, several cases, or a case without a reading.
    """
    found = list({one.case.id: one.case for one in drawn.values()}.values())
    shapes = {one.samples.shape[1:] for one in drawn.values()}
    if len(found) != 1 or len(shapes) != 1:
        seen = f"{', '.join(case.id for case in found) or 'none'} in {len(shapes)} shapes"
        raise ValueError(f"cases: expected one and the same for all methods, got {seen}")
    if not len(found[0].labels):
        raise ValueError(f"case {found[0].id}: expected one reading or more, got none")
    return found[0]


def consensus_of(case: Case) -> NDArray[np.uint8]:
    """The label that most raters give, `(*S)`; `IGNORE` where none gives any."""
    found: NDArray[np.uint8] = consensus(case.labels).cpu().numpy()
    return found


def filled_readings(case: Case) -> NDArray[np.uint8]:
    """The readings `(R, *S)`; a voxel that a rater left open has the consensus, or the background."""
    labels, most = case.labels.cpu().numpy(), consensus_of(case)
    found: NDArray[np.uint8] = np.where(labels == IGNORE, np.where(most == IGNORE, 0, most), labels)
    return found


def errors(one: Drawn) -> NDArray[np.bool_]:
    """Where the prediction is not the consensus, `(*S)`; never where nobody labelled."""
    most = consensus_of(one.case)
    found: NDArray[np.bool_] = (one.prediction.cpu().numpy() != most) & (most != IGNORE)
    return found


def disagreement_window(case: Case, predictions: Sequence[Tensor], slice_axis: int = 2) -> Spot:
    """The slice on which the raters differ most, and a square window around everything marked there.

    For a single rater it is the slice on which the predictions differ from the reading. Where marks cover a
    large image, the window is the part in which readings and predictions differ most.

    Args:
        case: with one reading or more.
        predictions: classes `(*S)`, one tensor for each method.
        slice_axis: axis across which a volume is cut.
    """
    readings = filled_readings(case)
    everyone = np.stack([*readings, *(found.cpu().numpy() for found in predictions)])  # (R + methods, *S)
    axis, index = slice_axis % 3 if case.label.ndim == 3 else None, 0
    if axis is not None:
        others = readings[1:] if len(readings) > 1 else everyone[1:]
        index = telling_slice(readings[0], list(others), axis)
        everyone = everyone.take(index, axis + 1)
    spacing = [s for a, s in enumerate(case.spacing or [1.0] * case.label.ndim) if a != axis]
    return Spot(axis, index, _window(everyone, spacing))


def cut_at(
    place: Spot, case: Case, volumes: Mapping[str, NDArray | Tensor], channel: int | None = None
) -> Cut:
    """The image and the `volumes` `(*S)` of a case at one place."""
    arrays = {name: torch.as_tensor(volume).cpu().numpy() for name, volume in volumes.items()}
    return place.cut(case, {name: place.of(array) for name, array in arrays.items()}, channel)


def row_heading(ax: Any, text: str) -> None:
    """Write a heading above a row of panels, from the left edge of its first panel.

    The layout ignores it, or one column would become as wide as the text. The title of another panel in the
    row must make room for its height.
    """
    above = {"xycoords": "axes fraction", "textcoords": "offset points"}
    ax.annotate(text, (0, 1), (0, 4), **above, fontsize=9).set_in_layout(False)


def _window(labels: NDArray, spacing: Sequence[float]) -> tuple[slice, slice]:
    """The window of a slice, from all its labels `(M, H, W)`."""
    marked, shape = np.asarray((labels > 0).any(axis=0)), labels.shape[1:]
    if not marked.any():
        return slice(0, shape[0]), slice(0, shape[1])
    box = square_box(marked, spacing)
    edges = [max(LEAST, side.stop - side.start) for side in box]
    middle = [(side.start + side.stop) // 2 for side in box]
    if max(edges) > LARGE:
        differ = (labels != labels[0]).any(axis=0).astype(np.float32)
        density = uniform_filter(differ, NEAR, mode="constant")
        middle = [int(m) for m in np.unravel_index(int(density.argmax()), shape)]
        edges = [NEAR, NEAR]
    rows, columns = (
        slice(start := int(np.clip(m - edge // 2, 0, max(0, n - edge))), min(start + edge, n))
        for m, edge, n in zip(middle, edges, shape, strict=True)
    )
    return rows, columns
