"""The figures of a sweep at work."""

from dataclasses import dataclass

from medseg_lab.sweeps.jobs import Outcome
from medseg_lab.sweeps.summary import spelled


@dataclass
class Tally:
    """The figures of a sweep at work.

    Args:
        total: jobs.
        before: those that were there already when it began.
        made, replayed, failed: what became of the others so far.
        began: when the first of them was handed out, in seconds on `time.monotonic`'s clock.
    """

    total: int
    before: int = 0
    made: int = 0
    replayed: int = 0
    failed: int = 0
    began: float = 0.0

    @property
    def ended(self) -> int:
        """How many need no more work."""
        return self.before + self.made + self.replayed + self.failed

    def count(self, outcome: Outcome) -> None:
        """Count what became of a job."""
        if outcome.traceback:
            self.failed += 1
        elif outcome.replayed:
            self.replayed += 1
        else:
            self.made += 1

    def rate(self, now: float) -> float:
        """Jobs a second that took work; 0 before the first has ended."""
        return (self.made + self.failed) / max(now - self.began, 1e-9)

    def left(self, now: float) -> float | None:
        """Seconds until all is done, if the rest takes as long as what was done; None before the first."""
        rate = self.rate(now)
        return (self.total - self.ended) / rate if rate else None

    def line(self, now: float) -> str:
        """All figures in one line."""
        said = (
            f"{self.ended} of {self.total}: {self.made} done, {self.before + self.replayed} there already, "
        )
        said += f"{self.failed} failed"
        left = self.left(now)
        if left is None or self.ended == self.total:
            return said
        return f"{said}; {60 * self.rate(now):.1f} a minute, about {spelled(left)} left"
