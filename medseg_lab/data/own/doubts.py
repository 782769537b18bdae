"""What a person should look at before training on a folder of their own.

`faults` are what training refuses; `doubts` are what it takes, and what may yet be wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from medseg_lab.data import splits
from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE
from medseg_lab.data.own.case_summary import CaseSummary
from medseg_lab.data.readers.decode.picture import KINDS, is_turned
from medseg_lab.data.wording import by, counted, some

FAR = 3.0
"""Spacings so many times larger or smaller than the median get a warning."""

Cases = Mapping[str, CaseSummary]
Remark = tuple[str, str]
"""Where something is wrong, and what."""


def faults(cases: Cases, card: Card, whose: Mapping[str, str]) -> list[Remark]:
    """What training refuses.

    Args:
        cases: those that could be read.
        card: with the guessed `patient` expression and `patient_rule`.
        whose: the patient of every case, also of those that could not be read.
    """
    return [*_too_few(card, whose), *_open(cases), *_duplicates(cases, whose)]


def doubts(cases: Cases, card: Card, whose: Mapping[str, str]) -> list[Remark]:
    """What training takes, and a person should look at; arguments as of `faults`."""
    found = [
        (name, f"no case has a voxel of class {value}")
        for value, name in enumerate(card.classes)
        if not _with(value, cases)
    ]
    if empty := [
        name for name, case in cases.items() if set(case.counts) <= {0, IGNORE} and 0 in case.counts
    ]:
        found.append((some(empty), "nothing is marked"))
    return [*found, *_absent_from_parts(cases, card, whose), *_odd_spacings(cases)]


def turned(pictures: Iterable[Path]) -> list[Remark]:
    """The pictures that a camera's EXIF tag turns or mirrors, which their masks may not follow."""
    if found := [path.name for path in pictures if _is_turned(path)]:
        said = "turned by the camera's EXIF tag, as viewers show it: is the mask drawn on that?"
        return [(some(found), said)]
    return []


def _is_turned(path: Path) -> bool:
    try:
        return path.suffix.lower() in KINDS and is_turned(path)
    except ValueError:
        return False  # whoever reads it is told why


def _with(value: int, cases: Cases) -> set[str]:
    """The cases that have a voxel of this value."""
    return {name for name, case in cases.items() if case.counts.get(value)}


def _too_few(card: Card, whose: Mapping[str, str]) -> Iterator[Remark]:
    patients, needed = len(set(whose.values())), splits.fewest(card.parts)
    if patients < needed:
        many = counted(patients, "patient")
        by_rule = "" if patients == len(whose) else f" of {many} by the rule '{card.patient_rule}'"
        said = f"{len(whose)} cases{by_rule}; training, validation and test need {needed} patients"
        if by_rule:
            said += ": if they are more, edit `patient` in the card ('(.+)' makes each case a patient)"
        yield "all cases", said


def _open(cases: Cases) -> Iterator[Remark]:
    if found := [name for name, case in cases.items() if set(case.counts) == {IGNORE}]:
        yield some(found), "no voxel is annotated (all are `ignore`): nothing to learn from or to score"


def _duplicates(cases: Cases, whose: Mapping[str, str]) -> Iterator[Remark]:
    """Cases of different patients with one image (`fingerprint.refuse_duplicates`)."""
    same = defaultdict(list)
    for name, case in cases.items():
        same[case.digest].append(name)
    for names in same.values():
        if len(patients := dict.fromkeys(whose[name] for name in names)) > 1:
            yield some(names), f"the same image belongs to {len(patients)} patients, {some(patients)}"


def _absent_from_parts(cases: Cases, card: Card, whose: Mapping[str, str]) -> Iterator[Remark]:
    """Classes that some case has, but none of a part."""
    order = splits.shuffled(whose.values(), 0)
    if len(order) < splits.fewest(card.parts):
        return
    split = splits.split(order, card.parts)
    parts = {
        "training": (split.train, "it cannot be learnt"),
        "validation": (split.validation, "it cannot be scored there"),
        "test": (split.test, "it cannot be scored there"),
    }
    for value, name in enumerate(card.classes):
        having = {whose[case] for case in _with(value, cases)}
        for part, (patients, so) in parts.items():
            if having and having.isdisjoint(patients):
                yield name, f"class {value} is in no {part} case: {so}"


def _odd_spacings(cases: Cases) -> Iterator[Remark]:
    spacings = {name: case.spacing for name, case in cases.items() if case.spacing is not None}
    if not spacings:
        return
    median = np.median(list(spacings.values()), axis=0)
    for name, spacing in spacings.items():
        ratio = np.array(spacing) / median
        if ratio.max() > FAR or ratio.min() < 1 / FAR:
            yield name, f"spacing {by(spacing)} mm, where the median is {by(median)} mm"
    if all(spacing == (1.0,) * len(spacing) for spacing in spacings.values()):
        yield "all cases", "spacing is 1 mm along every axis: true, or lost in a conversion?"
