"""From a card to the reader of its layout."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from medseg_lab.data import locate
from medseg_lab.data.card import Card
from medseg_lab.data.readers import (
    acdc,
    chase,
    checks,
    digests,
    layout,
    lidc,
    listing,
    msd,
    nuclei,
    reader,
    virtual,
)
from medseg_lab.data.readers.decode import claims, h5, h5_child, nifti, nifti_header, picture
from medseg_lab.data.readers.reader import Reader

_FILES: tuple[ModuleType, ...] = (reader, listing, checks, digests, claims)

MODULES: dict[str, tuple[ModuleType, ...]] = {
    "acdc": (*_FILES, nifti, nifti_header, h5, h5_child, acdc),
    "chase": (*_FILES, picture, chase),
    "lidc": (*_FILES, picture, lidc),
    "msd": (*_FILES, nifti, nifti_header, layout, msd),
    "nuclei": (*_FILES, picture, nuclei),
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
    openers: dict[str, Callable[[Card, Path], Reader]] = {
        "acdc": acdc.AcdcReader.open,
        "chase": chase.ChaseReader.open,
        "lidc": lidc.LidcReader.open,
        "msd": msd.MsdReader.open,
        "nuclei": nuclei.NucleiReader.open,
    }
    return openers[card.reader](card, folder or locate.require(card))
