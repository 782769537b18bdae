"""The card of a folder of one's own: any folder in the nnU-Net / MSD layout is a data set."""

from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from medseg_lab.data.card import Card, Preprocessing
from medseg_lab.data.readers.layout import pairs, read_layout

SAME = 0.01
"""Spacings that differ by less than this share count as one."""


def folder_card(folder: Path) -> Card:
    """What `dataset.json` and the label files' headers tell of `folder`.

    Grids that differ in spacing are resampled to the median one. The patch is the median shape, rounded up to
    multiples of 8. Slices are cut across the coarsest axis. No axis is mirrored: the anatomy is not known.

    Raises:
        ValueError: if the folder is not in the layout, or a pair is incomplete.
    """
    layout = read_layout(folder)
    headers = [nib.load(pair.label) for pair in pairs(folder, layout).values()]
    shapes = np.array([(*h.shape, 1)[:3] for h in headers])  # type: ignore[attr-defined]
    zooms = np.array([np.linalg.norm(h.affine[:3, :3], axis=0) for h in headers])  # type: ignore[attr-defined]
    dims: Literal[2, 3] = 2 if (shapes[:, 2] == 1).all() else 3
    shapes, zooms, median = shapes[:, :dims], zooms[:, :dims], np.median(zooms, axis=0)[:dims]
    uneven = bool((np.abs(zooms / median - 1) > SAME).any())
    covered = shapes * zooms / median if uneven else shapes
    said = layout.said
    return Card(
        id=folder.resolve().name,
        title=str(said.get("name", folder.resolve().name)),
        publisher=str(said.get("reference", "not stated")),
        licence=str(said.get("licence", said.get("license", "not stated"))),
        citation=str(said.get("citation", said.get("reference", "not stated"))),
        home=str(folder),
        size_mb=0,
        modality=layout.channels,
        spatial_dims=dims,
        classes=layout.classes,
        regions=layout.regions,
        patient_rule="every case counts as one patient",
        reader="msd",
        preprocessing=Preprocessing(
            spacing=tuple(round(float(m), 6) for m in median) if uneven else None,
            patch=tuple(int(8 * np.ceil(n / 8)) for n in np.median(covered, axis=0)),
            slice_axis=_coarsest(median) if dims == 3 else 2,
        ),
    )


def _coarsest(spacing: np.ndarray) -> int:
    """The axis of the largest spacing; the last of equals."""
    return int(len(spacing) - 1 - np.argmax(np.round(spacing[::-1], 3)))
