"""A draft card for a folder of your own: what its files say, and what a person must check.

Whatever the files tell is filled in; what only a person knows (the licence, whose a case is) is guessed where
possible, and marked. Each case is read and prepared as training does it, so that what training would refuse
is known here.
"""

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np

from medseg_lab.data import describe
from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE
from medseg_lab.data.obtain.disk import writing
from medseg_lab.data.own.card_text import card_toml
from medseg_lab.data.own.case_summary import CaseSummary, summary
from medseg_lab.data.own.doubts import Remark, doubts, faults, turned
from medseg_lab.data.own.mask_values import file_values, said
from medseg_lab.data.preprocess import prepare
from medseg_lab.data.readers.checks import patient_of
from medseg_lab.data.readers.folder import folder_card, folder_doubts
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.read_each import read_each
from medseg_lab.data.readers.reader import FileReader, Reader
from medseg_lab.data.splits import fewest
from medseg_lab.data.whole_file import write_whole
from medseg_lab.data.wording import by

NAME = "card.toml"
NO_SPACING = "not stated; if you know it, write it into the card, as `voxel_mm`"

WORDS = "patient|subject|subj|sub|person|pat"
PATIENT_RULES = {
    rf"(.*?(?:{WORDS})[-_]?[0-9]+)(?:[^0-9].*)?": "the id up to the number after 'patient' or the like",
    r"(.*?[0-9]+)[-_.].+": "the id up to its first number that something follows",
    r"(.*[0-9]+)[-_]?(?:L|R|l|r|left|right|OD|OS|od|os)": "the id without its side, left or right",
    r"(.*[A-Za-z].*)[-_][0-9]+": "the id without its last number",
}
"""Expressions as in `Card.patient`, with the same in words, in the order of trial."""


@dataclass(frozen=True)
class Inspection:
    """What was found in a folder.

    Args:
        folder: which.
        card: what its files tell, with the guessed `patient` expression and `patient_rule`.
        cases: those that could be read, by id.
        whose: the patient of every case, also of those that could not be read.
        faults: what training refuses: where, and what.
        doubts: what else a person should check.
    """

    folder: Path
    card: Card
    cases: dict[str, CaseSummary]
    whose: dict[str, str]
    faults: list[Remark]
    doubts: list[Remark]

    @property
    def warnings(self) -> list[Remark]:
        """All that a person should check; first what training refuses."""
        return [*self.faults, *self.doubts]

    @property
    def median_case(self) -> str:
        """The case of the median number of voxels."""
        by_size = sorted(self.cases, key=lambda case: prod(self.cases[case].shape))
        return by_size[len(by_size) // 2]

    def patients(self) -> list[tuple[str, str]]:
        """Each patient's cases, if any patient has several; else nothing."""
        grouped = defaultdict(list)
        for case, patient in self.whose.items():
            grouped[patient].append(case)
        if len(grouped) == len(self.whose):
            return []
        return [(patient, ", ".join(cases)) for patient, cases in sorted(grouped.items())]

    def rows(self) -> list[tuple[str, str]]:
        """What was found, line by line."""
        cases, card, how = list(self.cases.values()), self.card, self.card.preprocessing
        counts = sum((Counter(case.counts) for case in cases), Counter[int]())

        def labelled(value: int) -> str:
            having = sum(case.counts.get(value, 0) > 0 for case in cases)
            return f"{100 * counts[value] / counts.total():.3g}% of all voxels, in {having} cases"

        labels = [f"{value} {name}: {labelled(value)}" for value, name in enumerate(card.classes)]
        if counts[IGNORE]:
            labels.append(f"not annotated (`ignore`): {labelled(IGNORE)}")
        spacings = [case.spacing for case in cases if case.spacing is not None]
        grid = "kept" if how.spacing is None else f"resampled to {by(how.spacing)} mm"
        cut = f"; cut into slices across axis {how.slice_axis}" if card.spatial_dims == 3 else ""
        rows = [
            ("cases", f"{len(cases)} read"),
            ("dimension", f"{card.spatial_dims}D{cut}"),
            ("channels", ", ".join(card.modality)),
            ("size in voxels", _range([case.shape for case in cases])),
            ("spacing in mm", _range(spacings) if spacings else NO_SPACING),
            ("grid", grid),
            ("labels", "\n".join(labels)),
            ("scored", describe.scored(card)),
            ("darkest voxel", _range([(case.low,) for case in cases])),
            ("brightest voxel", _range([(case.high,) for case in cases])),
        ]
        if len(set(self.whose.values())) >= fewest(card.parts):
            rows.append(("split", "\n".join(describe.part_lines(card, self.whose))))
        return rows


def inspect_folder(folder: Path, output: Path | None = None) -> Inspection:
    """Read every case of a folder in the MSD or nnU-Net layout, a few at a time.

    Args:
        folder: with the files.
        output: the folder for the card, which names the other; None for that folder itself.

    Raises:
        ValueError: if the folder is not in the layout, has a card already, or no case can be read. A single
            case that cannot be read is a warning.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one with dataset.json, imagesTr and labelsTr")
    home = output or folder
    for place in (folder, home):
        refuse_card(place / NAME, (place / NAME).exists())
    card = folder_card(folder)
    reader = open_reader(card, folder)
    values = file_values(reader, card)
    elsewhere = {} if home.resolve() == folder.resolve() else {"folder": str(folder.resolve())}
    card = card.model_copy(update={"values": values, **elsewhere})
    found = inspect(home, card, open_reader(card, home))
    files = reader.files.values() if isinstance(reader, FileReader) else ()
    cameras = turned(path for case in files for path in case.image)
    told = [*said(values, card.classes), *folder_doubts(folder), *cameras, *found.doubts]
    return replace(found, doubts=told)


def check_folder(folder: Path) -> Inspection:
    """Read every case of a folder that has a card, as the card says.

    Raises:
        ValueError: if it has none, the card or what it describes is wrong, or no case can be read. A single
            case that cannot be read is a warning.
    """
    if not (folder / NAME).is_file():
        raise ValueError(f"{folder}: expected a {NAME}, got none; write one: medseg data add {folder}")
    card = folder_card(folder)
    found = inspect(folder, card, open_reader(card, folder), patients_said=True)
    return replace(found, doubts=[*folder_doubts(folder), *found.doubts])


def inspect(folder: Path, card: Card, reader: Reader, patients_said: bool = False) -> Inspection:
    """Read every case of a data set, a few at a time; `folder` is where its card is, or will be.

    Args:
        patients_said: whether the card says whose a case is; else this is guessed from the ids.

    Raises:
        ValueError: if no case can be read. A single case that cannot be read is a warning.
    """
    names, alone = list(reader.patients()), Lock()

    def one(case: str) -> CaseSummary:
        raw = reader.read(case)
        with alone:  # to prepare a case takes several times its size
            return summary(raw, prepare(raw, card.preprocessing))

    cases, reasons = read_each(names, one)
    if not cases:
        raise ValueError(f"{folder}: no case can be read; the first: {next(iter(reasons.values()))}")
    expression, rule = (card.patient, card.patient_rule) if patients_said else guess_patient(names)
    grouped = card.model_copy(update={"patient": expression, "patient_rule": rule})
    whose = {case: patient_of(case, grouped) for case in names}
    refused = [*reasons.items(), *faults(cases, grouped, whose)]
    return Inspection(folder, grouped, cases, whose, refused, doubts(cases, grouped, whose))


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
    """Write the draft as `card.toml` into its folder, which is made; an existing one is never overwritten.

    Raises:
        ValueError: if there is one.
        RuntimeError: if the folder cannot be written to.
    """
    path, text = found.folder / NAME, card_toml(found.card, found.warnings)
    Card.model_validate(tomllib.loads(text))
    refuse_card(path, path.exists())
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode(), replace=False)
    return path


def refuse_card(path: Path, exists: bool) -> None:
    """Raise the error about a card that is there already."""
    if exists:
        raise ValueError(
            f"{path}: there is a card already: correct it, then medseg data check {path.parent}; or move it "
            "away"
        ) from None


def _range(rows: Iterable[Iterable[float]]) -> str:
    values = np.array([tuple(row) for row in rows])
    low, median, high = (by(f(values, axis=0)) for f in (np.min, np.median, np.max))
    return median if low == high else f"{median} (median; {low} to {high})"
