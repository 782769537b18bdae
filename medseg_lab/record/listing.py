"""What is on record, summed up: a row for the seeds of one method on the same terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from medseg_lab.evaluation.standings import seeds_text
from medseg_lab.record.entry import Entry
from medseg_lab.record.sections import section_of
from medseg_lab.survey.methods import sections
from medseg_lab.training.names import names


@dataclass(frozen=True)
class Group:
    """The runs of one method on the same terms, which differ in their seeds, and in when they were made.

    Args:
        section: of the survey; "" for a method that has none.
        dataset, method: the data set's id, the method's name or recipe.
        entries: the runs.
    """

    section: str
    dataset: str
    method: str
    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """One of them."""
        return self.entries[0]

    @property
    def seeds(self) -> str:
        """ "seeds 0 to 4"."""
        return seeds_text(sorted({entry.record.seed for entry in self.entries}))

    @property
    def dates(self) -> str:
        """The day on which they were trained, or the first and the last."""
        return " to ".join(dict.fromkeys(sorted(entry.record.started[:10] for entry in self.ends)))

    @property
    def ends(self) -> tuple[Entry, Entry]:
        """The first and the last that was trained."""
        order = sorted(self.entries, key=lambda entry: entry.record.started)
        return order[0], order[-1]

    @property
    def commits(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(entry.commit for entry in self.entries))

    @property
    def devices(self) -> tuple[str, ...]:
        """What they were trained on, each once."""
        return tuple(dict.fromkeys(str(entry.record.hardware) for entry in self.entries))

    @property
    def parts(self) -> tuple[str, ...]:
        """Which cases were scored: "validation", "test"."""
        return tuple(dict.fromkeys(part for entry in self.entries for part in entry.layout.part))

    @property
    def ages(self) -> tuple[str, ...]:
        """What is to be said of their code, each once; empty where it is that of this library."""
        return tuple(dict.fromkeys(str(entry.age) for entry in self.entries if not entry.age.current))


def listed(entries: Sequence[Entry]) -> list[Group]:
    """The groups, in the order of the survey's sections, then of the data sets' ids and of the methods."""
    place = {section.id: number for number, section in enumerate(sections())}
    order = {name: number for number, name in enumerate(names().values())}

    def where(entry: Entry) -> tuple[Any, ...]:
        record = entry.record
        method = names().get(record.method, record.method)
        section = section_of(method)
        rank = (place.get(section, len(place)), record.cohort.id, order.get(method, len(order)), method)
        spent, cohort = record.budget, record.cohort
        return (
            *(rank, section, cohort.labelled_patients, spent.steps, spent.voxels, spent.patch),
            *(record.scoring, cohort.fingerprint, record.hardware.device),
        )

    found = []
    for (rank, section, *_), group in groupby(sorted(entries, key=where), key=where):
        its = tuple(sorted(group, key=lambda entry: (entry.record.seed, entry.record.started)))
        found.append(Group(section, rank[1], rank[3], its))
    return found
