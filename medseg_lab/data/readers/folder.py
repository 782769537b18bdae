"""The card of a folder of your own: its `card.toml`, or what the nnU-Net / MSD layout tells."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from medseg_lab.data.card import Card, Preprocessing
from medseg_lab.data.first_fault import first_fault
from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.decode.volume import read_grid
from medseg_lab.data.readers.geometry import arranged_grid, is_flat
from medseg_lab.data.readers.grid_doubts import coarsest, grid_doubts
from medseg_lab.data.readers.layout import read_layout
from medseg_lab.data.readers.read_each import readable
from medseg_lab.data.readers.reader import Files
from medseg_lab.data.text import read_toml

SAME = 0.01
"""Spacings that differ by less than this share count as one."""
LARGEST = 256
"""Voxels along an edge of a drafted patch, at most: a step on a whole photograph would take seconds."""


def folder_card(folder: Path) -> Card:
    """The card of `folder`: its `card.toml` where there is one, else drafted from `dataset.json`.

    Raises:
        ValueError: if the card is inconsistent, the folder is not in the layout, or a pair is incomplete.
    """
    path = folder / "card.toml"
    return written_card(path) if path.is_file() else drafted_card(folder)


def folders_of(folder: Path) -> tuple[Path, ...]:
    """The folder of a data set of one's own, and those elsewhere that its card names.

    Raises:
        ValueError: if the card is inconsistent.
    """
    if not (folder / "card.toml").is_file():
        return (folder,)
    card = written_card(folder / "card.toml")
    home = folder / Path(card.folder).expanduser()
    others = (
        [home / Path(name).expanduser() for name in (card.pairs.images, card.pairs.masks)]
        if card.pairs
        else []
    )
    inside = folder.resolve()
    return (folder, *(one for one in (home, *others) if not one.resolve().is_relative_to(inside)))


def written_card(path: Path) -> Card:
    """The card in a file; its id is the folder's name unless it states another.

    Raises:
        ValueError: naming the file, and the first field that is wrong.
    """
    table = read_toml(path)
    try:
        return Card.model_validate({"id": path.parent.resolve().name, **table})
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error, Card):.2000}") from None
    except re.error as error:
        raise ValueError(f"{path}: patient: expected a regular expression, got the error: {error}") from None


def drafted_card(folder: Path) -> Card:
    """The card that `dataset.json` and the grids of the label files give, in the canonical orientation.

    A set whose every image is one slice has two dimensions. Grids that differ in spacing are resampled to
    the median one. The patch is the median shape, rounded up to multiples of 8, and no edge longer than
    `LARGEST`. Slices are cut across the coarsest axis. No axis is mirrored: the anatomy is not known.

    Raises:
        ValueError: if the folder is not in the layout, a pair is incomplete, or no label can be read.
    """
    layout = read_layout(folder)
    grids = {layout.files[case].labels[0]: grid for case, grid in _label_grids(layout.files).items()}
    dims: Literal[2, 3] = 2 if all(map(is_flat, grids.values())) else 3
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
        preprocessing=preprocessing_for(grids, dims),
    )


def preprocessing_for(grids: dict[Path, Grid], dims: int) -> Preprocessing:
    """How images on these grids are prepared, as `drafted_card` says; the files are named in errors."""
    kept = [arranged_grid(grid, dims, path) for path, grid in grids.items()]
    shapes, zooms = np.array([grid.shape for grid in kept]), _zooms(kept)
    median = None if zooms is None else np.median(zooms, axis=0)
    uneven = median is not None and bool((np.abs(zooms / median - 1) > SAME).any())
    covered = shapes * zooms / median if uneven else shapes
    return Preprocessing(
        spacing=tuple(round(float(m), 6) for m in median) if median is not None and uneven else None,
        patch=tuple(min(LARGEST, int(8 * np.ceil(n / 8))) for n in np.median(covered, axis=0)),
        # Volumes without a spacing are stacks in TIFF, whose first axis goes through the slices.
        slice_axis=2 if dims == 2 else 0 if median is None else coarsest(median),
    )


def folder_doubts(folder: Path) -> tuple[tuple[str, str], ...]:
    """What a person should look at before the folder is used: where, and what.

    That is what `dataset.json` leaves out or states wrongly (`Layout.doubts`), and label files whose grid is
    unlike that of the others (`grid_doubts`). A folder without `dataset.json` has no doubts.

    Raises:
        ValueError: as `drafted_card` does.
    """
    if not (folder / "dataset.json").is_file():
        return ()
    layout = read_layout(folder)
    return (*layout.doubts, *grid_doubts(_label_grids(layout.files)))


def _label_grids(files: Mapping[str, Files]) -> dict[str, Grid]:
    """The grid of each case's label; one that cannot be read is left out: whoever reads the case is told why.

    Raises:
        ValueError: if none can be read: the first reason.
    """
    return readable(files, lambda case: read_grid(files[case].labels[0]))


def _zooms(grids: list[Grid]) -> np.ndarray | None:
    """The spacings, `(N, S)`; None if any file has none."""
    spacings = [grid.spacing for grid in grids if grid.spacing is not None]
    return np.array(spacings) if len(spacings) == len(grids) else None
