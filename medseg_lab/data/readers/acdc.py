"""Reader of ACDC in either of its forms: the publisher's NIfTI, or the h5 volumes that papers exchange.

NIfTI: `patient001/patient001_frame01.nii.gz` with `..._gt.nii.gz` and, from Valvano et al., sometimes
`..._scribble.nii.gz`. h5: `patient001_frame01.h5` with the keys `image`, `label` and `scribble`, axes
(Z, Y, X) and no spacing. Both are given as (X, Y, Z): the same volume is the same array. Whole beats
(`patient001_4d.nii.gz`) are no cases.
"""

from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import (
    by_name,
    checked_image,
    patient_of,
    require_annotation,
    require_pairs,
    require_same_shape,
    visible,
    whole_labels,
)
from medseg_lab.data.readers.decode.h5 import read_h5
from medseg_lab.data.readers.decode.volume import read_volume
from medseg_lab.data.readers.geometry import require_same_grid, require_spacing
from medseg_lab.data.readers.reader import FileReader, Files, Raw

ANNOTATIONS = {"dense": ("_gt", "label"), "scribble": ("_scribble", "scribble")}
"""The end of the file's name in NIfTI, the key in h5."""

UNANNOTATED = 4
"""The scribbles' value where nobody scribbled."""


class AcdcReader(FileReader):
    """The end-diastolic and end-systolic volumes of one folder."""

    @classmethod
    def open(cls, card: Card, folder: Path) -> "AcdcReader":
        """The reader of `folder`; of both forms it reads the NIfTI files, which have the spacing."""
        found = visible(folder, "*/*_frame*.nii") + visible(folder, "*/*_frame*.nii.gz")
        stems = [(_stem(path), path) for path in found]
        labels = by_name((stem.removesuffix("_gt"), path) for stem, path in stems if stem.endswith("_gt"))
        images = by_name((s, path) for s, path in stems if not s.endswith(("_gt", "_scribble")))
        require_pairs(images, labels, "label (_gt)")
        files = {}
        for case, path in images.items():
            scribble = _beside(path, "_scribble")
            files[case] = Files((path,), (labels[case], *([scribble] if scribble.is_file() else [])))
        files = files or {path.stem: Files((path,)) for path in visible(folder, "*_frame*.h5")}
        if not files:
            raise ValueError(f"{folder}: expected *_frame*.h5 or */*_frame*.nii.gz with *_gt, got no volume")
        return cls(card, files)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, its voxels without a scribble as `IGNORE`; see `Reader.read` for what is raised."""
        path = self.files[case].image[0]
        require_annotation(annotation, ANNOTATIONS, path)
        unknown = UNANNOTATED if annotation == "scribble" else None
        image, label, source, spacing = (_h5 if path.suffix == ".h5" else _nifti)(path, annotation)
        require_same_shape(image.shape, label.shape, path)
        labels = whole_labels(label, len(self.card.classes), source, unknown)[None]
        return Raw(case, patient_of(case, self.card), checked_image(image[None], path), labels, spacing)


def _h5(path: Path, annotation: str) -> tuple[np.ndarray, np.ndarray, Path, None]:
    key = ANNOTATIONS[annotation][1]
    volumes = read_h5(path, ("image", key))
    return volumes["image"].T, volumes[key].T, path, None


def _nifti(path: Path, annotation: str) -> tuple[np.ndarray, np.ndarray, Path, tuple[float, ...] | None]:
    source = _beside(path, ANNOTATIONS[annotation][0])
    image, label = read_volume(path), read_volume(source)
    for volume, file in ((image, path), (label, source)):
        if len(volume.voxels) != 1:
            raise ValueError(f"{file}: expected one volume, (X, Y, Z), got {len(volume.voxels)}")
    require_same_grid(image.grid, label.grid, path)
    require_spacing(image.grid, path)
    return image.voxels[0], label.voxels[0], source, image.spacing


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _beside(path: Path, end: str) -> Path:
    """The file of an annotation, `patient001_frame01_gt.nii.gz`, packed or not."""
    named = [path.with_name(f"{_stem(path)}{end}{ending}") for ending in (".nii.gz", ".nii")]
    return next((p for p in named if p.is_file()), named[0])
