"""Getting and verifying a data set from a terminal: what `medseg data get` and `verify` do."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from medseg_lab.data import locate
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.obtain import Progress
from medseg_lab.data.obtain.listing import require_download
from medseg_lab.data.obtain.obtain import obtain
from medseg_lab.data.obtain.terms import terms
from medseg_lab.data.obtain.verify import verify


def get(
    dataset: str,
    accept_licence: bool = False,
    source: Path | None = None,
    target: Path | None = None,
    console: Console | None = None,
) -> None:
    """Show the terms, obtain the data set, and say where it is and what was compared.

    Args:
        dataset: a card's id.
        accept_licence, source, target: as for `obtain`.
        console: where it is shown; the terminal if None.

    Raises:
        ValueError, RuntimeError: as `obtain`; where something is to be typed, the message says what.
    """
    console = console or Console()
    card = load_card(dataset)
    _show(terms(card), console)
    with drawn(console) as progress:
        got = obtain(card, target, source, accept_licence, progress)
    _say(f"{'laid out' if got.fresh else 'already there'}: {got.folder}", console)
    _say(str(got.verdict), console)


def check(dataset: str, console: Console | None = None, folder: Path | None = None) -> None:
    """Compare the data set with its list, in `folder` or where it is found, and show the result.

    Raises:
        ValueError: if it is not at hand, or not as published.
        RuntimeError: naming a file that cannot be read.
    """
    console = console or Console()
    card = load_card(dataset)
    require_download(card)
    if folder is not None and not locate.is_at(folder, card):
        raise ValueError(f"{folder}: expected the data set {card.base}, got no {' or '.join(card.markers)}")
    with drawn(console) as progress:
        verdict = verify(folder or locate.require(card), card, progress)
    _say(f"{verdict.folder}: {verdict}", console)
    verdict.require()


@contextmanager
def drawn(console: Console) -> Iterator[Progress]:
    """A progress callback that draws one bar per step."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, int] = {}

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)  # type: ignore[arg-type]

        yield progress


def _show(rows: list[tuple[str, str]], console: Console) -> None:
    """A table of two columns. Addresses are for copying: none is cut, however narrow the terminal."""
    indent = max(len(name) for name, _ in rows) + 2
    wrapper = textwrap.TextWrapper(
        width=max(console.width, indent + 20),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for name, value in rows:
        for number, paragraph in enumerate(value.split("\n")):
            wrapper.initial_indent = f"{'' if number else name:<{indent}}"
            _say(wrapper.fill(paragraph), console)


def _say(text: str, console: Console) -> None:
    """A line that is not wrapped, whatever brackets a path has in it."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)
