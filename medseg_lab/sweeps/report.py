"""What a page with a sweep tells the reader, and the book's page of status, as a chapter's lesson does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medseg_lab import chapter
from medseg_lab.show.page import show_note
from medseg_lab.sweeps.summary import Summary
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.workers.progress import spelled

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


@dataclass(frozen=True)
class SweepReport:
    """A sweep over methods on one cohort, in the terms of `chapter.Lesson`.

    Args:
        name: of the page.
        cohort: what was trained on.
        swept: what became of the sweep.
    """

    name: str
    cohort: "Cohort"
    swept: Summary

    def summary(self) -> dict[str, Any]:
        """Plain data for the record of an executed page; no claim of the survey is judged."""
        found = self._runs()
        trained = [run.record for run, replayed in found if not replayed]
        replayed = [run.record for run, replayed in found if replayed]
        return {
            "section": self.name,
            "data": self.cohort.id + (" (virtual)" if self.cohort.is_virtual else ""),
            "description": self.cohort.describe(),
            "fingerprint": self.cohort.fingerprint,
            "device": " and ".join(dict.fromkeys(str(run.record.hardware) for run, _ in found)) or "none",
            "seconds": round(self.swept.seconds, 1),
            "trained": len(trained),
            "replayed": len(replayed),
            "seconds_trained": round(sum(record.seconds for record in trained), 1),
            "seconds_replayed": round(sum(record.seconds for record in replayed), 1),
            "verdicts": {},
        }

    def lines(self) -> dict[str, str]:
        """What it took, line by line."""
        said = self.summary()
        trained = chapter.counted(said["trained"], "run")
        replayed = chapter.counted(said["replayed"], "run")
        return {
            "time": f"{spelled(said['seconds'])} for the sweep",
            "trained": f"{trained}, {said['seconds_trained']:.0f} s, some at the same time",
            "replayed": f"{replayed} from the store, once trained in {said['seconds_replayed']:.0f} s",
            "device": said["device"],
        }

    def _runs(self) -> list[tuple[Run, bool]]:
        """The runs that are done, each with whether it was there before."""
        store = RunStore(self.swept.store)
        found = [(store.find(outcome.key), outcome.replayed) for outcome in self.swept.outcomes]
        return [(run, replayed) for run, replayed in found if run is not None]


def report(name: str, cohort: "Cohort", swept: Summary) -> None:
    """Show what the sweep of a page took, and keep it for the record of its execution."""
    said = SweepReport(name, cohort, swept)
    chapter.LESSONS.append(said)
    show_note("What this took", said.lines())
