"""Several figures in one file, one below the other."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_lab.evaluation.export import write_whole
from medseg_lab.show.figure import png
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72


def save_stacked(figures: "Sequence[Figure]", path: Path | str) -> Path:
    """Write figures to a file, whole or not at all; in a PDF each has its page.

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
    write_whole(target, FORMATS[target.suffix](figures))
    return target


def check(target: Path) -> None:
    """Whether a file of this name can be drawn.

    Raises:
        ValueError: if its suffix is unknown, or there is no such folder.
    """
    if target.suffix not in FORMATS:
        raise ValueError(f"figure: got {target}, wanted a name that ends in {', '.join(FORMATS)}")
    if not target.parent.is_dir():
        raise ValueError(f"figure: got {target}, wanted a folder that exists")


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

    sizes = [(POINTS_PER_INCH * fig.get_figwidth(), POINTS_PER_INCH * fig.get_figheight()) for fig in figures]
    parts, top = [], 0.0
    for number, (fig, (width, height)) in enumerate(zip(figures, sizes, strict=True)):
        buffer = io.StringIO()
        with house(), rc_context({"svg.hashsalt": f"medseg {number}"}):
            fig.savefig(buffer, format="svg", metadata={"Date": None})
        markup = buffer.getvalue()
        inner = markup[markup.index(">", markup.index("<svg")) + 1 :]
        size = f'y="{top:g}" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        parts.append(f"<svg {size}>{inner}")
        top += height
    width = max(width for width, _ in sizes)
    size = f'width="{width:g}pt" height="{top:g}pt" viewBox="0 0 {width:g} {top:g}"'
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {names} {size}>\n{''.join(parts)}</svg>\n".encode()


def _pdf(figures: "Sequence[Figure]") -> bytes:
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    with house(), PdfPages(buffer, metadata={"CreationDate": None}) as pages:
        for fig in figures:
            pages.savefig(fig)
    return buffer.getvalue()


FORMATS: "dict[str, Callable[[Sequence[Figure]], bytes]]" = {".png": _png, ".svg": _svg, ".pdf": _pdf}
