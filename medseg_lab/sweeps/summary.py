"""What became of a sweep."""

from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data.wording import counted
from medseg_lab.workers.jobs import Outcome
from medseg_lab.workers.progress import spelled


@dataclass(frozen=True)
class Failure:
    """What failed.

    Args:
        title: of the job; of a data set, or of a method on it, where that is at fault.
        error: the last line of the traceback, or why the data or the method cannot be had.
        path: the file with the traceback; None for what failed before anything was trained.
        jobs: how many jobs this is.
    """

    title: str
    error: str
    path: Path | None = None
    jobs: int = 1

    def __str__(self) -> str:
        named = self.error.startswith(f"{self.title}: ")
        return f"failed: {self.error}" if named else f"failed: {self.title}: {self.error}"


@dataclass(frozen=True)
class Summary:
    """What became of a sweep.

    Args:
        grid: the grid file.
        store: the run store's folder.
        total: how many jobs the grid stands for, without what is left out.
        outcomes: of what is done, first what was there before.
        failures: what failed.
        left_out: titles of what does not apply, each with the reason.
        seconds: from the sweep's start to its end.
        waiting: titles of what is still to be done, in a dry run.
    """

    grid: Path
    store: Path
    total: int
    outcomes: tuple[Outcome, ...] = ()
    failures: tuple[Failure, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    waiting: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many jobs' results are there."""
        return len(self.outcomes)

    @property
    def replayed(self) -> int:
        """How many of them were there before."""
        return sum(outcome.replayed for outcome in self.outcomes)

    @property
    def made(self) -> int:
        """How many of them this sweep made."""
        return self.done - self.replayed

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the runs that are done."""
        return tuple(outcome.key for outcome in self.outcomes)

    def describe(self) -> str:
        """Counts, what failed and where its traceback is, what was left out and why."""
        failed = sum(failure.jobs for failure in self.failures)
        lines = [
            f"{self.grid.name}: {counted(self.total, 'job')} in {spelled(self.seconds)}: "
            f"{self.made} done now, {self.replayed} were there already, {failed} failed"
            f"{f', {len(self.waiting)} to do' if self.waiting else ''}"
        ]
        lines += [f"left out: {title}: {reason}" for title, reason in self.left_out]
        for failure in self.failures:
            lines.append(str(failure))
            if failure.path:
                lines.append(f"        {homely(failure.path)}")
        return "\n".join(lines)


def homely(path: Path) -> str:
    """The path as seen from the working folder, if it is inside; else with `~` for the user's home folder."""
    here, home = Path.cwd(), Path.home()
    if path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)
