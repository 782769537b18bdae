"""What `medseg data` prints: the list of data sets, one card, and the check of a folder."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from medseg_lab.cli.tables import show
from medseg_lab.data import catalogue, describe, locate
from medseg_lab.data.card import Card
from medseg_lab.data.choose import choose, path_of
from medseg_lab.data.wording import some

if TYPE_CHECKING:
    from medseg_lab.data.own.inspection import Inspection
    from medseg_lab.data.own.pairing import Pairing
    from medseg_lab.data.readers.reader import Reader

FIRST = 5
"""So many pairs of an image and a mask are shown."""


def print_list() -> None:
    """Every known data set with its variants, and the folders of those on this machine."""
    cards = [catalogue.load_card(name) for name in catalogue.known_cards()]
    rows: list[Sequence[str | Text]] = []
    for card in cards:
        found, made, here = card.measured, card.virtual is not None, locate.find(card) is not None
        number = found.cases if found else card.virtual.subjects if card.virtual else "?"
        size, hand = ("-", "made") if made else (describe.size(card), "yes" if here else "no")
        rows.append((card.id, describe.what(card), str(number), size, describe.short_licence(card), hand))
        rows += [
            (Text(f"  +{name}", "dim"), Text(describe.change(card, name), "dim")) for name in card.variants
        ]
    header = ("id", "what", "cases", "size", "licence", "here")
    show("Data sets", header, rows, fixed=("id", "size", "here"))
    for card in cards:
        if locate.find(card):
            typer.echo(f"{card.id}: {place(card)}")
    typer.echo("`medseg data show ID` shows a data set.")


def place(card: Card) -> str:
    """The folder of the data set, or that there is none."""
    if card.virtual is not None:
        return "generated on this machine"
    if not catalogue.is_known(card.id) or catalogue.load_card(card.id) != card:
        return "a folder of your own"
    folder = locate.find(card)
    return "not on this machine" if folder is None else str(folder)


def card_and_reader(dataset: str) -> "tuple[Card, Reader | None]":
    """The data set; without a reader where it is known but not on this machine.

    Raises:
        ValueError: as `choose` does, for an unknown data set or damaged files.
    """
    if catalogue.is_known(dataset):
        card = catalogue.load_card(dataset)
        if card.virtual is None and locate.find(card) is None:
            return card, None
    chosen = choose(dataset)
    return chosen.card, chosen.reader


def print_card(card: Card, reader: "Reader | None") -> None:
    """The card as a table, with what was counted in the files."""
    rows = [(Text(name, style="bold"), value) for name, value in card_rows(card, reader)]
    show(card.title, ("", ""), rows)
    if reader is None:
        typer.echo(f"{card.base} is not on this machine: {locate.looked(card)}.\n{card.obtain}")


def card_rows(card: Card, reader: "Reader | None") -> list[tuple[str, str]]:
    """Names and values of a data set's properties; long lists have one line an entry."""
    found = card.measured
    whose = None if reader is None else reader.patients()
    balance = [
        f"{name}: {whole}" + (f" ({inside} of the foreground)" if inside else "")
        for name, whole, inside in describe.shares(card)
    ]
    hand = place(card)
    if whose is not None:
        hand += f" ({len(whose)} cases of {len(set(whose.values()))} patients)"
    rows = [
        ("id", card.id),
        ("about", card.about),
        ("publisher", card.publisher),
        ("licence", card.licence),
        ("citation", card.citation),
        ("home", card.home),
        ("size", describe.size(card)),
        ("files", hand),
        ("cases", describe.cases(card)),
        ("channels", ", ".join(card.modality)),
        ("raters", str(card.raters)),
        ("patients", card.patient_rule),
        *describe.sizes(card),
        ("classes", "\n".join(balance) or ", ".join(card.classes)),
        ("regions", "\n".join(f"{name} = {members}" for name, members in describe.regions(card))),
        ("scored", card.scored if card.regions else ""),
        ("split", "\n".join(describe.part_lines(card, whose))),
        ("counted on", found.sources if found is not None else describe.NOT_MEASURED),
        ("defects", "\n".join(f"- {defect}" for defect in card.defects)),
        ("addresses", "\n".join(describe.addresses(card))),
        ("variants", "\n".join(f"{card.id}+{name}" for name in card.variants)),
    ]
    return [(name, value) for name, value in rows if value]


def draw(card: Card, reader: "Reader", path: Path) -> None:
    """Write the contact sheet, whole or not at all.

    Raises:
        RuntimeError: if it cannot be written.
    """
    from medseg_lab.data.whole_file import write_whole
    from medseg_lab.show.contact_sheet import contact_sheet
    from medseg_lab.show.figure import png

    try:
        write_whole(path, png(contact_sheet(card, reader)))
    except OSError as error:
        raise RuntimeError(f"{path}: the picture could not be written: {error.strerror}") from None


def print_pairing(found: "Pairing") -> None:
    """How images and masks pair up: the rule, the first pairs, and how many there are."""
    pairs = list(found.files.values())
    rows = [(image.name, mask.name) for image, mask in pairs[:FIRST]]
    show(f"{len(pairs)} pairs", ("image", "mask"), rows)
    typer.echo(
        f"Rule: {found.rule}. Left over: {len(found.lone_images)} images, {len(found.lone_masks)} masks."
    )


def print_inspection(found: "Inspection") -> None:
    """What was found in a folder, what to check, and how its cases were grouped by patient."""
    show(f"Found in {found.folder}", ("what", "found"), found.rows())
    show("What looks wrong, or was assumed", ("where", "what"), found.warnings)
    if patients := found.patients():
        show(f"Patients: {found.card.patient_rule}", ("patient", "cases"), patients)
    else:
        typer.echo(f"Patients: {found.card.patient_rule}")


def print_next(found: "Inspection") -> None:
    """What to do next with a folder that has a card: mend what is named, or train, at what cost."""
    if found.faults:
        where = some(dict.fromkeys(where for where, _ in found.faults))
        typer.echo(
            f"Training reads every case, and refuses this folder until the faults of {where} are corrected, "
            "in the files or in the card, or those cases are removed."
        )
        return
    from medseg_lab.sweeps.cost import cost_text

    name = path_of(found.folder)
    folder = shlex.quote(name)
    typer.echo(f"Look at the cases: medseg data show {folder}")
    typer.echo(f"Then train and compare three methods: medseg run run_your_own -p folder={folder}")
    typer.echo(f"or run a chapter on it: medseg run 2.1.1 --dataset {folder}")
    typer.echo(cost_text(name, found.median_case))
