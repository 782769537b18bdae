"""The card of a folder of one's own: its `card.toml`, or what the nnU-Net / MSD layout says of itself."""

import re
import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from medseg_lab.data.card import Card, Preprocessing
from medseg_lab.data.readers.decode.nifti import read_header
from medseg_lab.data.readers.layout import pairs, read_layout

SAME = 0.01
"""Spacings that differ by less than this share count as one."""


def folder_card(folder: Path) -> Card:
    """The card of `folder`: its `card.toml` where there is one, else drafted from `dataset.json`.

    Raises:
        ValueError: if the card contradicts itself, the folder is not in the layout, or a pair is incomplete.
    """
    path = folder / "card.toml"
    return written_card(path) if path.is_file() else drafted_card(folder)


def written_card(path: Path) -> Card:
    """The card that someone wrote; its id is the folder's name unless it says another.

    Raises:
        ValueError: naming the file, and the first field that is at fault.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        return Card.model_validate({"id": path.parent.resolve().name, **said})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "card"
        given = "a contradiction" if isinstance(first["input"], dict) else repr(first["input"])
        seen = "nothing" if first["type"] == "missing" else given
        said_of_it = str(first["msg"]).removeprefix("Value error, ")
        raise ValueError(f"{path}: {where}: got {seen}, wanted a valid card: {said_of_it}") from None
    except re.error as error:
        raise ValueError(f"{path}: patient: got no regular expression ({error}), wanted one") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: got no TOML ({error}), wanted a data card") from None


def drafted_card(folder: Path) -> Card:
    """What `dataset.json` and the label files' headers tell of `folder`.

    Grids that differ in spacing are resampled to the median one. The patch is the median shape, rounded up to
    multiples of 8. Slices are cut across the coarsest axis. No axis is mirrored: the anatomy is not known.

    Raises:
        ValueError: if the folder is not in the layout, or a pair is incomplete.
    """
    layout = read_layout(folder)
    headers = [read_header(pair.label) for pair in pairs(folder, layout).values()]
    shapes = np.array([(*h.shape, 1)[:3] for h in headers])
    zooms = np.array([h.spacing for h in headers])
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
