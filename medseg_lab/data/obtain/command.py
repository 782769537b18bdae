"""Getting and verifying from a terminal: what `medseg data` and the scripts in `data_scripts` share."""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_lab.data import locate
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.obtain.obtain import obtain
from medseg_lab.data.obtain.progress import Progress
from medseg_lab.data.obtain.terms import Terms, terms
from medseg_lab.data.obtain.verify import verify

if TYPE_CHECKING:
    from rich.console import Console

FAILED, WRONG_USE = 1, 2


def get(
    dataset: str,
    accept_licence: bool = False,
    source: Path | None = None,
    target: Path | None = None,
    console: "Console | None" = None,
) -> None:
    """Show the terms, obtain the data set, and say where it is and what was compared.

    Args:
        dataset: a card's id.
        accept_licence, source, target: as for `obtain`.
        console: where it is shown; the terminal if None.

    Raises:
        ValueError, RuntimeError: as `obtain`; where something is to be typed, the message says what.
    """
    console = console or _terminal()
    card = load_card(dataset)
    _show(terms(card), console)
    with drawn(console) as progress:
        got = obtain(card, target, source, accept_licence, progress)
    _say(f"{'laid out' if got.fresh else 'already there'}: {got.folder}", console)
    _say(str(got.verdict), console)


def check(dataset: str, console: "Console | None" = None, folder: Path | None = None) -> None:
    """Compare the data set with its list, in `folder` or where it is found, and say what came of it.

    Raises:
        ValueError: if it is not at hand, or not as published.
        RuntimeError: naming a file that cannot be read.
    """
    console = console or _terminal()
    card = load_card(dataset)
    terms(card)
    if folder is not None and not locate.is_at(folder, card):
        raise ValueError(f"{folder}: got no {' or '.join(card.markers)}, wanted the data set {card.base}")
    with drawn(console) as progress:
        verdict = verify(folder or locate.require(card), card, progress)
    _say(f"{verdict.folder}: {verdict}", console)
    verdict.require()


def main(dataset: str) -> None:
    """The whole of a script in `data_scripts`: reads the command line, gets, and leaves with an exit code."""
    parser = argparse.ArgumentParser(description=f"Get the data set {dataset}.")
    parser.add_argument("--accept-licence", action="store_true", help="you have read the terms, and accept")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="an archive or folder at hand"
    )
    parser.add_argument("--to", dest="target", type=Path, metavar="FOLDER", help="the data set's folder")
    said = parser.parse_args()
    try:
        get(dataset, said.accept_licence, said.source, said.target)
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(WRONG_USE if isinstance(error, ValueError) else FAILED)


@contextmanager
def drawn(console: "Console") -> Iterator[Progress]:
    """A progress callback that draws one bar a step."""
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


def _terminal() -> "Console":
    from rich.console import Console

    return Console()


def _show(offered: Terms, console: "Console") -> None:
    from rich.text import Text

    rows = offered.rows()
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        # Addresses are for copying: none is cut, however narrow the terminal.
        room = max(20, console.width - width)
        wrap = partial(textwrap.wrap, width=room, break_long_words=False, break_on_hyphens=False)
        lines = [line for paragraph in value.split("\n") for line in wrap(paragraph)]
        text = f"\n{' ' * width}".join(lines)
        console.print(Text.assemble((f"{name:<{width}}", "bold"), text), soft_wrap=True)


def _say(text: str, console: "Console") -> None:
    """A line that is not wrapped, whatever brackets a path has in it."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)
