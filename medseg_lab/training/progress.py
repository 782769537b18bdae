"""A progress bar that leaves nothing behind."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal, TextIO

from tqdm import tqdm

SWITCH = "MEDSEG_PROGRESS"


@contextmanager
def progress_bar(title: str, done: int, total: int) -> Iterator[Callable[[str], None]]:
    """Inside, the yielded function moves the bar by one step and shows its text. No title, no bar.

    In a live notebook the bar is a widget, in a terminal a line on stderr; both vanish at the end. Elsewhere
    (a log file, a pipe) there is none, nor where the environment says `MEDSEG_PROGRESS=0`: a notebook that
    is executed to be published would keep the widget's remains.
    """
    where = place(sys.stderr) if title else ""
    if not where:
        yield lambda text: None
        return
    bar_of: Callable[..., Any] = tqdm
    if where == "notebook":
        from tqdm.notebook import tqdm_notebook

        bar_of = tqdm_notebook
    with bar_of(total=total, initial=done, desc=title, leave=False, unit="step", mininterval=0.3) as bar:

        def move(text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield move


def place(stream: TextIO) -> Literal["notebook", "terminal", ""]:
    """Where progress can be shown: in a live notebook, on a terminal (the stream), or nowhere."""
    if os.environ.get(SWITCH) == "0":
        return ""
    if _in_notebook():
        return "notebook"
    return "terminal" if stream.isatty() else ""


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel with widgets at hand."""
    if "IPython" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from IPython.core import getipython

    return type(getipython.get_ipython()).__name__ == "ZMQInteractiveShell"
