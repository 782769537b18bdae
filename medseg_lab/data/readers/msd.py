"""Reader of the nnU-Net / MSD layout: NIfTI pairs, checked as they are read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import (
    checked_image,
    patient_of,
    require_annotation,
    require_same_affine,
    require_same_shape,
    whole_labels,
)
from medseg_lab.data.readers.decode.volume import read_volume
from medseg_lab.data.readers.layout import pairs, read_layout
from medseg_lab.data.readers.reader import FileReader, Raw


@dataclass(frozen=True)
class MsdReader(FileReader):
    """The training pairs of one folder.

    Args:
        unknown: the label value of voxels that nobody annotated (nnU-Net's `ignore`), if there is one.
    """

    unknown: int | None = None

    @classmethod
    def open(cls, card: Card, folder: Path) -> "MsdReader":
        """The reader of `folder`; every image must have its label and every label its image."""
        layout = read_layout(folder)
        return cls(card, pairs(folder, layout), layout.unknown)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, its voxels that nobody annotated as `IGNORE`; see `Reader.read` for what is raised."""
        images, source = self.files[case].image, self.files[case].labels[0]
        require_annotation(annotation, ("dense",), source)
        label = read_volume(source)
        volumes = [read_volume(path) for path in images]
        for volume, path in zip(volumes, images, strict=True):
            require_same_shape(volume.voxels.shape[1:], label.voxels.shape[1:], path)
            require_same_affine(volume.affine, label.affine, path)
        image = np.concatenate([volume.voxels for volume in volumes])
        channels, dims = len(self.card.modality), self.card.spatial_dims
        if len(image) != channels:
            raise ValueError(f"{images[0]}: expected {channels} channels, got {len(image)}")
        labels = whole_labels(label.voxels[0], len(self.card.classes), source, self.unknown)[None]
        image = checked_image(image, images[0])
        image, labels = (_shaped(array, dims, source) for array in (image, labels))
        return Raw(case, patient_of(case, self.card), image, labels, label.spacing[:dims])


def _shaped(array: np.ndarray, dims: int, path: Path) -> np.ndarray:
    """`(C, *S)` with as many spatial axes as the card has; a slice may be stored as (X, Y, 1)."""
    if dims == 2 and array.ndim == 4 and array.shape[-1] == 1:
        return array[..., 0]
    if array.ndim != dims + 1:
        expected = "one slice: (X, Y) or (X, Y, 1)" if dims == 2 else "a volume: (X, Y, Z)"
        raise ValueError(f"{path}: expected {expected}, got shape {array.shape[1:]}")
    return array
