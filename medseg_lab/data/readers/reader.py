"""What a reader of a published layout gives, and what all that read files have in common."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import patient_of
from medseg_lab.data.readers.decode.dicom import slice_files
from medseg_lab.data.readers.decode.file_checks import size_of, unreadable


@dataclass(frozen=True)
class Raw:
    """A case as its files hold it, checked.

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

    def patients(self) -> dict[str, str]:
        """The patient of every case, by case id, in the order of the ids."""

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, with the labels of this annotation.

        Raises:
            ValueError: naming the file, what was expected of it and what it holds.
        """

    def digest(self, case: str) -> str:
        """SHA-256 of what the case is made from: files' bytes, or generator and settings.

        It decides what is prepared again; a cohort is known by its prepared cases.
        """


@dataclass(frozen=True)
class Files:
    """The files of one case.

    Args:
        image: one, or one a channel.
        labels: one a rater or an annotation; none where the labels are in the image's file.
    """

    image: tuple[Path, ...]
    labels: tuple[Path, ...] = ()


@dataclass(frozen=True)
class FileReader:
    """The cases of one folder; a layout adds `open`, which lists them, and `read`.

    Args:
        card: of the data set: names classes and channels, and tells patients from ids.
        files: by case id.

    Raises:
        ValueError: naming the file of a case whose id does not match the card's `patient` expression.
    """

    card: Card
    files: dict[str, Files]

    def __post_init__(self) -> None:
        self.patients()

    def patients(self) -> dict[str, str]:
        """Every case's patient, as the card's expression reads it from the id."""
        patients = {}
        for case, files in sorted(self.files.items()):
            try:
                patients[case] = patient_of(case, self.card)
            except ValueError as error:
                raise ValueError(f"{files.image[0]}: {error}") from None
        return patients

    def digest(self, case: str) -> str:
        """SHA-256 of the bytes of the case's files, the image first; names and places do not count.

        Where an image or a label is a folder, all files in it count, in the order of their names.

        Raises:
            ValueError: naming a file that is missing, empty or unreadable.
        """
        files = self.files[case]
        parts = [slice_files(p) if p.is_dir() else [p] for p in (*files.image, *files.labels)]
        digests = [_sha256(path) for part in parts for path in part]
        return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    size_of(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error, "a readable file") from None
