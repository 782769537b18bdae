"""Reader of two folders, one of images and one of masks, whose names pair up as the card's `pairs` say."""

import re
from pathlib import Path
from typing import NamedTuple

from medseg_lab.data.card import Card, Pairs
from medseg_lab.data.readers.checks import by_name, visible
from medseg_lab.data.readers.decode.volume import ending_of
from medseg_lab.data.readers.msd import MsdReader
from medseg_lab.data.readers.reader import Files


class FoldersReader(MsdReader):
    """The images that have a mask, and their masks; what has no counterpart is left out (`unpaired`)."""

    @classmethod
    def open(cls, card: Card, folder: Path) -> "FoldersReader":
        """The reader of a card in `folder`."""
        assert card.pairs is not None
        images, masks = (named(side) for side in sides(card.pairs, folder))
        cases = sorted(set(images) & set(masks))
        if not cases:
            raise ValueError(
                f"{folder}: expected images like {card.pairs.image_name!r} in {card.pairs.images} and masks "
                f"like {card.pairs.mask_name!r} in {card.pairs.masks}, got no pair"
            )
        return cls(card, {case: Files((images[case],), (masks[case],)) for case in cases}, card.unknown)


class Side(NamedTuple):
    """A folder of images or of masks, and the expression for their names."""

    folder: Path
    name: str


def sides(pairs: Pairs, folder: Path) -> tuple[Side, Side]:
    """Images and masks of a card in `folder`."""
    return Side(folder / pairs.images, pairs.image_name), Side(folder / pairs.masks, pairs.mask_name)


def named(side: Side) -> dict[str, Path]:
    """The files or DICOM folders of a side, by case.

    Raises:
        ValueError: if the folder is missing, or two have the name of one case.
    """
    matches = ((re.fullmatch(side.name, path.name), path) for path in entries(side.folder))
    return by_name((match[1], path) for match, path in matches if match)


def entries(folder: Path) -> list[Path]:
    """The files of a known format in `folder`; where there are none, its folders: a DICOM series each.

    Raises:
        ValueError: if there is no such folder, or it has neither.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one of images or masks")
    every = visible(folder, "*")
    found = [path for path in every if path.is_file() and ending_of(path.name)]
    found = found or [path for path in every if path.is_dir()]
    if not found:
        others = ", ".join(sorted({path.suffix or path.name for path in every})[:5]) or "nothing"
        raise ValueError(f"{folder}: expected pictures, volumes or folders of DICOM files, got {others}")
    return found


def unpaired(pairs: Pairs, folder: Path) -> tuple[list[Path], list[Path]]:
    """The images without a mask, and the masks without an image."""
    images, masks = sides(pairs, folder)
    both = set(named(images)) & set(named(masks))
    return _others(images, both), _others(masks, both)


def _others(side: Side, cases: set[str]) -> list[Path]:
    used = {path for case, path in named(side).items() if case in cases}
    return [path for path in entries(side.folder) if path not in used]
