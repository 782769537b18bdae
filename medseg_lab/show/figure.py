"""A matplotlib figure on a page, with words for those who cannot see it, or in a file."""

import base64
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_lab.data.whole_file import write_whole
from medseg_lab.evaluation.export import check_name
from medseg_lab.show.page import escape, show
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS_PER_INCH, POINTS_PER_INCH = 100, 72
SUFFIXES = (".png", ".svg", ".pdf")


def figure(fig: "Figure", alt: str | None = None) -> None:
    """Display a figure as a picture that carries its description.

    Args:
        fig: what to show.
        alt: what it shows, for a reader who cannot see it: the finding first. The figures of this package
            bring their own, made from their data, which is taken where `alt` is None.

    Raises:
        ValueError: where there is no description.
    """
    text = described(fig, alt)
    show(image(fig, text), f"[figure: {text}]")
    if "matplotlib.pyplot" in sys.modules:
        # otherwise the notebook would show a pyplot figure a second time, at the end of the cell
        sys.modules["matplotlib.pyplot"].close(fig)


def described(fig: "Figure", alt: str | None = None) -> str:
    """The figure's description: `alt`, or the one it brings.

    Raises:
        ValueError: where there is none.
    """
    text = (str(fig.get_label()) if alt is None else alt).strip()
    if not text:
        raise ValueError("alt: expected a sentence on what the figure shows, got none")
    return text


def image(fig: "Figure", alt: str) -> str:
    """An `<img>` element that needs no other file, drawn at twice the page's resolution."""
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    data = base64.b64encode(png(fig)).decode()
    return (
        f'<img class="medseg-figure" src="data:image/png;base64,{data}" alt="{escape(alt)}" '
        f'style="width:{width}px;max-width:100%;height:auto;background:#fff">'
    )


def png(fig: "Figure", dpi: int = 2 * PIXELS_PER_INCH) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with house():
        fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_stacked(figures: "Sequence[Figure]", path: Path | str) -> Path:
    """Write figures to a file, one below the other, whole or not at all; in a PDF each has its page.

    Args:
        figures: the first is the topmost.
        path: ends in `.png`, `.svg` or `.pdf`; a file that is there is replaced.

    Returns:
        The path.

    Raises:
        ValueError: for another suffix.
    """
    target = Path(path).expanduser()
    check(target)
    draw = {".png": _png, ".svg": _svg, ".pdf": _pdf}[target.suffix]
    write_whole(target, draw(figures))
    return target


def check(target: Path) -> None:
    """Whether a file of this name can be drawn.

    Raises:
        ValueError: if its suffix is unknown, or there is no such folder.
    """
    check_name("figure", target, SUFFIXES)


def _png(figures: "Sequence[Figure]") -> bytes:
    from PIL import Image

    drawn = [Image.open(io.BytesIO(png(fig))).convert("RGB") for fig in figures]
    sheet = Image.new("RGB", (max(one.width for one in drawn), sum(one.height for one in drawn)), "white")
    top = 0
    for one in drawn:
        sheet.paste(one, (0, top))
        top += one.height
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()


def _svg(figures: "Sequence[Figure]") -> bytes:
    """In points throughout: a drawing within a drawing is measured in the outer one's unit."""
    from matplotlib import rc_context

    parts, widest, top = [], 0.0, 0.0
    for number, fig in enumerate(figures):
        width, height = (POINTS_PER_INCH * inches for inches in fig.get_size_inches())
        buffer = io.StringIO()
        with house(), rc_context({"svg.hashsalt": f"medseg {number}"}):
            fig.savefig(buffer, format="svg", metadata={"Date": None})
        markup = buffer.getvalue()
        inner = markup[markup.index(">", markup.index("<svg")) + 1 :]
        size = f'y="{top:g}" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        parts.append(f"<svg {size}>{inner}")
        widest, top = max(widest, width), top + height
    size = f'width="{widest:g}pt" height="{top:g}pt" viewBox="0 0 {widest:g} {top:g}"'
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {names} {size}>\n{''.join(parts)}</svg>\n".encode()


def _pdf(figures: "Sequence[Figure]") -> bytes:
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    with house(), PdfPages(buffer, metadata={"CreationDate": None}) as pages:
        for fig in figures:
            pages.savefig(fig)
    return buffer.getvalue()
