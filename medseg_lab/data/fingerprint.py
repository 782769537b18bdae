"""What a cohort is known by: the content of its prepared cases, not the files or the code that made them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from medseg_lab.data.case import Case

if TYPE_CHECKING:
    from medseg_lab.data.card import Card

SEEN = {"patch", "slice_patch", "slice_axis", "mirror"}
"""The preprocessing that training and judging see; the rest has its effect on the voxels."""


class CaseDigest(NamedTuple):
    """One prepared case.

    Args:
        case, patient: ids.
        image: SHA-256 of the image.
        spacing: mm, or None.
        readings: SHA-256 of all readings and of the distribution, if any; None where labels are withheld.
    """

    case: str
    patient: str
    image: str
    spacing: tuple[float, ...] | None
    readings: str | None


def content_digest(*arrays: Tensor | None) -> str:
    """SHA-256 of the type, shape and voxels of arrays, whatever their layout in memory; None is skipped."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            values = np.ascontiguousarray(array.numpy())
            digest.update(f"{values.dtype.str} {values.shape}\n".encode())
            digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def case_digest(case: Case) -> CaseDigest:
    """The digest of a case in memory."""
    readings = content_digest(case.labels, case.distribution) if len(case.labels) else None
    return CaseDigest(case.id, case.patient, content_digest(case.image), case.spacing, readings)


def fingerprint(card: "Card", parts: Mapping[str, Sequence[CaseDigest]]) -> str:
    """SHA-256 of the task, of the preprocessing that training and judging see, and of the cases by part."""
    content = {
        "task": [len(card.modality), card.classes, card.spatial_dims, *([card.order] if card.order else [])],
        "preprocessing": card.preprocessing.model_dump(mode="json", include=SEEN),
        "annotation": card.annotation,
        "parts": {part: [_plain(case) for case in cases] for part, cases in parts.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def refuse_duplicates(cases: Iterable[CaseDigest]) -> None:
    """Check that no two patients have the same image: it could be learnt from and tested on.

    One patient's images may be equal, since they stay in one part.

    Raises:
        ValueError: naming both cases and both patients.
    """
    first: dict[str, CaseDigest] = {}
    for case in cases:
        other = first.setdefault(case.image, case)
        if other.patient != case.patient:
            raise ValueError(
                f"cases {other.case} and {case.case}: the same image belongs to two patients, "
                f"{other.patient} and {case.patient}"
            )


def _plain(case: CaseDigest) -> list[object]:
    spacing = None if case.spacing is None else [float(edge) for edge in case.spacing]
    return [case.case, case.patient, case.image, spacing, case.readings]
