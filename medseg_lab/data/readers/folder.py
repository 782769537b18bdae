"""The card of a folder of your own: its `card.toml`, or what the nnU-Net / MSD layout tells."""

import re
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from medseg_lab.data.card import Card, Preprocessing, first_fault
from medseg_lab.data.readers.decode.nifti import read_header
from medseg_lab.data.readers.layout import pairs, read_layout
from medseg_lab.data.text import read_toml

SAME = 0.01
"""Spacings that differ by less than this share count as one."""


def folder_card(folder: Path) -> Card:
    """The card of `folder`: its `card.toml` where there is one, else drafted from `dataset.json`.

    Raises:
        ValueError: if the card is inconsistent, the folder is not in the layout, or a pair is incomplete.
    """
    path = folder / "card.toml"
    return written_card(path) if path.is_file() else drafted_card(folder)


def written_card(path: Path) -> Card:
    """The card in a file; its id is the folder's name unless it states another.

    Raises:
        ValueError: naming the file, and the first field that is wrong.
    """
    table = read_toml(path)
    try:
        return Card.model_validate({"id": path.parent.resolve().name, **table})
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error, Card)}") from None
    except re.error as error:
        raise ValueError(f"{path}: patient: expected a regular expression, got the error: {error}") from None


def drafted_card(folder: Path) -> Card:
    """The card that `dataset.json` and the headers of the label files give.

    Grids that differ in spacing are resampled to the median one. The patch is the median shape, rounded up to
    multiples of 8. Slices are cut across the coarsest axis. No axis is mirrored: the anatomy is not known.

    Raises:
        ValueError: if the folder is not in the layout, or a pair is incomplete.
    """
    layout = read_layout(folder)
    headers = [read_header(files.labels[0]) for files in pairs(folder, layout).values()]
    shapes = np.array([(*h.shape, 1)[:3] for h in headers])
    zooms = np.array([h.spacing for h in headers])
    dims: Literal[2, 3] = 2 if (shapes[:, 2] == 1).all() else 3
    shapes, zooms, median = shapes[:, :dims], zooms[:, :dims], np.median(zooms, axis=0)[:dims]
    uneven = bool((np.abs(zooms / median - 1) > SAME).any())
    covered = shapes * zooms / median if uneven else shapes
    table = layout.table
    return Card(
        id=folder.resolve().name,
        title=str(table.get("name", folder.resolve().name)),
        publisher=str(table.get("reference", "not stated")),
        licence=str(table.get("licence", table.get("license", "not stated"))),
        citation=str(table.get("citation", table.get("reference", "not stated"))),
        home=str(folder),
        size_mb=0,
        modality=layout.channels,
        spatial_dims=dims,
        classes=layout.classes,
        regions=layout.regions,
        scored="regions" if layout.regions else "classes",
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
