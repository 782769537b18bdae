"""What a result on record rests on: which runs, when and on what they were made, and by which code."""

from dataclasses import dataclass, field

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.standings import seeds_text
from medseg_lab.record.entry import Entry


@dataclass(frozen=True)
class Basis:
    """Runs on record that say something together.

    Args:
        entries: the runs, at least one.
        absent: methods that were asked for and are not on record.
    """

    entries: tuple[Entry, ...]
    absent: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def first(self) -> Entry:
        """One of them."""
        return self.entries[0]

    @property
    def seed_numbers(self) -> list[int]:
        """Each once, in order."""
        return sorted({entry.record.seed for entry in self.entries})

    @property
    def seeds(self) -> str:
        """ "seeds 0 to 4"."""
        return seeds_text(self.seed_numbers)

    @property
    def draws(self) -> list[int]:
        """Which draws of the labelled patients, each once, in order."""
        return sorted({entry.record.cohort.draw for entry in self.entries})

    @property
    def dates(self) -> tuple[str, ...]:
        """The day on which they were trained, or the first and the last."""
        days = sorted(entry.record.started[:10] for entry in self.entries)
        return tuple(dict.fromkeys((days[0], days[-1])))

    @property
    def commits(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(entry.commit for entry in self.entries))

    @property
    def devices(self) -> tuple[str, ...]:
        """The processors and cards, each once."""
        return tuple(dict.fromkeys(entry.record.hardware.name for entry in self.entries))

    @property
    def parts(self) -> tuple[str, ...]:
        """Which cases were scored: "validation", "test"."""
        return tuple(dict.fromkeys(part for entry in self.entries for part in entry.layout.part))

    @property
    def ages(self) -> tuple[str, ...]:
        """What is to be said of their code, each once; empty where it is that of this library."""
        return tuple(dict.fromkeys(str(entry.age) for entry in self.entries if not entry.age.current))

    @property
    def terms(self) -> str:
        """ "5 seeds, 600 steps, msd-hippocampus"."""
        steps = " and ".join(dict.fromkeys(f"{entry.record.budget.steps:,}" for entry in self.entries))
        data = " and ".join(dict.fromkeys(entry.record.cohort.id for entry in self.entries))
        return f"{counted(len(self.seed_numbers), 'seed')}, {steps} steps, {data}"

    @property
    def origin(self) -> str:
        """When, where and with which code: "2026-11-28, AMD EPYC, commit 8f282d9c01"."""
        return ", ".join((" to ".join(self.dates), *self.devices, *map(_commit, self.commits), *self.ages))

    def __str__(self) -> str:
        rest = f"; not on record: {', '.join(self.absent)}" if self.absent else ""
        return f"{self.terms}, {self.origin}{rest}"


def _commit(said: str) -> str:
    if said.startswith("not "):
        return f"a commit other than {said.removeprefix('not ')}"
    return said if said.startswith("version ") else f"commit {said}"
