"""What a reader of a published layout gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Raw:
    """A case as the files hold it, checked.

    Args:
        id: unique within the data set.
        patient: whose it is.
        image: `(C, *S)`, float32, finite.
        labels: `(R, *S)`, uint8, values below the number of classes, or `case.IGNORE`.
        spacing: mm along each axis, positive; None where the files lack it.
        distribution: `(K, *S)`, float32, the simulated raters' probability of each class; None elsewhere.
    """

    id: str
    patient: str
    image: np.ndarray
    labels: np.ndarray
    spacing: tuple[float, ...] | None
    distribution: np.ndarray | None = None


class Reader(Protocol):
    """Lists a data set without reading its volumes, then reads case by case."""

    @property
    def channels(self) -> int:
        """C, the image channels of every case."""

    def patients(self) -> dict[str, str]:
        """The patient of every case, by case id, in the order of the ids."""

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, with the labels of this annotation.

        Raises:
            ValueError: naming the file, what was seen in it and what was wanted.
        """

    def digest(self, case: str) -> str:
        """What the case's content depends on, as a SHA-256: files' bytes, or generator and settings."""

    def image_digest(self, case: str) -> str:
        """What the case's image alone depends on, as a SHA-256: equal for two copies of one image.

        Cheap, and so no proof: `duplicates.refuse_duplicates` compares the images of equal digests.
        """
