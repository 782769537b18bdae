"""Reader of the nnU-Net / MSD layout: pairs of an image and a label, checked as they are read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.by_card import as_channels, class_labels, voxel_size
from medseg_lab.data.readers.checks import checked_image, patient_of, require_annotation
from medseg_lab.data.readers.decode.volume import Volume, read_mask, read_volume
from medseg_lab.data.readers.geometry import arranged, require_same_grid
from medseg_lab.data.readers.layout import read_layout
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
        return cls(card, layout.files, layout.unknown)

    def digest(self, case: str) -> str:
        """As of any reader of files; `unknown`, which `dataset.json` states, counts, too."""
        files = super().digest(case)
        return (
            files if self.unknown is None else hashlib.sha256(f"{files} {self.unknown}".encode()).hexdigest()
        )

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case, its voxels that nobody annotated as `IGNORE`; see `Reader.read` for what is raised.

        Files that all have an affine are brought to the canonical orientation; see `geometry.arranged`.
        """
        paths, source = self.files[case].image, self.files[case].labels[0]
        require_annotation(annotation, ("dense",), source)
        label = read_mask(source)
        volumes = [read_volume(path) for path in paths]
        for volume, path in zip(volumes, paths, strict=True):
            require_same_grid(volume.grid, label.grid, path)
        image = Volume(_channels(volumes, self.card, paths[0]), volumes[0].affine, volumes[0].spacing)
        if any(volume.affine is None for volume in (*volumes, label)):
            image, label = (Volume(v.voxels, None, v.spacing) for v in (image, label))
        label = arranged(label, self.card.spatial_dims, source)
        image = arranged(image, self.card.spatial_dims, paths[0])
        labels = class_labels(label.voxels, self.card, source, self.unknown)
        spacing = voxel_size(label.spacing or image.spacing, self.card, paths[0])
        return Raw(case, patient_of(case, self.card), checked_image(image.voxels, paths[0]), labels, spacing)


def _channels(volumes: list[Volume], card: Card, path: Path) -> np.ndarray:
    image = np.concatenate([volume.voxels for volume in volumes])
    if volumes[0].affine is None:
        image = as_channels(image, len(card.modality))
    if len(image) != (expected := len(card.modality)):
        hint = " along a 4th axis: one volume of a time series?" if expected == len(volumes) == 1 else ""
        raise ValueError(f"{path}: expected {expected} channels, got {len(image)}{hint}")
    return image
