"""From a card to the reader of its layout."""

from collections.abc import Callable
from pathlib import Path

from medseg_lab.data import locate
from medseg_lab.data.card import Card
from medseg_lab.data.readers.acdc import AcdcReader
from medseg_lab.data.readers.folders import FoldersReader
from medseg_lab.data.readers.msd import MsdReader
from medseg_lab.data.readers.pictures import ApartNucleiReader, ChaseReader, LidcReader, NucleiReader
from medseg_lab.data.readers.reader import Reader
from medseg_lab.data.readers.virtual import VirtualReader

OPEN: dict[str, Callable[[Card, Path], Reader]] = {
    "acdc": AcdcReader.open,
    "chase": ChaseReader.open,
    "folders": FoldersReader.open,
    "lidc": LidcReader.open,
    "msd": MsdReader.open,
    "nuclei": NucleiReader.open,
    "nuclei-apart": ApartNucleiReader.open,
}


def open_reader(card: Card, folder: Path | None = None) -> Reader:
    """The reader of `card`, in `folder`, where the card is that may name another, or where the set is found.

    Raises:
        ValueError: if it is not available, or its listing is inconsistent.
    """
    if card.reader == "virtual":
        return VirtualReader.open(card)
    return OPEN[card.reader](card, (folder or locate.require(card)) / Path(card.folder).expanduser())
