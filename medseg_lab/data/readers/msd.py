"""Reader of the nnU-Net / MSD layout: NIfTI pairs, checked as they are read."""

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
from medseg_lab.data.readers.decode.nifti import read_nifti
from medseg_lab.data.readers.digests import content_digest, files_digest
from medseg_lab.data.readers.layout import Pair, pairs, read_layout
from medseg_lab.data.readers.listing import patients_of
from medseg_lab.data.readers.reader import Raw


@dataclass(frozen=True)
class MsdReader:
    """The training pairs of one folder.

    Args:
        files: the pairs, by case id.
        whose: the patient, by case; the layout knows none, so the card's expression tells.
        channels: C, that every image must have.
        classes: K, above every label value.
        spatial_dims: 2 or 3; a 2D set has one slice a file.
        unknown: the label value of voxels that nobody annotated (nnU-Net's `ignore`), if there is one.
    """

    files: dict[str, Pair]
    whose: dict[str, str]
    channels: int
    classes: int
    spatial_dims: int
    unknown: int | None = None

    @classmethod
    def open(cls, card: Card, folder: Path) -> "MsdReader":
        """The reader of `folder`, once every image there has its label and the other way round."""
        layout = read_layout(folder)
        files = pairs(folder, layout)
        whose = patients_of({case: pair.label for case, pair in files.items()}, card)
        return cls(files, whose, len(card.modality), len(card.classes), card.spatial_dims, layout.unknown)

    def patients(self) -> dict[str, str]:
        """Every case's patient, as the card's expression reads it off the id."""
        return dict(self.whose)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, its voxels that nobody annotated as `IGNORE`; see `Reader.read` for what is raised."""
        pair = self.files[case]
        known_annotation(annotation, ("dense",), pair.label)
        label, grid = read_nifti(pair.label)
        volumes = []
        for path in pair.images:
            volume, header = read_nifti(path)
            same_shape(volume.shape[: label.ndim], label.shape, path)
            same_affine(header.affine, grid.affine, path)
            if volume.ndim > label.ndim + 1:
                raise ValueError(f"{path}: got shape {volume.shape}, wanted channels as the last axis")
            volumes.append(np.moveaxis(volume, -1, 0) if volume.ndim > label.ndim else volume[None])
        image = np.concatenate(volumes)
        if len(image) != self.channels:
            raise ValueError(f"{pair.images[0]}: got {len(image)} channels, wanted {self.channels}")
        labels = whole_labels(label, self.classes, pair.label, self.unknown)[None]
        image = checked_image(image, pair.images[0])
        image, labels = (_shaped(a, self.spatial_dims, pair.label) for a in (image, labels))
        return Raw(case, self.whose[case], image, labels, grid.spacing[: self.spatial_dims])

    def digest(self, case: str) -> str:
        """SHA-256 of the case's files, image channels first."""
        pair = self.files[case]
        return files_digest((*pair.images, pair.label))

    def image_digest(self, case: str) -> str:
        """As `Reader.image_digest`."""
        return content_digest(self.files[case].images)


def _shaped(array: np.ndarray, dims: int, path: Path) -> np.ndarray:
    """`(C, *S)` with as many spatial axes as the card has; a slice may be stored as (X, Y, 1)."""
    if dims == 2 and array.ndim == 4 and array.shape[-1] == 1:
        return array[..., 0]
    if array.ndim != dims + 1:
        wanted = "one slice: (X, Y) or (X, Y, 1)" if dims == 2 else "a volume: (X, Y, Z)"
        raise ValueError(f"{path}: got shape {array.shape[1:]}, wanted {wanted}")
    return array
