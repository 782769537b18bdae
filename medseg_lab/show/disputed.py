"""Where a case is looked at whose readings or predictions differ."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.reading import consensus
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.cases import telling_slice
from medseg_lab.show.contours import LARGE, square_box
from medseg_lab.show.spot import Spot

LEAST, NEAR = 32, 128
"""Pixels of a window's edge: at least; and where what is marked, as vessels, reaches further than `LARGE`."""


def one_case(drawn: Mapping[str, Drawn]) -> Case:
    """The case that all methods drew.

    Raises:
        ValueError: for no method, several cases, or a case without a reading.
    """
    found = list({one.case.id: one.case for one in drawn.values()}.values())
    shapes = {one.samples.shape[1:] for one in drawn.values()}
    if len(found) != 1 or len(shapes) != 1:
        seen = f"{', '.join(case.id for case in found) or 'none'} in {len(shapes)} shapes"
        raise ValueError(f"cases: got {seen}, wanted one and the same, drawn by one method or more")
    if not len(found[0].labels):
        raise ValueError(f"case: got {found[0].id} without a label, wanted one with a reading")
    return found[0]


def agreed(case: Case) -> NDArray[np.uint8]:
    """What most raters say, `(*S)`; `IGNORE` where none says anything."""
    found: NDArray[np.uint8] = consensus(case.labels).cpu().numpy()
    return found


def read(case: Case) -> NDArray[np.uint8]:
    """The readings `(R, *S)`; where a rater left a voxel open, what most others say, else background."""
    labels, most = case.labels.cpu().numpy(), agreed(case)
    found: NDArray[np.uint8] = np.where(labels == IGNORE, np.where(most == IGNORE, 0, most), labels)
    return found


def disputed(case: Case, predictions: Sequence[NDArray], slice_axis: int = 2) -> Spot:
    """The slice on which the raters differ most, and a square window around what anyone marked there.

    Of a single rater, it is the slice on which the predictions differ from the reading. What is marked all
    over a large image is shown in part: where readings and predictions differ most.

    Args:
        case: with one reading or more.
        predictions: the classes `(*S)` that each method predicts.
        slice_axis: across which a volume is cut.
    """
    readings = read(case)
    axis = slice_axis % 3 if case.label.ndim == 3 else None
    index = 0
    everyone = np.stack([*readings, *predictions])  # (R + methods, *S)
    if axis is not None:
        others = readings[1:] if len(readings) > 1 else everyone[1:]
        index = telling_slice(readings[0], list(others), axis)
        everyone = everyone.take(index, axis + 1)
    spacing = [s for a, s in enumerate(case.spacing or [1.0] * case.label.ndim) if a != axis]
    return Spot(axis, index, _window(everyone, spacing))


def _window(labels: NDArray, spacing: Sequence[float]) -> tuple[slice, slice]:
    """The window of a slice, from all its labels `(M, H, W)`."""
    marked, shape = np.asarray((labels > 0).any(axis=0)), labels.shape[1:]
    if not marked.any():
        return slice(0, shape[0]), slice(0, shape[1])
    box = square_box(marked, spacing)
    if max(side.stop - side.start for side in box) > LARGE:
        differ = (labels != labels[0]).any(axis=0)
        density = uniform_filter(differ.astype(np.float32), NEAR, mode="constant")
        middle = np.unravel_index(int(density.argmax()), shape)
        rows, columns = (_around(int(m), NEAR, n) for m, n in zip(middle, shape, strict=True))
    else:
        rows, columns = (
            _around((side.start + side.stop) // 2, max(LEAST, side.stop - side.start), n)
            for side, n in zip(box, shape, strict=True)
        )
    return rows, columns


def _around(middle: int, length: int, size: int) -> slice:
    """So many pixels about a middle, inside the image."""
    length = min(length, size)
    start = int(np.clip(middle - length // 2, 0, size - length))
    return slice(start, start + length)


def errors(one: Drawn) -> NDArray[np.bool_]:
    """Where the prediction is not what most raters say, `(*S)`; not where nobody says anything."""
    most = agreed(one.case)
    found: NDArray[np.bool_] = (one.prediction.cpu().numpy() != most) & (most != IGNORE)
    return found


def heading(ax: Any, text: str) -> None:
    """What stands above a row of panels, from the left edge of its first.

    It takes no room in the layout, which would give all its width to one column; the row has its height from
    the title of another panel.
    """
    text_ = ax.annotate(
        text, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=9
    )
    text_.set_in_layout(False)
