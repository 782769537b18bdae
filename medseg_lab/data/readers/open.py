"""From a card to the reader of its layout."""

import re
from pathlib import Path
from types import ModuleType

from medseg_lab.data import locate
from medseg_lab.data.card import Card
from medseg_lab.data.readers import layout, msd, reader, virtual
from medseg_lab.data.readers.reader import Reader

MODULES: dict[str, tuple[ModuleType, ...]] = {
    "msd": (reader, layout, msd),
    "virtual": (reader, virtual),
}
"""The modules that decide what a case holds, by reader; the generator answers for itself in its digests."""


def open_reader(card: Card, folder: Path | None = None) -> Reader:
    """The reader of `card`, on `folder` or where the data set is found.

    Raises:
        ValueError: if it is not at hand, or its listing is at fault.
    """
    if card.reader == "virtual":
        return virtual.VirtualReader.open(card)
    classes = {"msd": msd.MsdReader}
    return classes[card.reader].open(card, folder or locate.require(card))


def patient_of(case: str, card: Card) -> str:
    """Whose case this is, by the card's `patient` expression.

    Raises:
        ValueError: if the expression does not match.
    """
    match = re.fullmatch(card.patient, case)
    if match is None:
        raise ValueError(f"data set {card.id}: got the case {case!r}, wanted an id like {card.patient!r}")
    return match[1]
