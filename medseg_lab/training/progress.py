"""A progress bar that leaves nothing behind."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from tqdm import tqdm

SWITCH = "MEDSEG_PROGRESS"


@contextmanager
def progress_bar(title: str, done: int, total: int) -> Iterator[Callable[[str], None]]:
    """Inside, the yielded function moves the bar by one step and shows its text. No title, no bar.

    In a live notebook the bar is a widget, in a terminal a line on stderr; both vanish at the end. Elsewhere
    (a log file, a pipe) there is none, nor where the environment says `MEDSEG_PROGRESS=0`: a notebook that
    is executed to be published would keep the widget's remains.
    """
    kind = _kind() if title else None
    if kind is None:
        yield lambda text: None
        return
    with kind(total=total, initial=done, desc=title, leave=False, unit="step", mininterval=0.3) as bar:

        def move(text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield move


def _kind() -> type[tqdm] | None:
    """The tqdm class for where we are, or None."""
    if os.environ.get(SWITCH) == "0":
        return None
    if _in_notebook():
        from tqdm.notebook import tqdm_notebook

        return tqdm_notebook
    return tqdm if sys.stderr.isatty() else None


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel with widgets at hand."""
    if "IPython" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from IPython.core import getipython

    return type(getipython.get_ipython()).__name__ == "ZMQInteractiveShell"
