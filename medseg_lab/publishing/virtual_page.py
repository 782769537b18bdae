"""What the page of the virtual subjects adds: every variant, and virtual beside real."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.choose import choose
from medseg_lab.data.describe import change
from medseg_lab.publishing.data_pictures import BESIDE, Picture, at_hand, draw, figure, fresh, kept
from medseg_lab.publishing.markdown import escape
from medseg_lab.show.sheet import Sheet, beside, look_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL = "msd-hippocampus"
SUBJECTS, TWINNED = 4, 3
BOX_MM = ((36, 72), (68, 118), (44, 80))
"""The part of a virtual brain around its left hippocampus, axis by axis, in mm from the corner."""

HONEST = """\
## Beside real scans

Do not take a virtual subject for a person. What it has: the folds, ventricles and deep structures of one
averaged brain, bent into many smooth shapes; tissue contrast, coil shading, thick slices and noise that
differ from subject to subject. What it has not:

- **More than one anatomy.** Every subject is the same averaged brain, warped. People differ in the number and
  course of their folds, in age, in disease; these do not. Averaging has blurred the small folds, too.
- **Skull, skin, neck, eyes.** The template is brain-extracted. Real scans hold all of these, unless a tool
  removed them, with faults of its own.
- **Pathology of people.** The tumours of `+lesion` are drawn, not grown.
- **A scanner.** Contrast and noise are simulated; there is no motion, no pulsation, no distortion, no filter.
- **A reader.** The labels come from the generator and are exact, which no label of a real scan is; the raters
  of `+raters` follow a formula.

So a method that fails here will hardly work on patients; one that works here has not been shown to.
"""

TWINS = """\
The same subjects, with the same labels to the voxel, under another scanner: for chapters that ask what a
network does with scans unlike those it has seen.
"""

TWINS_CAPTION = "Virtual subjects and their twins. Every image has its own grey scale."

TRUTH_CAPTION = (
    "Scan; the known probability of one class, black for 0 and white for 1; and the share of the readings "
    "that name it."
)

READERS = """\
Where readings differ, the truth is not one mask but a probability of each class. For these readers it is
known: it comes with every case, which no real set can offer.
"""


def virtual_sections(card: Card, static: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown that follows the card's page, and its pictures by file name."""
    pictures: dict[str, Picture] = {}
    lines = ["\n## Variants\n"]
    shifts = [name for name in card.variants if is_shift(card, name)]
    for name in card.variants:
        if name in shifts:
            continue
        variant = load_card(f"{card.id}+{name}")
        pictures[f"{card.id}-{name}.jpg"] = picture = draw(variant, SUBJECTS)
        more = READERS if variant.raters > 1 else ""
        lines.append(f"### {escape(name)}\n\n{escape(change(card, name))}: `{variant.id}`.\n\n{more}")
        lines.append(figure(f"{card.id}-{name}.jpg", picture, f"Virtual subjects of `{variant.id}`.") + "\n")
        if variant.raters > 1:
            pictures[f"{card.id}-truth.jpg"] = picture = fresh(known_truth(variant))
            lines.append(figure(f"{card.id}-truth.jpg", picture, TRUTH_CAPTION) + "\n")
    if shifts:
        pictures[f"{card.id}-shifts.jpg"] = picture = fresh(twins(card, shifts))
        said = "\n".join(f"- `{card.id}+{name}`: {escape(change(card, name))}" for name in shifts)
        lines.append(f"### Shifts\n\n{TWINS}\n{said}\n")
        lines.append(figure(f"{card.id}-shifts.jpg", picture, TWINS_CAPTION) + "\n")
    real = kept(BESIDE, static)
    if real is None and at_hand(load_card(REAL)):
        real = fresh(beside_real())
    lines.append(HONEST)
    if real is not None:
        pictures[f"{BESIDE}.jpg"] = real
        lines.append(figure(f"{BESIDE}.jpg", real, _caption(real)) + "\n")
    return "\n".join(lines), {name: picture.data for name, picture in pictures.items()}


def known_truth(card: Card) -> "Figure":
    """The scan, the known probability of one class, and the share of the readings that have it."""
    chosen, k = choose(card.id), len(card.classes) - 2
    names, what = list(chosen.reader.patients())[:SUBJECTS], card.classes[len(card.classes) - 2]
    rows: dict[str, list[Sheet]] = {"scan": [], f"p*({what})": [], "share of raters": []}
    for name in names:
        raw = chosen.reader.read(name)
        if raw.distribution is None:
            raise ValueError(f"{card.id}: got no label distribution of {name}, wanted one")
        share = (raw.labels == k).mean(0, keepdims=True, dtype=np.float32)
        for row, image in zip(rows, (raw.image[:1], raw.distribution[k : k + 1], share), strict=True):
            rows[row].append(look_at(replace(raw, image=image), card))
    alt = (
        f"{len(names)} virtual subjects; below, the known probability of {what}, which falls off gradually "
        "at its borders; and the share of the raters who named it, in steps around the same borders."
    )
    return beside(rows, alt, names)


def is_shift(card: Card, name: str) -> bool:
    """Whether a variant changes the scan and nothing of what is to be found in it."""
    variant = load_card(f"{card.id}+{name}")
    return (variant.classes, variant.modality, variant.raters) == (card.classes, card.modality, card.raters)


def twins(card: Card, shifts: list[str]) -> "Figure":
    """The same subjects as the card makes them, and under each shift."""
    rows = {}
    ids = [card.id, *(f"{card.id}+{name}" for name in shifts)]
    for dataset in ids:
        chosen = choose(dataset)
        names = list(chosen.reader.patients())[:TWINNED]
        label = dataset.partition("+")[2] or "unshifted"
        rows[label] = [look_at(chosen.reader.read(name), chosen.card) for name in names]
    alt = f"{len(names)} virtual subjects in a row; below, the same under {', '.join(shifts)}."
    return beside(rows, alt, names)


def beside_real() -> "Figure":
    """Real boxes around a hippocampus, the same part of virtual subjects at 1 mm, and a whole one."""
    from medseg_lab.data.readers.virtual import VirtualReader
    from medseg_lab.show.contact_sheet import evenly

    real, base = choose(REAL), load_card("virtual-brain")
    assert base.virtual is not None
    fine = base.virtual.model_copy(update={"settings": {**base.virtual.settings, "resolution": 1}})
    reader = VirtualReader.open(base.model_copy(update={"virtual": fine}), keep=False)
    found = evenly(list(real.reader.patients()), SUBJECTS)
    rows = {"real": [look_at(real.reader.read(name), real.card) for name in found]}
    rows |= {"virtual, same part": [], "virtual, whole": []}
    for name in list(reader.patients())[:SUBJECTS]:
        raw = reader.read(name)
        box = tuple(slice(*ends) for ends in BOX_MM)
        part = type(raw)(name, name, raw.image[:, *box], raw.labels[:, *box], raw.spacing)
        rows["virtual, same part"].append(look_at(part, base))
        rows["virtual, whole"].append(look_at(raw, base))
    alt = (
        f"{SUBJECTS} real scans around the hippocampus; below, the same part of {SUBJECTS} virtual "
        "subjects, and those whole. The virtual ones show the same structures, blurred and grainier."
    )
    return beside(rows, alt)


def _caption(picture: Picture) -> str:
    card = load_card(REAL)
    origin = "" if picture.fresh else " Drawn earlier, from a public copy of the set."
    owner = escape(f"{card.publisher}; licence: {card.licence}; {card.citation}")
    return f"Above: real scans of {REAL} ({owner}). Below: virtual subjects at 1 mm.{origin}"
