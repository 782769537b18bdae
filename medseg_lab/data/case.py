"""One image with what is known of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = 255
"""The label of a voxel that nobody annotated: it enters no loss and no score."""


@dataclass(frozen=True)
class Case:
    """One image, its readings, its spacing and whose it is.

    Args:
        id: unique within the data set.
        patient: the person, shared by cases that must never be split.
        image: `(C, *S)`, float32, preprocessed.
        labels: `(R, *S)`, uint8, one reading a rater; the first is the reference. Voxels that were left open
            are `IGNORE`.
        spacing: millimetres along each axis of S, or None where the publisher lost it.
        distribution: `(K, *S)`, float32, the probability of each class under the simulated raters, where the
            case is simulated and so this is known; else None.
    """

    id: str
    patient: str
    image: "Tensor"
    labels: "Tensor"
    spacing: tuple[float, ...] | None
    distribution: "Tensor | None" = None

    @property
    def label(self) -> "Tensor":
        """The reference reading, `(*S)`."""
        return self.labels[0]
