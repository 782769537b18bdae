"""What became of a sweep."""

from dataclasses import dataclass
from pathlib import Path

from medseg_lab.evaluation.wording import counted
from medseg_lab.sweeps.failures import Failure
from medseg_lab.sweeps.jobs import Outcome


@dataclass(frozen=True)
class Summary:
    """What became of a sweep.

    Args:
        grid: the grid file.
        store: the run store's folder.
        total: how many jobs the grid stands for, without what is left out.
        outcomes: of those that are done, as they ended; first those that were there before.
        failures: what failed.
        left_out: titles of what does not apply, each with the reason.
        seconds: from the sweep's start to its end.
        waiting: titles of what is still to be done: only in a dry run, or one that was interrupted.
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
        lines = [
            f"{self.grid.name}: {counted(self.total, 'job')} in {spelled(self.seconds)}: "
            f"{self.made} done now, {self.replayed} were there already, {len(self.failures)} failed"
            f"{f', {len(self.waiting)} to do' if self.waiting else ''}"
        ]
        for title, reason in self.left_out:
            lines.append(f"left out: {title}: {reason}")
        for failure in self.failures:
            lines += [f"failed: {failure.title}: {failure.error}", f"        {homely(failure.path)}"]
        return "\n".join(lines)


def spelled(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`: two figures are enough to wait by."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {rest} min"


def homely(path: Path) -> str:
    """The path as seen from the working folder, if it is inside; else with `~` for the user's home folder."""
    here, home = Path.cwd(), Path.home()
    if path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)
