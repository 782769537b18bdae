"""Where data sets are on this machine.

`$MEDSEG_DATA/<id>` first, then `<user cache>/medseg/data/<id>`. Either may hold the data set itself or the
publisher's own folder (`Task04_Hippocampus`). Nothing is downloaded here.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_dir

if TYPE_CHECKING:
    from medseg_lab.data.card import Card


def cache_folder(name: str) -> Path:
    """The folder called `name` in this library's part of the user cache; it may not exist yet."""
    return Path(user_cache_dir("medseg")) / name


def places(dataset: str) -> tuple[Path, ...]:
    """The folders in which the data set with this id is looked for, in order."""
    root = os.environ.get("MEDSEG_DATA")
    named = [Path(root).expanduser() / dataset] if root else []
    return (*named, cache_folder("data") / dataset)


def find(card: "Card") -> Path | None:
    """The folder that holds one of the card's markers, or None if there is none."""
    for place in places(card.base):
        for folder in (place, *(place / name for name in card.folders)):
            if is_at(folder, card):
                return folder
    return None


def is_at(folder: Path, card: "Card") -> bool:
    """Whether `folder` itself holds one of the card's markers."""
    return folder.is_dir() and any(next(folder.glob(marker), None) for marker in card.markers)


def looked(card: "Card") -> str:
    """What was found at each place, in words: for messages about a data set that is not available."""
    missing = f"no {' or '.join(card.markers)} inside"
    found = [f"{p} ({missing if p.is_dir() else 'no such folder'})" for p in places(card.base)]
    unset = "" if os.environ.get("MEDSEG_DATA") else "; MEDSEG_DATA is not set"
    return " and ".join(found) + unset


def require(card: "Card") -> Path:
    """As `find`.

    Raises:
        ValueError: if the data set is not available: where it was looked for and how to get it.
    """
    folder = find(card)
    if folder is None:
        inside = f" or in {' or '.join(f'{name}/' for name in card.folders)}" if card.folders else ""
        raise ValueError(
            f"data set {card.base}: expected {' or '.join(card.markers)} in one of these folders{inside}, "
            f"got {looked(card)}. {card.obtain} (licence: {card.licence})"
        )
    return folder
