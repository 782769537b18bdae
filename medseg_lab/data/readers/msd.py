"""Reader of the nnU-Net / MSD layout: NIfTI pairs, checked as they are read."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.layout import Pair, pairs, read_layout
from medseg_lab.data.readers.reader import Raw

AFFINE_MM = 1e-2
"""Image and label may disagree by so much about where a voxel lies: rounding of the header, no more."""


@dataclass(frozen=True)
class MsdReader:
    """The training pairs of one folder; every case is its own patient.

    Args:
        files: the pairs, by case id.
        channels: C, that every image must have.
        classes: K, above every label value.
        spatial_dims: 2 or 3; a 2D set has one slice a file.
    """

    files: dict[str, Pair]
    channels: int
    classes: int
    spatial_dims: int

    @classmethod
    def open(cls, card: Card, folder: Path) -> "MsdReader":
        """The reader of `folder`, once every image there has its label and the other way round."""
        layout = read_layout(folder)
        return cls(pairs(folder, layout), len(card.modality), len(card.classes), card.spatial_dims)

    def patients(self) -> dict[str, str]:
        """The layout knows no patients: each case counts as one."""
        return {case: case for case in self.files}

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One case; see `Reader.read` for what is raised."""
        pair = self.files[case]
        label, grid = _load(pair.label)
        volumes = []
        for path in pair.images:
            volume, affine = _load(path)
            if volume.shape[: label.ndim] != label.shape:
                raise ValueError(f"{path}: got shape {volume.shape}, wanted the label's, {label.shape}")
            if not np.allclose(affine, grid, atol=AFFINE_MM):
                raise ValueError(
                    f"{path}: got the affine {affine.tolist()}, wanted the label's, {grid.tolist()}"
                )
            volumes.append(np.moveaxis(volume, -1, 0) if volume.ndim > label.ndim else volume[None])
        image = np.concatenate(volumes).astype(np.float32)
        if len(image) != self.channels:
            raise ValueError(f"{pair.images[0]}: got {len(image)} channels, wanted {self.channels}")
        if not np.isfinite(image).all():
            raise ValueError(
                f"{pair.images[0]}: got {int((~np.isfinite(image)).sum())} voxels that are not finite"
            )
        spacing = tuple(float(s) for s in np.linalg.norm(grid[:3, :3], axis=0))
        if not all(np.isfinite(s) and s > 0 for s in spacing):
            raise ValueError(f"{pair.label}: got spacing {spacing} mm, wanted three positive numbers")
        labels = _whole(label, self.classes, pair.label)[None]
        if self.spatial_dims == 2:
            image, labels = (_one_slice(a, pair.label) for a in (image, labels))
        return Raw(case, case, image, labels, spacing[: self.spatial_dims])

    def digest(self, case: str) -> str:
        """SHA-256 of the case's files, image channels first."""
        pair = self.files[case]
        return hashlib.sha256(
            json.dumps([_sha256(p) for p in (*pair.images, pair.label)]).encode()
        ).hexdigest()


def _load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine of a NIfTI file, scaled as its header says."""
    try:
        file = nib.load(path)
        return np.asanyarray(file.dataobj), file.affine  # type: ignore[attr-defined]
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: got {error}, wanted a readable NIfTI volume") from None


def _whole(label: np.ndarray, classes: int, path: Path) -> np.ndarray:
    """Labels as uint8; published ones are at times stored as floating point."""
    values = np.unique(label)
    if not np.isin(values, np.arange(classes)).all():
        raise ValueError(f"{path}: got label values {values[:10].tolist()}, wanted 0 to {classes - 1}")
    return label.astype(np.uint8)


def _one_slice(array: np.ndarray, path: Path) -> np.ndarray:
    if array.ndim == 4 and array.shape[-1] == 1:
        return array[..., 0]
    if array.ndim != 3:
        raise ValueError(f"{path}: got shape {array.shape[1:]}, wanted one slice: (X, Y) or (X, Y, 1)")
    return array


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
