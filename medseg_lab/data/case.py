"""One image with what is known of it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Case:
    """One image, its readings, its spacing and whose it is.

    Args:
        id: unique within the data set.
        patient: the person, shared by cases that must never be split.
        image: `(C, *S)`, float32, preprocessed.
        labels: `(R, *S)`, uint8, one reading a rater; the first is the reference.
        spacing: millimetres along each axis of S, or None where the publisher lost it.
    """

    id: str
    patient: str
    image: Tensor
    labels: Tensor
    spacing: tuple[float, ...] | None

    @property
    def label(self) -> Tensor:
        """The reference reading, `(*S)`."""
        return self.labels[0]
