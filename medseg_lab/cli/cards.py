"""What `medseg data` prints: the list of data sets, one card, and what was seen in a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medseg_lab.cli.table import show
from medseg_lab.data import catalogue, describe, locate
from medseg_lab.data.card import Card
from medseg_lab.data.choose import choose

if TYPE_CHECKING:
    from medseg_lab.data.draft import Inspection
    from medseg_lab.data.readers.reader import Reader


def print_list() -> None:
    """Every known data set with its variants, and where those at hand lie."""
    cards = [catalogue.load_card(name) for name in catalogue.known_cards()]
    table = Table(title="Data sets", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("id", no_wrap=True)
    table.add_column("what")
    table.add_column("cases", justify="right")
    table.add_column("size", no_wrap=True)
    table.add_column("licence")
    table.add_column("here", no_wrap=True)
    for card in cards:
        table.add_row(*map(Text, _row(card)))
        for name in card.variants:
            table.add_row(*map(Text, (f"  +{name}", describe.change(card, name))), style="dim")
    console = Console()
    console.print(table)
    lying = [f"{card.id}: {at_hand(card)}" for card in cards if locate.find(card)]
    console.print(Text("\n".join([*lying, "medseg data show ID tells more."])), soft_wrap=True)


def _row(card: Card) -> tuple[str, ...]:
    found = card.measured
    number = found.cases if found else card.virtual.subjects if card.virtual else "?"
    hand = "made" if card.virtual else "yes" if locate.find(card) else "no"
    size = "-" if card.virtual else describe.size(card)
    return card.id, describe.what(card), str(number), size, describe.short_licence(card), hand


def at_hand(card: Card) -> str:
    """Where the data set lies, or that it does not."""
    if card.virtual is not None:
        return "generated on this machine"
    folder = locate.find(card)
    return "no" if folder is None else str(folder)


def card_and_reader(dataset: str) -> "tuple[Card, Reader | None]":
    """The data set; without a reader where it is known but not at hand.

    Raises:
        ValueError: as `choose` does for what is unknown, or for files at fault.
    """
    if catalogue.is_known(dataset):
        card = catalogue.load_card(dataset)
        if card.virtual is None and locate.find(card) is None:
            return card, None
    chosen = choose(dataset)
    return chosen.card, chosen.reader


def print_card(card: Card, reader: "Reader | None") -> None:
    """The card as a table, with what was counted in the files."""
    table = Table(
        title=Text(card.title, style="bold"), title_justify="left", show_header=False, box=box.SIMPLE_HEAD
    )
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in card_rows(card, reader):
        table.add_row(name, Text(value))
    Console().print(table)
    if reader is None:
        Console().print(Text(f"{card.base} is not at hand: {locate.looked(card)}.\n{card.obtain}"))


def card_rows(card: Card, reader: "Reader | None") -> list[tuple[str, str]]:
    """Names and values of what a person wants to know of a data set; long lists a line an entry."""
    found = card.measured
    whose = None if reader is None else reader.patients()
    balance = [
        f"{name}: {whole}" + (f" ({inside} of the foreground)" if inside else "")
        for name, whole, inside in describe.shares(card)
    ]
    split = [f"{part}: {n} patients, {cases} cases" for part, n, cases in describe.parts(card, whose)]
    hand = "no" if reader is None else at_hand(card)
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
        ("at hand", hand),
        ("cases", describe.cases(card)),
        ("channels", ", ".join(card.modality)),
        ("raters", str(card.raters)),
        ("patients", card.patient_rule),
        *describe.sizes(card),
        ("classes", "\n".join(balance) or ", ".join(card.classes)),
        ("regions", "\n".join(f"{name} = {members}" for name, members in describe.regions(card))),
        ("split", "\n".join(split)),
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
    from medseg_lab.show.contact_sheet import contact_sheet
    from medseg_lab.show.figure import png

    picture = png(contact_sheet(card, reader))
    try:
        aside = path.with_name(f".{path.name}.part")
        aside.write_bytes(picture)
        aside.replace(path)
    except OSError as error:
        raise RuntimeError(f"{path}: got {error.strerror}, wanted to write a picture there") from None


def print_inspection(found: "Inspection") -> None:
    """What was found in a folder, what looks wrong, and how its cases were grouped by patient."""
    show(f"Found in {found.folder}", ("what", "found"), found.rows())
    show("What looks wrong", ("where", "what"), found.warnings)
    if patients := found.patients():
        show(f"Patients: {found.card.patient_rule}", ("patient", "cases"), patients)
    else:
        typer.echo(f"Patients: {found.card.patient_rule}")
