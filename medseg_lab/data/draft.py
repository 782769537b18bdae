"""A draft card for a folder of your own: what its files say, and what a person must check.

Whatever the files tell is filled in; what only a person knows (the licence, whose a case is) is guessed where
possible, and marked.
"""

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from medseg_lab.data.card import Card
from medseg_lab.data.describe import WORKERS
from medseg_lab.data.readers.checks import patient_of
from medseg_lab.data.readers.folder import folder_card
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.reader import Raw, Reader
from medseg_lab.data.splits import fewest
from medseg_lab.data.whole_file import write_whole

NAME = "card.toml"
FAR = 3.0
"""Spacings so many times larger or smaller than the median get a warning."""

WORDS = "patient|subject|subj|sub|person|pat"
PATIENT_RULES = {
    rf"(.*?(?:{WORDS})[-_]?[0-9]+)(?:[^0-9].*)?": "the id up to the number after 'patient' or the like",
    r"(.*?[0-9]+)[-_.].+": "the id up to its first number that something follows",
    r"(.*[0-9]+)[-_]?(?:L|R|l|r|left|right|OD|OS|od|os)": "the id without its side, left or right",
    r"(.*[A-Za-z].*)[-_][0-9]+": "the id without its last number",
}
"""Expressions as in `Card.patient`, with the same in words, in the order of trial."""

CHECK = {
    "id": "how the data set is called in tables",
    "publisher": "who published it",
    "licence": "what you may do with it",
    "citation": "what to cite",
    "modality": "one name a channel",
    "classes": "label values 0, 1, ...: background first",
    "patient": "matches a case's whole id; group 1 is the patient, whose cases go to one part",
    "patient_rule": "the same in words",
}
EXPLAIN = {
    "spacing": "mm a voxel after resampling, the median; without this line the files' grids are kept",
    "mirror": "axes along which a mirrored image is still a plausible one, such as [0]",
    "patch": "largest training patch, in voxels",
}


@dataclass(frozen=True)
class CaseSummary:
    """One case: shape, spacing in mm, voxels by label value, and the range of its intensities."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    counts: dict[int, int]
    low: float
    high: float


@dataclass(frozen=True)
class Inspection:
    """What was found in a folder.

    Args:
        folder: which.
        card: what its files tell, with the guessed `patient` expression and `patient_rule`.
        cases: those that could be read, by id.
        warnings: what looks wrong: where, and what.
    """

    folder: Path
    card: Card
    cases: dict[str, CaseSummary]
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def patients(self) -> list[tuple[str, str]]:
        """Each patient's cases, if any patient has several; else nothing."""
        grouped = defaultdict(list)
        for case in self.cases:
            grouped[patient_of(case, self.card)].append(case)
        if len(grouped) == len(self.cases):
            return []
        return [(patient, ", ".join(cases)) for patient, cases in sorted(grouped.items())]

    def rows(self) -> list[tuple[str, str]]:
        """What was found, line by line."""
        cases = list(self.cases.values())
        counts = sum((Counter(case.counts) for case in cases), Counter[int]())
        labels = [
            f"{value} {name}: {100 * counts[value] / counts.total():.3g}% of all voxels, "
            f"in {sum(case.counts.get(value, 0) > 0 for case in cases)} cases"
            for value, name in enumerate(self.card.classes)
        ]
        spacings = [case.spacing for case in cases if case.spacing is not None]
        return [
            ("cases", f"{len(cases)} read"),
            ("channels", ", ".join(self.card.modality)),
            ("size in voxels", _range([case.shape for case in cases])),
            ("spacing in mm", _range(spacings) if spacings else "not given"),
            ("labels", "\n".join(labels)),
            ("darkest voxel", _range([(case.low,) for case in cases])),
            ("brightest voxel", _range([(case.high,) for case in cases])),
        ]


def inspect_folder(folder: Path) -> Inspection:
    """Read every case of a folder in the MSD or nnU-Net layout, a few at a time.

    Raises:
        ValueError: if the folder is not in the layout, has a card already, or no case can be read. A single
            case that cannot be read is a warning.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one with dataset.json, imagesTr and labelsTr")
    _refuse_card(folder / NAME, (folder / NAME).exists())
    card = folder_card(folder)
    return inspect(folder, card, open_reader(card, folder))


def inspect(folder: Path, card: Card, reader: Reader) -> Inspection:
    """Read every case of a data set, a few at a time; `folder` is where its card will be.

    Raises:
        ValueError: if no case can be read. A single case that cannot be read is a warning.
    """
    names = list(reader.patients())

    def one(case: str) -> CaseSummary | str:
        try:
            return _summary(reader.read(case))
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip(names, pool.map(one, names), strict=True))
    cases = {case: summary for case, summary in found.items() if isinstance(summary, CaseSummary)}
    unreadable = [(case, error) for case, error in found.items() if isinstance(error, str)]
    if not cases:
        raise ValueError(f"{folder}: no case can be read; the first: {unreadable[0][1]}")
    expression, rule = guess_patient(names)
    card = card.model_copy(update={"patient": expression, "patient_rule": rule})
    return Inspection(folder, card, cases, [*unreadable, *_warnings(cases, card)])


def guess_patient(cases: Sequence[str]) -> tuple[str, str]:
    """The first of `PATIENT_RULES` that matches every id and gives several patients, one with several cases.

    Grouping too much costs a few patients; grouping too little puts one person on both sides of a split, and
    results look better than they are. So cases that might be one patient's are grouped, to be checked.

    Returns:
        The expression and the rule in words; where none fits, every case is a patient.
    """
    for expression, rule in PATIENT_RULES.items():
        matches = [re.fullmatch(expression, case) for case in cases]
        patients = {match[1] for match in matches if match}
        if all(matches) and 1 < len(patients) < len(cases):
            return expression, rule
    return "(.+)", "every case counts as one patient"


def write_card(found: Inspection) -> Path:
    """Write the draft as `card.toml` into the folder; an existing one is never overwritten.

    Raises:
        ValueError: if there is one.
        RuntimeError: if the folder cannot be written to.
    """
    path, text = found.folder / NAME, card_toml(found)
    Card.model_validate(tomllib.loads(text))
    _refuse_card(path, path.exists())
    write_whole(path, text.encode(), replace=False)
    return path


def card_toml(found: Inspection) -> str:
    """The text of `card.toml`, with comments on what to check; `Card` accepts it."""
    card, document = found.card, tomlkit.document()
    document.add(tomlkit.comment("A draft, written from what the files say. Check the lines with a comment."))
    for warning in found.warnings:
        document.add(tomlkit.comment(" ".join(f"Looks wrong: {': '.join(warning)}".split())))
    document.add(tomlkit.nl())
    values = card.model_dump(mode="json", exclude_defaults=True, exclude={"preprocessing", "regions"})
    values |= {"home": "", "patient": card.patient, "patient_rule": card.patient_rule}
    for name in (name for name in Card.model_fields if name in values):
        literal = name == "patient"
        item = tomlkit.string(card.patient, literal=True) if literal else tomlkit.item(values[name])
        _add(document, name, item, f"check: {CHECK[name]}" if name in CHECK else None)
    _add(document, "defects", tomlkit.array(), "what is wrong with the files, and what you do about it")
    if card.regions:
        document.add("regions", tomlkit.item({name: list(members) for name, members in card.regions.items()}))
    table = tomlkit.table()
    for name, value in card.preprocessing.model_dump(mode="json", exclude_none=True).items():
        _add(table, name, tomlkit.item(value), EXPLAIN.get(name))
    document.add("preprocessing", table)
    return tomlkit.dumps(document)


def _add(table: Any, name: str, item: Any, comment: str | None) -> None:
    if comment:
        item.comment(comment)
    table.add(name, item)


def _refuse_card(path: Path, exists: bool) -> None:
    if exists:
        raise ValueError(f"{path}: there is a card already: edit it, or move it away") from None


def _summary(raw: Raw) -> CaseSummary:
    values, counts = np.unique(raw.labels, return_counts=True)
    by_value = {int(v): int(n) for v, n in zip(values, counts, strict=True)}
    low, high = float(raw.image.min()), float(raw.image.max())
    return CaseSummary(raw.image.shape[1:], raw.spacing, by_value, low, high)


def _warnings(cases: dict[str, CaseSummary], card: Card) -> list[tuple[str, str]]:
    """What a person should look at before training."""
    found = [
        (name, f"no case has a voxel of class {value}")
        for value, name in enumerate(card.classes)
        if not any(case.counts.get(value) for case in cases.values())
    ]
    empty = [name for name, case in cases.items() if not any(case.counts)]
    if empty:
        more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
        found.append((", ".join(empty[:5]) + more, "nothing is marked"))
    spacings = {name: case.spacing for name, case in cases.items() if case.spacing is not None}
    median = np.median(list(spacings.values()), axis=0)
    for name, spacing in spacings.items():
        ratio = np.array(spacing) / median
        if ratio.max() > FAR or ratio.min() < 1 / FAR:
            found.append((name, f"spacing {_by(spacing)} mm, where the median is {_by(median)} mm"))
    if all(spacing == (1.0,) * len(spacing) for spacing in spacings.values()):
        found.append(("all cases", "spacing is 1 mm along every axis: true, or lost in a conversion?"))
    if len(cases) < (needed := fewest(card.parts)):
        found.append(
            ("all cases", f"{len(cases)} cases; training, validation and test need {needed} patients")
        )
    return found


def _by(values: Iterable[float]) -> str:
    """`1 x 1 x 2.5`."""
    return " x ".join(f"{value:.4g}" for value in values)


def _range(rows: Iterable[Iterable[float]]) -> str:
    values = np.array([tuple(row) for row in rows])
    low, median, high = (_by(f(values, axis=0)) for f in (np.min, np.median, np.max))
    return median if low == high else f"{median} (median; {low} to {high})"
