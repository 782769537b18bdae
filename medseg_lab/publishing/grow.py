"""The book grows: it is there at once, and each chapter that was executed replaces its page."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from medseg_lab.publishing import estimate
from medseg_lab.publishing.book import Book, BookError, Stopped
from medseg_lab.publishing.execute import Executed, find_chapter, run_chapter
from medseg_lab.publishing.house import House
from medseg_lab.publishing.parameters import of_book
from medseg_lab.publishing.waiting import Page
from medseg_lab.workers.progress import spelled

GIVE_WAY = 10
"""The priority of a build beside chapters that are executed; the first one, for which readers wait, has 0."""


class Publisher:
    """Builds the book beside the chapters that are executed: one build at a time, of the latest pages.

    Args:
        book: the book.
        say: shows a line.
    """

    def __init__(self, book: Book, say: Callable[[str], None]) -> None:
        self.book, self.say = book, say
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._last: Future[Any] = Future()
        self._stop = Event()

    def publish(self, pages: list[Page], nice: int = GIVE_WAY) -> None:
        """Build the book of these pages once the present build has ended, and of none that wait for it."""
        self._last.cancel()
        self._last = self._thread.submit(self._build, list(pages), self._stop, nice)

    def finish(self, pages: list[Page]) -> Path:
        """Build the book of these pages now, and wait for it: `Book.build`."""
        self._halt()
        return self._thread.submit(self.book.build, pages, self._stop).result()

    def close(self) -> None:
        """End the present build; the book that is there stays."""
        self._halt()
        self._thread.shutdown()

    def _halt(self) -> None:
        self._last.cancel()
        self._stop.set()
        self._stop = Event()

    def _build(self, pages: list[Page], stop: Event, nice: int) -> None:
        """A build beside others: what is wrong is said, and must be put right until the last one."""
        missing = sum(not isinstance(page, Executed) for page in pages)
        try:
            index = self.book.build(pages, stop, nice)
        except Stopped:
            return
        except Exception as error:  # of a thread that nobody waits for
            self.say(f"{error}" if isinstance(error, BookError) else f"{type(error).__name__}: {error}")
        else:
            self.say(f"to be read: {index} ({len(pages) - missing} of {len(pages)} chapters executed)")


def grow(
    house: House,
    *,
    budget: str | None = None,
    dataset: str | None = None,
    output: Path | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Execute the chapters that have changed, and build the book before, meanwhile and at the end.

    Args:
        house: the checkout.
        budget, dataset: for the chapters that have such a parameter; None takes their own. At `smoke` they
            train all methods.
        output: as `Book`.
        say: shows a line.

    Returns:
        The path of the built `index.html`.

    Raises:
        ModuleNotFoundError: where Jupyter Book is not installed.
        ValueError: for an unknown budget or data set, naming the known ones.
        BookError: if the book did not build, or chapters failed; the others were executed then.
        KeyboardInterrupt: if it was stopped: what is done.
    """
    if find_spec("jupyter_book") is None:  # else it would be missed after the first chapter
        raise ModuleNotFoundError("No module named 'jupyter_book'", name="jupyter_book")
    given = {chapter: of_book(chapter, budget=budget, dataset=dataset) for chapter in house.chapters()}
    pages = [find_chapter(one.path, values, house=house, with_runs=True) for one, values in given.items()]
    book = Book(house, output)
    costs = {page.chapter: estimate.cost(page) for page in pages if not isinstance(page, Executed)}
    say(estimate.sentence(pages, list(costs.values())))
    if not costs and book.is_current(pages):
        say(f"the book, in which nothing has changed: {book.index}")
        return book.index
    publisher = Publisher(book, say)
    with ended_as_by_ctrl_c():
        try:
            if costs:
                publisher.publish(pages, nice=0)
            for number, page in enumerate(pages):
                if isinstance(page, Executed):
                    continue
                seconds = costs.pop(page.chapter)
                say(f"{page.chapter.heading} ..." + (f" (about {spelled(seconds)})" if seconds else ""))
                try:
                    pages[number] = run_chapter(
                        page.chapter.path, page.parameters, house=house, with_runs=True
                    )
                    say(str(pages[number]))
                except (RuntimeError, ValueError, OSError) as error:
                    line = getattr(error, "line", f"{type(error).__name__}: {error}".splitlines()[0])
                    pages[number] = replace(page, failure=line)
                    say(f"{page.chapter.section} FAILED: {error}")
                if costs:  # others wait, so that this is not the last build
                    publisher.publish(pages)
            index = publisher.finish(pages)
        except KeyboardInterrupt:
            publisher.close()
            raise KeyboardInterrupt(stopped(pages, book)) from None
        finally:
            publisher.close()
    say(f"the book: {index}")
    failed = [page.chapter.section for page in pages if not isinstance(page, Executed)]
    if failed:
        raise BookError(f"failed, as their pages say: {', '.join(failed)}; the same command tries them again")
    return index


def stopped(pages: list[Page], book: Book) -> str:
    """What to say when somebody has pressed Ctrl-C."""
    executed = sum(isinstance(page, Executed) for page in pages)
    there = f"the book as far as it is: {book.index}" if book.index.is_file() else "there is no book yet"
    return (
        f"stopped: {executed} of {len(pages)} chapters executed; {there}. The same command goes on from here."
    )


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """While it lasts, a signal that ends processes (`kill`, a closed terminal) interrupts as Ctrl-C does.

    One that is ignored stays ignored: with `nohup` the book outlives its terminal.
    """
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ending = [number for number in known if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
