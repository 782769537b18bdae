"""HTML that takes care of itself: no file fetched, light and dark, any number of it on a page."""

import html
import itertools
from typing import Any

_numbers = itertools.count(1)


def show(markup: str, plain: str, **other: Any) -> None:
    """Display HTML, with plain text for where there is none, and other representations by MIME type."""
    from IPython.display import display

    display({"text/html": markup, "text/plain": plain, **other}, raw=True)


def fresh_id(prefix: str) -> str:
    """An id that no other element of this notebook has."""
    return f"medseg-{prefix}-{next(_numbers)}"


def escape(text: object) -> str:
    """For HTML text and attributes."""
    return html.escape(str(text))
