"""A cohort for other processes: its cases lie in files, which all of them map and none copies."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np

from medseg_lab.data import mapped, prepared
from medseg_lab.data.case import Case
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.loading import SHARE
from medseg_lab.data.mapped import MadeOf, MappedCase
from medseg_lab.data.memory import physical_memory

PARTS = ("labelled", "unlabelled", "validation")


@dataclass(frozen=True)
class SharedCohort:
    """A cohort that is small to send to another process.

    Args:
        fingerprint: the cohort's.
        parts: by part, what its cases are made of; "test" among them.
        facts: the cohort without its cases.
        held: the bytes of its cases where they are held in memory; 0 where they are too large for that.
    """

    fingerprint: str
    parts: tuple[tuple[str, tuple[MadeOf, ...]], ...]
    facts: Cohort = field(compare=False)
    held: int = field(default=0, compare=False)

    @property
    def is_there(self) -> bool:
        """Whether all its files are: any may be deleted, and is then written again."""
        entries = (entry for _, of in self.parts for made_of in of for entry in made_of[2:4])
        return all(entry is None or entry.is_dir() for entry in entries)

    def fits_memory(self, times: int) -> bool:
        """Whether so many processes of a machine may read its cases as a whole."""
        return 0 < self.held * times <= SHARE * physical_memory()

    def open(self, in_memory: bool = False) -> Cohort:
        """The cohort, of the same bits, its test part sealed; a process keeps the last few that it opened.

        Args:
            in_memory: whether cases are read as a whole, as a GPU needs them.

        Raises:
            ValueError: if a file is missing or not complete.
        """
        return _opened(self, in_memory)


_shared: "WeakKeyDictionary[Cohort, SharedCohort]" = WeakKeyDictionary()


def shared(cohort: Cohort) -> SharedCohort:
    """The cohort, its cases as files in the folder of prepared data: written unless they are there.

    Raises:
        RuntimeError: if there is no room for them.
    """
    if cohort not in _shared or not _shared[cohort].is_there:
        front = cohort.card.preprocessing.slice_axis if cohort.task.spatial_dims == 3 else 0
        cases = {name: getattr(cohort, name) for name in PARTS} | {"test": cohort.sealed()}
        parts = tuple((name, tuple(_on_disk(case, front) for case in of)) for name, of in cases.items())
        facts = replace(cohort, labelled=(), unlabelled=(), validation=(), sealed=tuple, openings=[])
        _shared[cohort] = SharedCohort(cohort.fingerprint, parts, facts, _held(chain(*cases.values())))
    return _shared[cohort]


def _held(cases: Iterable[Case]) -> int:
    """The bytes of cases; 0 if one of them is on disk."""
    held = 0
    for case in cases:
        if isinstance(case, MappedCase):
            return 0
        held += case.image.nbytes + case.labels.nbytes
    return held


def _on_disk(case: Case, front: int) -> MadeOf:
    if isinstance(case, MappedCase):
        return case.made_of
    image, readings = _written(mapped.image_arrays(case, front), front, case.spacing), None
    if len(case.labels):
        readings = _written(mapped.readings_arrays(case, front), front)
    home = prepared.folder()
    return case.id, case.patient, home / image, None if readings is None else home / readings, front


def _written(arrays: dict[str, np.ndarray], *more: object) -> str:
    """The entry's name: a hash of what is in it, and of the code that writes it."""
    code = prepared.source_digest("anchors", "fingerprint", "mapped", "prepared")
    name = hashlib.sha256(repr((str(arrays["digest"]), *more, code)).encode()).hexdigest()[:32]
    prepared.write(name, arrays)
    return name


@lru_cache(maxsize=4)
def _opened(cohort: SharedCohort, in_memory: bool) -> Cohort:
    cases = {name: partial(_cases, of, in_memory) for name, of in cohort.parts}
    labelled, unlabelled, validation = (cases[name]() for name in PARTS)
    return replace(
        cohort.facts,
        labelled=labelled,
        unlabelled=unlabelled,
        validation=validation,
        sealed=cases["test"],
        openings=[],
    )


def _cases(made_of: tuple[MadeOf, ...], in_memory: bool) -> tuple[Case, ...]:
    found = (MappedCase(*one) for one in made_of)
    return tuple(_in_memory(case) if in_memory else case for case in found)


def _in_memory(case: MappedCase) -> Case:
    known = case.distribution
    known = None if known is None else known.clone()
    return Case(case.id, case.patient, case.image.clone(), case.labels.clone(), case.spacing, known)
