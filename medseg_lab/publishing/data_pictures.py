"""Pictures on the book's data pages: drawn from the files on this machine, else ones that were drawn earlier.

Earlier pictures are in `book/_static/data/<name>.jpg`, only of data sets whose licence allows figures to be
shared. Their description is stored inside them. `python -m medseg_lab.publishing.data_pictures` draws them
again from the data sets on this machine.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medseg_lab.data.card import Card
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.choose import choose
from medseg_lab.data.locate import find
from medseg_lab.data.readers.virtual import VirtualReader
from medseg_lab.publishing.house import find_house
from medseg_lab.publishing.markdown import figure
from medseg_lab.show.contact_sheet import contact_sheet, evenly
from medseg_lab.show.figure import described, png
from medseg_lab.show.sheet import Sheet, beside, look_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = {"msd-hippocampus": 12, "lidc-4rater": 12, "chase-db1": 8, "dsb2018-nuclei": 12}
"""Data sets whose figures may be shared (CC BY, CC BY-SA, CC0), with as many cases as fit `KEPT_BYTES`."""

KEPT_BYTES = 150_000
KEPT_DPI, LIVE_DPI, WIDTH = (110, 100, 85), 160, 700

REAL, BESIDE = "msd-hippocampus", "beside-real"
"""The real set that virtual subjects are shown beside, and the name of that picture."""

SUBJECTS, TWINNED = 4, 3
BOX_MM = ((36, 72), (68, 118), (44, 80))
"""The part of a virtual brain around its left hippocampus, axis by axis, in mm from the corner."""


@dataclass(frozen=True)
class Picture:
    """A picture as a page shows it.

    Args:
        data: JPEG.
        alt: what it shows, in words.
        fresh: whether it was drawn now.
    """

    data: bytes
    alt: str
    fresh: bool

    def markdown(self, file: str, caption: str) -> str:
        """The picture on a page, under a file name."""
        return figure(file, self.alt, WIDTH, caption)


def draw(card: Card, most: int = 12) -> Picture:
    """The contact sheet of a data set on this machine."""
    return fresh(contact_sheet(card, choose(card.id).reader, most))


def fresh(fig: "Figure") -> Picture:
    """A figure as a picture for a page."""
    return Picture(jpeg(fig, LIVE_DPI, 88), described(fig), fresh=True)


def kept(name: str, folder: Path) -> Picture | None:
    """The picture of this name that was drawn earlier, or None."""
    path = folder / f"{name}.jpg"
    if not path.is_file():
        return None
    with Image.open(path) as image:
        alt = image.info["comment"].decode()
    return Picture(path.read_bytes(), alt, fresh=False)


def at_hand(card: Card) -> bool:
    """Whether the data set can be drawn now."""
    return card.virtual is not None or find(card) is not None


def jpeg(fig: "Figure", dpi: int, quality: int) -> bytes:
    """The figure as JPEG with its description as a comment; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png(fig, dpi))) as image:
        image.convert("RGB").save(
            buffer, "JPEG", quality=quality, subsampling=0, optimize=True, comment=described(fig).encode()
        )
    return buffer.getvalue()


def keep(name: str, fig: "Figure", folder: Path) -> Path:
    """Store a picture at the best resolution, then quality, that `KEPT_BYTES` allow.

    Raises:
        ValueError: if even the smallest is larger.
    """
    found = (jpeg(fig, dpi, quality) for dpi in KEPT_DPI for quality in (85, 75, 65, 55))
    data = next((data for data in found if len(data) <= KEPT_BYTES), None)
    if data is None:
        raise ValueError(f"picture {name}: expected at most {KEPT_BYTES} bytes, got more at any quality")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jpg"
    path.write_bytes(data)
    return path


def known_truth(card: Card) -> "Figure":
    """The scan, the known probability of one class, and the share of the readings that have it."""
    chosen, k = choose(card.id), len(card.classes) - 2
    names, what = list(chosen.reader.patients())[:SUBJECTS], card.classes[k]
    rows: dict[str, list[Sheet]] = {"scan": [], f"p*({what})": [], "share of raters": []}
    for name in names:
        raw = chosen.reader.read(name)
        if raw.distribution is None:
            raise ValueError(f"{card.id}, case {name}: expected a label distribution, got none")
        share = (raw.labels == k).mean(0, keepdims=True, dtype=np.float32)
        for row, image in zip(rows, (raw.image[:1], raw.distribution[k : k + 1], share), strict=True):
            rows[row].append(look_at(replace(raw, image=image), card))
    alt = (
        f"{len(names)} virtual subjects; below, the known probability of {what}, which falls off gradually "
        "at its borders; and the share of the raters who marked it, in steps around the same borders."
    )
    return beside(rows, alt, names)


def twins(card: Card, shifts: Sequence[str]) -> "Figure":
    """The same subjects as the card makes them, and under each shift."""
    rows, names = {}, list(choose(card.id).reader.patients())[:TWINNED]
    for label, dataset in {"unshifted": card.id, **{name: f"{card.id}+{name}" for name in shifts}}.items():
        chosen = choose(dataset)
        rows[label] = [look_at(chosen.reader.read(name), chosen.card) for name in names]
    alt = f"{len(names)} virtual subjects in a row; below, the same under {', '.join(shifts)}."
    return beside(rows, alt, names)


def beside_real() -> "Figure":
    """Real boxes around a hippocampus, the same part of virtual subjects at 1 mm, and a whole one."""
    real, base = choose(REAL), load_card("virtual-brain")
    assert base.virtual is not None
    fine = base.virtual.model_copy(update={"settings": {**base.virtual.settings, "resolution": 1}})
    reader = VirtualReader.open(base.model_copy(update={"virtual": fine}), keep=False)
    found = evenly(list(real.reader.patients()), SUBJECTS)
    rows = {"real": [look_at(real.reader.read(name), real.card) for name in found]}
    rows |= {"virtual, same part": [], "virtual, whole": []}
    box = tuple(slice(*ends) for ends in BOX_MM)
    for name in list(reader.patients())[:SUBJECTS]:
        raw = reader.read(name)
        part = type(raw)(name, name, raw.image[:, *box], raw.labels[:, *box], raw.spacing)
        rows["virtual, same part"].append(look_at(part, base))
        rows["virtual, whole"].append(look_at(raw, base))
    alt = (
        f"{SUBJECTS} real scans around the hippocampus; below, the same part of {SUBJECTS} virtual "
        "subjects, and those whole. The virtual ones show the same structures, blurred and grainier."
    )
    return beside(rows, alt)


def main() -> None:
    """Draw the stored pictures again, of the data sets on this machine."""
    folder = find_house().book / "_static" / "data"
    for card in filter(at_hand, map(load_card, KEPT)):
        figures = {card.id: contact_sheet(card, choose(card.id).reader, KEPT[card.id])}
        if card.id == REAL:
            figures[BESIDE] = beside_real()
        for name, fig in figures.items():
            path = keep(name, fig, folder)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
