"""What runs, what is done, what remains: a live table on a terminal, plain lines elsewhere."""

import io
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medseg_lab.training.progress import place
from medseg_lab.workers.jobs import Job, Outcome

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN = 12
"""Running jobs in the table; of more, the number."""
WIDTH = 96
"""Characters in a line of the table in a notebook."""
AS_HTML = '<pre style="font-size: 0.85em; line-height: 1.3">{code}</pre>'


@dataclass(frozen=True)
class Running:
    """A job that runs: its id and title, the machine and process, and its start in seconds since 1970."""

    job: str
    title: str
    host: str
    pid: int
    since: float


@dataclass
class Progress:
    """The progress of a list of jobs.

    Args:
        write: shows a line.
        brief: only a failure has a line of its own.
        total: jobs.
        before: those that were done before the start.
        made, replayed, failed: what became of the others so far.
        started: when the first was handed out, in seconds on `time.monotonic`'s clock; 0 before that.
        running: jobs that run now, by id.
        refresh: shows the table anew; is called twice a second.
    """

    write: Callable[[str], None] = print
    brief: bool = False
    total: int = 0
    before: int = 0
    made: int = 0
    replayed: int = 0
    failed: int = 0
    started: float = 0.0
    running: dict[str, Running] = field(default_factory=dict)
    refresh: Callable[[], None] = lambda: None

    def start(self) -> None:
        """The first job is handed out."""
        self.started = time.monotonic()

    def job_began(self, announced: dict[str, Any]) -> None:
        """A worker has begun a job."""
        self.running[announced["job"]] = Running(**announced)

    def job_ended(self, job: Job, outcome: Outcome) -> None:
        """A job has ended."""
        self.running.pop(job.id, None)
        self.made += not (outcome.traceback or outcome.replayed)
        self.replayed += outcome.replayed
        self.failed += bool(outcome.traceback)
        said = f"{job.title}: {_result(outcome)}"
        if not self.brief:
            self.write(f"[{self.ended:{len(str(self.total))}}/{self.total}] {said}{self._left()}")
        elif outcome.traceback:
            self.write(said)

    @property
    def ended(self) -> int:
        """How many need no more work."""
        return self.before + self.made + self.replayed + self.failed

    @property
    def rate(self) -> float:
        """Jobs a second, of those that took work; 0 before the first has ended."""
        return (self.made + self.failed) / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Until all is done, if the rest takes as long as what was done; None before the first has ended."""
        return (self.total - self.ended) / self.rate if self.rate else None

    def _left(self) -> str:
        left = self.seconds_left
        return "" if left is None or self.ended == self.total else f"; about {spelled(left)} left"

    def line(self) -> str:
        """All figures in one line."""
        there = self.before + self.replayed
        said = f"{self.ended} of {self.total}: {self.made} done, {there} there already, {self.failed} failed"
        left = self._left()
        return said + left.replace("; ", f"; {60 * self.rate:.1f} a minute, ")

    def stopped(self, keep_on: bool) -> str:
        """What to say when somebody has pressed Ctrl-C."""
        running, what = len(self.running), "left running on the cluster" if keep_on else "interrupted"
        return (
            f"stopped: {self.ended - self.failed} done, {self.failed} failed, {running} {what}, "
            f"{self.total - self.ended - running} not started. The same command goes on from here."
        )

    def table(self, height: int) -> "RenderableType":
        """The live table, for a terminal of so many lines."""
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self.started:
            return Text("starting workers, and checking what is done already ...", style="dim")
        found = sorted(self.running.values(), key=lambda one: one.since)
        rows, now = max(1, min(SHOWN, height - 7)), time.time()
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True)
        table.add_column("running", ratio=1, no_wrap=True)
        table.add_column("where", no_wrap=True)
        table.add_column("for", justify="right", no_wrap=True)
        for one in found[:rows]:
            lasts = max(0.0, now - one.since)  # the clock may have been set back, or be another machine's
            table.add_row(Text(one.title), Text(f"{one.host}:{one.pid}"), spelled(lasts))
        if len(found) > rows or not found:
            said = f"and {len(found) - rows} more" if found else "nothing at this moment"
            table.add_row(Text(said, style="dim"), "", "")
        head = Table.grid(expand=True)
        head.add_row(ProgressBar(total=max(1, self.total), completed=self.ended))
        head.add_row(Text(self.line()))
        return Group(head, table)


@contextmanager
def shown(brief: bool = False) -> Iterator[Progress]:
    """Progress that is shown while it lasts: a table on a terminal or in a notebook, else lines.

    Args:
        brief: whether there are lines for failures alone.
    """
    shows = {"terminal": _on_terminal, "notebook": _in_notebook}
    with shows.get(place(sys.stdout), lambda: nullcontext(Progress(brief=brief)))() as progress:
        yield progress


@contextmanager
def _on_terminal() -> Iterator[Progress]:
    """Failures stay above the table."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    progress = Progress(lambda text: console.print(text, markup=False, highlight=False), brief=True)
    live = Live(
        console=console,
        refresh_per_second=2,
        transient=True,
        get_renderable=lambda: progress.table(console.height),
    )
    with live:
        yield progress


@contextmanager
def _in_notebook() -> Iterator[Progress]:
    """The table is an output that is replaced, and is empty at the end; failures stay below it."""
    from IPython.display import HTML, display
    from rich.console import Console

    shown = display(HTML(""), display_id=True)

    def refresh() -> None:
        console = Console(file=io.StringIO(), width=WIDTH, record=True, force_jupyter=False)
        console.print(progress.table(SHOWN + 7))
        shown.update(HTML(console.export_html(inline_styles=True, code_format=AS_HTML)))

    progress = Progress(brief=True, refresh=refresh)
    try:
        yield progress
    finally:
        shown.update(HTML(""))


def _result(outcome: Outcome) -> str:
    """The result of a job in words, with the machine if it is another one."""
    if outcome.traceback:
        return f"FAILED: {outcome.error}"
    what = "there already" if outcome.replayed else f"done in {spelled(outcome.seconds)}"
    return f"{what} ({outcome.host})" if outcome.host not in ("", socket.gethostname()) else what


def spelled(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`: two figures are enough to wait by."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{minutes} min" if not hours else f"{hours} h {minutes} min"
