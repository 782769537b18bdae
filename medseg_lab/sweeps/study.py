"""The folder in which somebody compares methods on images of their own: a grid, runs, perhaps a card."""

import os
from pathlib import Path
from typing import Any

import tomlkit

from medseg_lab.data.obtain.disk import writing
from medseg_lab.data.text import read_text
from medseg_lab.data.whole_file import write_whole
from medseg_lab.sweeps.grid import Grid, read_grid

GRID, PROPOSED = "grid.toml", ".proposed.toml"
"""The grid file; and the latest that was proposed, by which an edited one is known."""


def study_folder(images: Path, output: str = "") -> Path:
    """The folder of a study, which is made: `output`, or one beside the images.

    Raises:
        ValueError: if there is no folder of images.
        RuntimeError: if it cannot be made, or no card can be written beside the images.
    """
    if not images.is_dir():
        raise ValueError(f"{images}: no such folder")
    study = Path(output).expanduser().resolve() if output else images.with_name(f"{images.name}-study")
    try:
        with writing(study):
            study.mkdir(parents=True, exist_ok=True)
        if not (output or (images / "card.toml").exists() or os.access(images, os.W_OK)):
            raise RuntimeError(f"{images}: no card can be written there")
    except RuntimeError as error:
        raise RuntimeError(f'{error}; name a folder for what is made: output="..."') from None
    return study


def propose_grid(table: dict[str, Any], folder: Path = Path()) -> Grid:
    """Write a grid file unless somebody has written or edited the one that is there; the one that counts.

    Args:
        table: what is proposed: the keys of `Grid`.
        folder: where `grid.toml` is.

    Raises:
        ValueError: for a grid that cannot be read.
        RuntimeError: if it cannot be written.
    """
    path, proposed, text = folder / GRID, folder / PROPOSED, tomlkit.dumps(table)
    if path.exists() and not (proposed.exists() and read_text(path) == read_text(proposed)):
        print(f"{GRID} is there already: it is used as it is.")
        return read_grid(path)
    for one in (path, proposed):
        write_whole(one, text.encode())
    return read_grid(path)
