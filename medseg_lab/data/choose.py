"""From a data set's name to its card and reader."""

import os
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data import catalogue, locate
from medseg_lab.data.card import Card
from medseg_lab.data.readers.folder import folder_card
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.reader import Reader

FALLBACK = "virtual-brain"


@dataclass(frozen=True)
class Chosen:
    """An available data set; `notes` say which one was replaced by another, and why."""

    card: Card
    reader: Reader
    notes: tuple[str, ...] = ()


def choose(dataset: str, prefer: tuple[str, ...] = ()) -> Chosen:
    """The data set of this name.

    Args:
        dataset: a card's id, with or without variants; a path to a folder in the nnU-Net / MSD layout, or
            with a card; or `auto`, the first of `prefer` that is available, else the embedded virtual
            subjects.
        prefer: ids, in order.

    Raises:
        ValueError: if the data set is unknown or not available, or its listing is inconsistent.
    """
    if dataset == "auto":
        return _first_available(prefer)
    if catalogue.is_known(dataset):
        card = catalogue.load_card(dataset)
        return Chosen(card, open_reader(card))
    folder = own_folder(dataset)
    card = folder_card(folder)
    return Chosen(card, open_reader(card, folder))


def path_of(folder: Path) -> str:
    """How a folder is named where a data set is: `./acdc` is one of that name, `acdc` the known data set."""
    name = str(folder)
    return f"./{name}" if name == "auto" or catalogue.is_known(name) else name


def own_folder(dataset: str) -> Path:
    """The folder of a data set that is named by its path.

    Raises:
        ValueError: if there is no such folder, naming the known ids.
    """
    folder = Path(dataset).expanduser()
    if not folder.is_dir():
        known = ", ".join(("auto", *catalogue.known_cards()))
        slash = " (on this system a path is written with /)" if "\\" in dataset and os.sep == "/" else ""
        raise ValueError(
            f"data set: expected one of {known}, or a folder with a dataset.json or card.toml, "
            f"got {dataset!r}{slash}"
        )
    return folder


def _first_available(prefer: tuple[str, ...]) -> Chosen:
    missing: list[str] = []
    for card in map(catalogue.load_card, prefer):
        if card.reader == "virtual" or locate.find(card):
            return Chosen(card, open_reader(card), tuple(missing))
        missing.append(f"{card.id} was preferred but is not available: {locate.looked(card)}.")
    card = catalogue.load_card(FALLBACK)
    return Chosen(card, open_reader(card), (*missing, "The embedded virtual subjects replace it."))
