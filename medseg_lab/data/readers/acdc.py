"""Reader of ACDC in either of its forms: the publisher's NIfTI, or the h5 volumes that papers exchange.

NIfTI: `patient001/patient001_frame01.nii.gz` with `..._gt.nii.gz` and, from Valvano et al., at times
`..._scribble.nii.gz`. h5: `patient001_frame01.h5` with the keys `image`, `label` and `scribble`, axes
(Z, Y, X) and no spacing. Both are given as (X, Y, Z): the same volume is the same array. Whole beats
(`patient001_4d.nii.gz`) are no cases.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import (
    checked_image,
    known_annotation,
    same_affine,
    same_shape,
    whole_labels,
)
from medseg_lab.data.readers.decode.h5 import read_h5
from medseg_lab.data.readers.decode.nifti import read_nifti
from medseg_lab.data.readers.digests import content_digest, files_digest
from medseg_lab.data.readers.listing import by_name, patients_of, require_pairs, visible
from medseg_lab.data.readers.reader import Raw

ANNOTATIONS = {"dense": ("_gt", "label"), "scribble": ("_scribble", "scribble")}
"""The end of the file's name in NIfTI, the key in h5."""

UNANNOTATED = 4
"""The scribbles' value where nobody scribbled."""


@dataclass(frozen=True)
class AcdcReader:
    """The end-diastolic and end-systolic volumes of one folder.

    Args:
        files: the image's file, by case; in h5 the labels are in the same file.
        whose: the patient, by case.
        classes: K, above every label value.
    """

    files: dict[str, Path]
    whose: dict[str, str]
    classes: int
    channels: int = 1

    @classmethod
    def open(cls, card: Card, folder: Path) -> "AcdcReader":
        """The reader of `folder`; where both forms are there, of the NIfTI files, which keep the spacing."""
        found = visible(folder, "*/*_frame*.nii") + visible(folder, "*/*_frame*.nii.gz")
        stems = [(path.name.removesuffix(".gz").removesuffix(".nii"), path) for path in found]
        labels = by_name((stem.removesuffix("_gt"), path) for stem, path in stems if stem.endswith("_gt"))
        files = by_name((s, path) for s, path in stems if not s.endswith(("_gt", "_scribble")))
        require_pairs(files, labels, "label (_gt)")
        files = files or by_name((path.stem, path) for path in visible(folder, "*_frame*.h5"))
        if not files:
            raise ValueError(f"{folder}: got no volume, wanted *_frame*.h5 or */*_frame*.nii.gz with *_gt")
        return cls(files, patients_of(files, card), len(card.classes))

    def patients(self) -> dict[str, str]:
        """Every case's patient, as the card's expression reads it off the id."""
        return dict(self.whose)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, its voxels without a scribble as `IGNORE`; see `Reader.read` for what is raised."""
        path = self.files[case]
        known_annotation(annotation, tuple(ANNOTATIONS), path)
        unknown = UNANNOTATED if annotation == "scribble" else None
        image, label, source, spacing = (_h5 if path.suffix == ".h5" else _nifti)(path, annotation)
        same_shape(image.shape, label.shape, path)
        labels = whole_labels(label, self.classes, source, unknown)[None]
        return Raw(case, self.whose[case], checked_image(image[None], path), labels, spacing)

    def digest(self, case: str) -> str:
        """SHA-256 of the case's files: the image, the labels and the scribbles that are there."""
        path = self.files[case]
        beside = [_beside(path, end) for end, _ in ANNOTATIONS.values()] if path.suffix != ".h5" else []
        return files_digest([path, *(p for p in beside if p.is_file())])

    def image_digest(self, case: str) -> str:
        """As `Reader.image_digest`; in h5 it follows the labels, too, which are in the same file."""
        return content_digest([self.files[case]])


def _h5(path: Path, annotation: str) -> tuple[np.ndarray, np.ndarray, Path, None]:
    key = ANNOTATIONS[annotation][1]
    volumes = read_h5(path, ("image", key))
    return volumes["image"].T, volumes[key].T, path, None


def _nifti(path: Path, annotation: str) -> tuple[np.ndarray, np.ndarray, Path, tuple[float, ...]]:
    source = _beside(path, ANNOTATIONS[annotation][0])
    image, header = read_nifti(path)
    if image.ndim != 3:
        raise ValueError(f"{path}: got shape {image.shape}, wanted one volume, (X, Y, Z)")
    label, grid = read_nifti(source)
    same_affine(header.affine, grid.affine, path)
    return image, label, source, header.spacing


def _beside(path: Path, end: str) -> Path:
    """The file of an annotation, `patient001_frame01_gt.nii.gz`, packed or not."""
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    named = [path.with_name(f"{stem}{end}{ending}") for ending in (".nii.gz", ".nii")]
    return next((p for p in named if p.is_file()), named[0])
