"""A matplotlib figure on a page, with words for those who cannot see it."""

import base64
import html
import io
import sys
from typing import TYPE_CHECKING

from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS_PER_INCH = 100


def figure(fig: "Figure", alt: str | None = None) -> None:
    """Display a figure as a picture that carries its description.

    Args:
        fig: what to show.
        alt: what it shows, for a reader who cannot see it: the finding first. The figures of this package
            bring their own, made from their data, which is taken where `alt` is None.

    Raises:
        ValueError: where there is no description.
    """
    from IPython.display import display

    text = described(fig, alt)
    display({"text/html": image(fig, text), "text/plain": f"[figure: {text}]"}, raw=True)
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
        raise ValueError("alt: got no description, wanted a sentence on what the figure shows")
    return text


def image(fig: "Figure", alt: str) -> str:
    """An `<img>` element that needs no other file, drawn at twice the page's resolution."""
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    data = base64.b64encode(png(fig)).decode()
    return (
        f'<img class="medseg-figure" src="data:image/png;base64,{data}" alt="{html.escape(alt)}" '
        f'style="width:{width}px;max-width:100%;height:auto;background:#fff">'
    )


def png(fig: "Figure", dpi: int = 2 * PIXELS_PER_INCH) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with house():
        fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
