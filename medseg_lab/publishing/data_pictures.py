"""Pictures of data on the book's data pages: drawn from the files at hand, else ones that were drawn earlier.

Earlier pictures lie in `book/_static/data/<name>.jpg`, of those data sets only whose licence lets figures be
passed on. Their description is kept inside them. `python -m medseg_lab.publishing.data_pictures` draws them
anew from the sets at hand.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_lab.data.card import Card
from medseg_lab.data.choose import choose
from medseg_lab.data.locate import find
from medseg_lab.show.figure import PIXELS_PER_INCH, described, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = {"msd-hippocampus": 12, "lidc-4rater": 12, "chase-db1": 8, "dsb2018-nuclei": 12}
"""Sets whose figures may be passed on (CC BY, CC BY-SA, CC0), with as many cases as `KEPT_BYTES` can hold."""

KEPT_BYTES = 150_000
KEPT_DPI, LIVE_DPI = (110, 100, 85), 160
BESIDE = "beside-real"
"""The name of the picture of virtual subjects beside the real hippocampus set."""


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

    @property
    def width(self) -> int:
        """Pixels on the page: 7 inches are 700."""
        return 7 * PIXELS_PER_INCH


def draw(card: Card, most: int = 12) -> Picture:
    """The contact sheet of a set that is at hand."""
    from medseg_lab.show.contact_sheet import contact_sheet

    return fresh(contact_sheet(card, choose(card.id).reader, most))


def fresh(fig: "Figure") -> Picture:
    """A figure as a picture for a page."""
    return Picture(jpeg(fig, LIVE_DPI, 88), described(fig), fresh=True)


def kept(name: str, folder: Path) -> Picture | None:
    """The picture of this name that was drawn earlier, or None."""
    from PIL import Image

    path = folder / f"{name}.jpg"
    if not path.is_file():
        return None
    with Image.open(path) as image:
        alt = image.info["comment"].decode()
    return Picture(path.read_bytes(), alt, fresh=False)


def figure(name: str, picture: Picture, caption: str) -> str:
    """A picture on a page, with its description for those who cannot see it."""
    alt = " ".join(picture.alt.split())
    options = f":alt: {alt}\n:width: {picture.width}px"
    return f"```{{figure}} {name}\n{options}\n\n{caption}\n```"


def at_hand(card: Card) -> bool:
    """Whether the set can be drawn now."""
    return card.virtual is not None or find(card) is not None


def jpeg(fig: "Figure", dpi: int, quality: int) -> bytes:
    """The figure as JPEG that carries its description as a comment; the same figure gives the same bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png(fig, dpi))) as image:
        image.convert("RGB").save(
            buffer, "JPEG", quality=quality, subsampling=0, optimize=True, comment=described(fig).encode()
        )
    return buffer.getvalue()


def keep(name: str, fig: "Figure", folder: Path) -> Path:
    """Write a picture to keep: as good as `KEPT_BYTES` allow, and in fewer pixels rather than badly.

    Raises:
        ValueError: if even the smallest is larger.
    """
    found = (jpeg(fig, dpi, quality) for dpi in KEPT_DPI for quality in (85, 75, 65, 55))
    data = next((data for data in found if len(data) <= KEPT_BYTES), None)
    if data is None:
        raise ValueError(f"picture {name}: got more than {KEPT_BYTES} bytes at any quality, wanted fewer")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jpg"
    path.write_bytes(data)
    return path


def main() -> None:
    """Draw the kept pictures anew, of those sets that are at hand."""
    from medseg_lab.data.catalogue import load_card
    from medseg_lab.publishing.house import find_house
    from medseg_lab.publishing.virtual_page import beside_real
    from medseg_lab.show.contact_sheet import contact_sheet

    folder = find_house().book / "_static" / "data"
    figures: dict[str, Callable[[], Figure]] = {}
    for card in filter(at_hand, map(load_card, KEPT)):
        figures[card.id] = partial(contact_sheet, card, choose(card.id).reader, KEPT[card.id])
    if "msd-hippocampus" in figures:
        figures[BESIDE] = beside_real
    for name, figure in figures.items():
        path = keep(name, figure(), folder)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
