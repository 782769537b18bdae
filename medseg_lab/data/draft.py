"""A draft card for a folder of one's own: what its files say, and what a person must check.

Whatever the files tell is filled in; what only a person knows (the licence, whose a case is) is guessed where
it can be, and marked.
"""

import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.draft_toml import card_toml
from medseg_lab.data.facts import WORKERS
from medseg_lab.data.look import Look, Seen, numbers
from medseg_lab.data.patients import guess_patient
from medseg_lab.data.readers.folder import folder_card
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.reader import Raw
from medseg_lab.data.splits import fewest

NAME = "card.toml"
FAR = 3.0
"""A spacing so many times the median, or a part of it, is pointed out."""


def look_over(folder: Path) -> Look:
    """Read every case of a folder in the MSD or nnU-Net layout, one after another in bounded memory.

    Raises:
        ValueError: if the folder is not in the layout, or no case can be read. A case that cannot be read is
            a doubt of the look, not an error.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: got no folder, wanted one with dataset.json, imagesTr and labelsTr")
    if (folder / NAME).exists():
        raise ValueError(f"{folder / NAME}: got a card, wanted none: edit it, or move it away")
    card = folder_card(folder)
    reader = open_reader(card, folder)
    names = list(reader.patients())

    def one(case: str) -> Seen | str:
        try:
            return _seen(reader.read(case))
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip(names, pool.map(one, names), strict=True))
    seen = {case: what for case, what in found.items() if isinstance(what, Seen)}
    wrong = [(case, what) for case, what in found.items() if isinstance(what, str)]
    if not seen:
        raise ValueError(f"{folder}: got no case that can be read, wanted one; the first: {wrong[0][1]}")
    expression, rule = guess_patient(names)
    card = card.model_copy(update={"patient": expression, "patient_rule": rule})
    return Look(folder, card, rule, seen, [*wrong, *_doubts(seen, card)])


def write_card(look: Look) -> Path:
    """Write the draft as `card.toml` into the folder; one that is there is never touched.

    Raises:
        ValueError: if there is one.
        RuntimeError: if the folder cannot be written to.
    """
    path, text = look.folder / NAME, card_toml(look)
    Card.model_validate(tomllib.loads(text))
    created = False
    try:
        with path.open("x", encoding="utf-8") as stream:
            created = True
            stream.write(text)
    except FileExistsError:
        raise ValueError(f"{path}: got a card, wanted none: edit it, or move it away") from None
    except OSError as error:
        if created:
            path.unlink()
        raise RuntimeError(f"{path}: got {error.strerror}, wanted to write a card there") from None
    return path


def _seen(raw: Raw) -> Seen:
    values, counts = np.unique(raw.labels, return_counts=True)
    by_value = {int(v): int(n) for v, n in zip(values, counts, strict=True)}
    return Seen(raw.image.shape[1:], raw.spacing, by_value, float(raw.image.min()), float(raw.image.max()))


def _doubts(seen: dict[str, Seen], card: Card) -> list[tuple[str, str]]:
    """What a person should look at before training."""
    doubts = []
    for value, name in enumerate(card.classes):
        if not any(case.counts.get(value) for case in seen.values()):
            doubts.append((name, f"no case has a voxel of class {value}"))
    empty = [case for case, what in seen.items() if not any(v for v in what.counts if v)]
    if empty:
        doubts.append((_some(empty), "nothing is marked"))
    spacings = {case: what.spacing for case, what in seen.items() if what.spacing is not None}
    median = np.median(list(spacings.values()), axis=0)
    for case, spacing in spacings.items():
        ratio = np.array(spacing) / median
        if ratio.max() > FAR or ratio.min() < 1 / FAR:
            doubts.append((case, f"spacing {numbers(spacing)} mm, where the median is {numbers(median)} mm"))
    if all(spacing == (1.0,) * len(spacing) for spacing in spacings.values()):
        doubts.append(("all cases", "spacing is 1 mm along every axis: true, or lost on the way?"))
    if len(seen) < (needed := fewest(card.parts)):
        doubts.append(
            ("all cases", f"{len(seen)} cases; training, validation and test need {needed} patients")
        )
    return doubts


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
