"""Cases changed in one way, by a stated amount: what a network makes of them (survey 2.3.1)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from medseg_lab.data.augment import Augmentation, Intensity, change_intensity, draw_spatial, resample
from medseg_lab.data.case import Case
from medseg_lab.evaluation.judge import evaluate, predictor

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter

UNITS = {"turned": "°", "scaled": "x", "deformed": " mm", "gamma": "", "gain": "x", "noise": " sd"}
"""The ways to change a case, and the unit of their amounts."""


def changed_case(
    case: Case, how: str, amount: float, slice_axis: int = 2, seed: int = 0, control: int = 4
) -> Case:
    """A case as augmentation could change it: image and labels alike, all slices in the same way.

    Args:
        how: "turned" by `amount` degrees, "scaled" to this size, or "deformed" by control points that move by
            this standard deviation in mm, all in the plane of slices; or its intensities by "gamma", "gain"
            or "noise".
        slice_axis: across which a volume is cut; a case of two dimensions has none.
        seed: of what is random: the control points and the noise.
        control: distances between control points along an edge of the image.

    Raises:
        ValueError: for another way.
    """
    if how not in UNITS:
        raise ValueError(f"how: expected one of {', '.join(UNITS)}, got {how!r}")
    image, labels = case.image.float().clone(), case.labels
    if how in ("gamma", "gain", "noise"):
        still = {"gain": 1.0, "shift": 0.0, "gamma": 1.0, "noise": 0.0} | {how: amount}
        change = Intensity(**{name: np.array([value]) for name, value in still.items()}, noise_seed=seed)
        image = change_intensity(image[None], change)[0]
        return Case(case.id, case.patient, image, labels, case.spacing)
    flat = labels.ndim == 3
    in_plane = [s for a, s in enumerate(case.spacing or [1.0] * (labels.ndim - 1)) if flat or a != slice_axis]
    matrix, points = _geometry(how, amount, np.array(in_plane), seed, control)
    # every slice, or the one image, is a patch of its own
    patches = image[None] if flat else image.movedim(slice_axis + 1, 0)
    known = labels[None] if flat else labels.movedim(slice_axis + 1, 0)
    shape, n = tuple(patches.shape[2:]), len(patches)
    points = None if points is None else points.repeat(n, axis=0)
    found = [resample(patches, one, matrix.repeat(n, axis=0), shape, points) for one in known.unbind(1)]
    moved, kept = found[0][0], torch.stack([label for _, label in found], dim=1)
    if flat:
        return Case(case.id, case.patient, moved[0], kept[0], case.spacing)
    back = moved.movedim(0, slice_axis + 1), kept.movedim(0, slice_axis + 1)
    return Case(case.id, case.patient, *back, case.spacing)


def dice_when_changed(
    learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case], ways: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """The Dice of a learner on changed cases.

    Args:
        learner: trained.
        cohort: whose preprocessing says how images are cut.
        cases: with their references.
        ways: amounts of each way of `changed_case`: `{"turned": (0, 20, 40)}`.

    Returns:
        A row for each way, amount, case and class, with columns how, amount, case, patient, class and dice.
    """
    axis, predict = cohort.card.preprocessing.slice_axis, predictor(learner, cohort)
    tables = []
    for how, amounts in ways.items():
        for amount in amounts:
            changed = [changed_case(case, how, amount, axis) for case in cases]
            table = evaluate(predict, changed, cohort.task, metrics=["dice"])
            tables.append(table.assign(how=how, amount=amount))
    return pd.concat(tables, ignore_index=True)


def _geometry(
    how: str, amount: float, spacing: np.ndarray, seed: int, control: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """The matrix `(1, 2, 2)` and the control points of one change in the plane."""
    to_mm = spacing[:, None] / spacing[None, :]
    if how == "turned":
        angle = np.deg2rad(amount)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return (turn / to_mm)[None], None
    if how == "scaled":
        return np.eye(2)[None] / amount, None
    strength = Augmentation(deformed=1.0, displacement_mm=(amount, amount), control=control)
    drawn = draw_spatial(np.random.default_rng(seed), spacing[None], (), strength)
    return np.eye(2)[None], drawn.control
