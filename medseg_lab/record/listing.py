"""What is on record, summed up: a row for the seeds of one method on the same terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from medseg_lab.record.basis import Basis
from medseg_lab.record.entry import Entry
from medseg_lab.record.sections import section_of
from medseg_lab.survey.methods import sections
from medseg_lab.training.names import names


@dataclass(frozen=True)
class Group(Basis):
    """The runs of one method on the same terms, which differ in their seeds, and in the patients labelled.

    Args:
        section: of the survey; "" for a method that has none.
        dataset, method: the data set's id, the method's name or recipe.
    """

    section: str
    dataset: str
    method: str


def listed(entries: Sequence[Entry]) -> list[Group]:
    """The groups, in the order of the survey's sections, then of the data sets' ids and of the methods."""
    place = {section.id: number for number, section in enumerate(sections())}
    order = {name: number for number, name in enumerate(names().values())}

    def where(entry: Entry) -> tuple[Any, ...]:
        record, method = entry.record, entry.method
        section, spent, cohort = section_of(method), record.budget, record.cohort
        return (
            (place.get(section, len(place)), cohort.id, order.get(method, len(order)), section, method),
            *(cohort.labelled_patients, spent.steps, spent.voxels, spent.patch),
            *(record.scoring, cohort.held_out, record.hardware.device),
        )

    found = []
    for ((_, dataset, _, section, method), *_), group in groupby(sorted(entries, key=where), key=where):
        its = sorted(group, key=lambda e: (e.record.cohort.draw, e.record.seed, e.record.started))
        found.append(Group(tuple(its), section, dataset, method))
    return found
