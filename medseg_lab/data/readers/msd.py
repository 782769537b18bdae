"""Reader of the nnU-Net / MSD layout: pairs of an image and a label, checked as they are read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.by_card import as_channels, class_labels, voxel_size
from medseg_lab.data.readers.checks import checked_image, patient_of, require_annotation
from medseg_lab.data.readers.decode.volume import Volume, read_mask, read_volume
from medseg_lab.data.readers.geometry import arranged, arranged_grid, require_same_grid
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
        return cls(card, layout.files, layout.unknown if card.unknown is None else card.unknown)

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
            here, there = volume.grid, label.grid
            if path.is_dir() != source.is_dir():  # a DICOM series and a file are stored in other directions
                here, there = (arranged_grid(grid, 3, path) for grid in (here, there))
            require_same_grid(here, there, path)
        placed = label.affine is not None and all(volume.affine is not None for volume in volumes)
        alike = paths[0].is_dir() == source.is_dir()
        # Stored alike, both have one affine: at 45 degrees, rounding decides which axis is nearer to x.
        affine = (label.affine if alike else volumes[0].affine) if placed else None
        image = Volume(_channels(volumes, self.card, paths[0]), affine, volumes[0].spacing)
        label = Volume(label.voxels, label.affine if placed else None, label.spacing)
        label = arranged(label, self.card.spatial_dims, source)
        image = arranged(image, self.card.spatial_dims, paths[0])
        labels = class_labels(label.voxels, self.card, source, self.unknown)
        # Where files have a place in space, that was compared, to a tenth of a voxel.
        own = image.spacing if label.affine is None or label.spacing is None else label.spacing
        spacing = voxel_size(own, label.spacing, self.card, paths[0])
        return Raw(case, patient_of(case, self.card), checked_image(image.voxels, paths[0]), labels, spacing)


def _channels(volumes: list[Volume], card: Card, path: Path) -> np.ndarray:
    image = np.concatenate([volume.voxels for volume in volumes])
    if volumes[0].affine is None:
        image = as_channels(image, len(card.modality))
    if len(image) != (expected := len(card.modality)):
        hint = " along a 4th axis: one volume of a time series?" if expected == len(volumes) == 1 else ""
        raise ValueError(f"{path}: expected {expected} channels, got {len(image)}{hint}")
    return image
