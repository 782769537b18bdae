"""How a sweep stands, as a live table on a terminal and as plain lines elsewhere."""

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from medseg_lab.sweeps.desk import Marker
from medseg_lab.sweeps.jobs import Job, Outcome
from medseg_lab.sweeps.summary import spelled
from medseg_lab.sweeps.tally import Tally

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHOWN = 12
"""Running jobs in the table; of more, the number."""


class Lines:
    """A line an event: for log files, pipes and notebooks."""

    def __init__(self, write: Callable[[str], None] = print) -> None:
        self._write = write
        self.tally = Tally(0)

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        """A sentence on how the sweep is getting on."""
        self._write(text)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A job has ended."""
        self.tally.count(outcome)
        width = len(str(self.tally.total))
        said = f"[{self.tally.ended:{width}}/{self.tally.total}] {job.title}: {told(outcome)}"
        left = self.tally.left(time.monotonic())
        rest = (
            f"; about {spelled(left)} left"
            if left is not None and self.tally.ended < self.tally.total
            else ""
        )
        self._write(said + rest)


class Table(Lines):
    """A table that is drawn again and again, on a terminal; what failed stays above it."""

    def __init__(self, console: "Console", running: Callable[[], list[Marker]]) -> None:
        from rich.live import Live

        super().__init__(lambda text: console.print(text, markup=False, highlight=False))
        self._running = running
        self._live = Live(
            console=console,
            refresh_per_second=2,
            transient=True,
            get_renderable=lambda: self._drawn(console.height),
        )

    def __enter__(self) -> "Table":
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A job has ended; only a failure gets a line of its own."""
        self.tally.count(outcome)
        if outcome.traceback:
            self._write(f"{job.title}: {told(outcome)}")

    def _drawn(self, height: int) -> "RenderableType":
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table as Grid
        from rich.text import Text

        if not self.tally.began:
            return Text("starting workers, and looking at what is there already ...", style="dim")
        now, found = time.time(), self._running()
        rows = max(1, min(SHOWN, height - 7))
        table = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True)
        table.add_column("running", ratio=1, no_wrap=True)
        table.add_column("where", no_wrap=True)
        table.add_column("for", justify="right", no_wrap=True)
        for one in found[:rows]:
            table.add_row(Text(one.title), Text(f"{one.host}:{one.pid}"), spelled(now - one.since))
        if len(found) > rows:
            table.add_row(Text(f"and {len(found) - rows} more", style="dim"), "", "")
        if not found:
            table.add_row(Text("nothing at this moment", style="dim"), "", "")
        head = Grid.grid(expand=True)
        head.add_row(ProgressBar(total=max(1, self.tally.total), completed=self.tally.ended))
        head.add_row(Text(self.tally.line(time.monotonic())))
        return Group(head, table)


def told(outcome: Outcome) -> str:
    """What became of a job, in words, and where, if on another machine."""
    if outcome.traceback:
        return f"FAILED: {outcome.error}"
    what = "there already" if outcome.replayed else f"done in {spelled(outcome.seconds)}"
    return f"{what} ({outcome.host})" if outcome.host not in ("", socket.gethostname()) else what
