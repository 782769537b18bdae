"""How alike two segmentations are: overlap, and distance between their surfaces in millimetres.

The survey defines Dice in section 2.2.2, equation (6). The distances are those of the challenges it cites
(BraTS [33] and others): the 95th percentile of the Hausdorff distance, the average symmetric surface
distance, and the normalised surface Dice.

A surface is the set of voxels of a mask with a face neighbour outside it; beyond the image counts as outside.
Distances run between voxel centres. NSD counts surface voxels, each as one, where its definition
(Nikolov et al. 2021) measures surface area in square millimetres. Where slices are thick, top and bottom of
a structure weigh more here than by their area, and its sides less; values of other software may differ.

What empty masks give:

| prediction | reference | Dice, IoU, precision | HD95, ASSD | NSD |
| --- | --- | --- | --- | --- |
| empty | empty | none (NaN) | none (NaN) | none (NaN) |
| one of the two is empty | | 0 | inf | 0 |

A class that is not there, and was not predicted, says nothing of how well it is segmented. Counted as perfect
it would lift a network that draws nothing: to a Dice of one half where half of the cases lack the class. So
such a case has no value, and enters no mean of this class. Where methods are compared
(`medseg_lab.evaluation.results`), a case counts for a class if it is there or if one of them predicted it;
those that rightly drew nothing then have the best value (Dice 1, HD95 0), and the one that drew the worst.

Precision is TP / (TP + FP): which share of what was predicted is there. Where nothing was predicted although
something is there, 0 / 0 is defined as 0, so that a network that predicts nothing does not win.

Voxels that the reference leaves open (`IGNORE`) belong to neither mask: what is predicted there counts
neither for nor against. A mask that reaches into such a region ends at its border, and has a surface there.
Both masks are cut by the same border; where both reach it, their surfaces agree along it, and distances are
0 there. So distances are those of the known part alone, and flatter where much is left open.

A mean over cases (`medseg_lab.evaluation.comparison`) counts an infinite distance, that of a class which was
missed altogether or drawn where it is not, as the image's `diagonal`, the longest distance that the image
could hold, and says how often it did.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial import cKDTree

from medseg_lab.data.case import IGNORE

OVERLAPS = ("dice", "iou", "precision")
DISTANCES = ("hd95", "assd", "nsd")
METRICS = (*OVERLAPS, *DISTANCES)
UNBOUNDED = ("hd95", "assd")

DENSE = 16
"""Look-ups in a tree of points cost as much as a distance transform of so many voxels each."""

Mask = NDArray[np.bool_]


def score(
    prediction: NDArray,
    label: NDArray,
    n_classes: int,
    spacing: Sequence[float] | None,
    *,
    metrics: Sequence[str] | None = None,
    tolerance: float = 1.0,
) -> list[dict[str, float]]:
    """The metrics of each foreground class of one case.

    Args:
        prediction: `(*S)`, class indices.
        label: `(*S)`, the reference: class indices, or `IGNORE`.
        n_classes: K, background included; classes 1 to K-1 are scored.
        spacing: millimetres along each axis, or None where it is not known.
        metrics: which of `METRICS`; None means all that the spacing allows.
        tolerance: millimetres within which two surfaces count as one, for `nsd`.

    Returns:
        K-1 dictionaries, metric name to value, in the order of the classes; NaN for a class that is neither
        there nor predicted.

    Raises:
        ValueError: if shapes or class indices disagree, no voxel of the reference is known, a metric is
            unknown, or a distance is asked for without a spacing.
    """
    names = _wanted(metrics, spacing)
    known = label != IGNORE
    _check(prediction, np.where(known, label, 0), n_classes, spacing)
    if not known.any():
        raise ValueError(f"label: every voxel is {IGNORE} (left open), so there is nothing to score")
    rows = []
    for k in range(1, n_classes):
        values = _compare(
            (prediction == k) & known, label == k, spacing if set(names) & set(DISTANCES) else None, tolerance
        )
        rows.append({name: values[name] for name in names})
    return rows


def inner_dice(prediction: NDArray, label: NDArray, nested: Sequence[Sequence[int]]) -> dict[int, float]:
    """The Dice of each nested region but the outermost, by its first class; NaN as in `score`.

    Args:
        prediction, label: `(*S)`, as in `score`.
        nested: regions as classes, outermost first (`medseg_lab.data.task.Task.nested`).
    """
    known = label != IGNORE
    return {
        region[0]: _compare(np.isin(prediction, region) & known, np.isin(label, region), None, 1.0)["dice"]
        for region in nested[1:]
    }


def diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """The longest distance between two voxel centres of an image, in millimetres."""
    return float(np.linalg.norm((np.asarray(shape) - 1) * np.asarray(spacing)))


def surface(mask: Mask) -> Mask:
    """The voxels of `mask` (*S) with a face neighbour outside it."""
    return mask & ~binary_erosion(mask)


def _compare(
    prediction: Mask, label: Mask, spacing: Sequence[float] | None, tolerance: float
) -> dict[str, float]:
    """All metrics of one class; no distances where `spacing` is None."""
    both, either = np.count_nonzero(prediction & label), np.count_nonzero(prediction | label)
    if either == 0:
        return dict.fromkeys(METRICS, np.nan)
    values: dict[str, float] = {
        "dice": 2 * both / (both + either),
        "iou": both / either,
        "precision": both / max(int(np.count_nonzero(prediction)), 1),
    }
    if spacing is None:
        return values
    if not prediction.any() or not label.any():
        return {**values, "hd95": np.inf, "assd": np.inf, "nsd": 0.0}
    there, back = _surface_distances(prediction, label, spacing)
    return {
        **values,
        "hd95": float(max(np.quantile(there, 0.95), np.quantile(back, 0.95))),
        "assd": float((there.sum() + back.sum()) / (there.size + back.size)),
        "nsd": float(((there <= tolerance).sum() + (back <= tolerance).sum()) / (there.size + back.size)),
    }


def _surface_distances(first: Mask, second: Mask, spacing: Sequence[float]) -> tuple[NDArray, NDArray]:
    """From each surface voxel of one mask to the nearest of the other, in mm, both ways."""
    box = _bounding_box(first | second)
    one, two = surface(first[box]), surface(second[box])
    return _distances(one, two, spacing), _distances(two, one, spacing)


def _distances(source: Mask, target: Mask, spacing: Sequence[float]) -> NDArray:
    """From each voxel of `source` to the nearest of `target`; those on both are 0 apart, not looked up."""
    apart = source & ~target
    count = np.count_nonzero(apart)
    distances = np.zeros(np.count_nonzero(source))
    if count * DENSE > source.size:
        distances[:count] = distance_transform_edt(~target, sampling=spacing)[apart]
    elif count:
        points = np.argwhere(target) * np.asarray(spacing)
        tree = cKDTree(points, leafsize=32, balanced_tree=False, compact_nodes=False)
        distances[:count] = tree.query(np.argwhere(apart) * np.asarray(spacing))[0]
    return distances


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(inside[0], inside[-1] + 1))
    return tuple(box)


def _wanted(metrics: Sequence[str] | None, spacing: Sequence[float] | None) -> tuple[str, ...]:
    if metrics is None:
        return OVERLAPS if spacing is None else METRICS
    if unknown := [name for name in metrics if name not in METRICS]:
        raise ValueError(f"metric: expected some of {', '.join(METRICS)}, got {', '.join(unknown)}")
    distances = [name for name in metrics if name in DISTANCES]
    if spacing is None and distances:
        raise ValueError(f"{', '.join(distances)}: distances are in mm, and this case has no spacing")
    return tuple(metrics)


def _check(prediction: NDArray, label: NDArray, n_classes: int, spacing: Sequence[float] | None) -> None:
    if prediction.shape != label.shape:
        raise ValueError(f"prediction: expected the label's shape {label.shape}, got {prediction.shape}")
    if spacing is not None and len(spacing) != label.ndim:
        raise ValueError(f"spacing: expected {label.ndim} values, one for each axis, got {len(spacing)}")
    for name, array in (("prediction", prediction), ("label", label)):
        if array.min() < 0 or array.max() >= n_classes:
            raise ValueError(
                f"{name}: expected classes 0 to {n_classes - 1}, got {array.min()} to {array.max()}"
            )
