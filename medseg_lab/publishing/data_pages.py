"""The book's data pages, made from the cards: one for all sets, and one for each."""

from collections.abc import Iterable
from pathlib import Path

from medseg_lab.data import describe
from medseg_lab.data.card import Card
from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.choose import choose
from medseg_lab.publishing.data_index import index
from medseg_lab.publishing.data_pictures import Picture, at_hand, draw, figure, kept
from medseg_lab.publishing.markdown import escape, prose, table
from medseg_lab.publishing.virtual_page import virtual_sections

FOLDER = "data"


def data_pages(static: Path) -> dict[str, bytes]:
    """Markdown and pictures by file name.

    Args:
        static: the folder of pictures that were drawn earlier (`book/_static/data`).
    """
    cards = [load_card(name) for name in known_cards()]
    pages = {f"{FOLDER}/index.md": index(cards).encode()}
    for card in cards:
        picture = draw(card) if at_hand(card) else kept(card.id, static)
        if picture is not None:
            pages[f"{FOLDER}/{card.id}.jpg"] = picture.data
        text = card_page(card, picture)
        if card.virtual is not None:
            more, pictures = virtual_sections(card, static)
            text += more
            pages |= {f"{FOLDER}/{name}": data for name, data in pictures.items()}
        pages[f"{FOLDER}/{card.id}.md"] = text.encode()
    return pages


def card_page(card: Card, picture: Picture | None) -> str:
    """One card as a page."""
    hand = at_hand(card)
    patients = choose(card.id).reader.patients() if hand else None
    sections = [
        f"# {card.id}\n\n**{escape(card.title)}.** {escape(card.about)}".rstrip(),
        "\n".join(table(("", ""), _facts(card))),
        "## A look at it\n\n" + look(card, picture),
        "## Classes\n\n" + _classes(card),
        "## Size\n\n" + _sizes(card),
        "## Split\n\n" + _split(card, patients),
        "## Known defects\n\n" + "\n".join(f"- {escape(defect)}" for defect in card.defects),
        "## How to get it\n\n" + _obtain(card),
    ]
    return "\n\n".join(sections) + "\n"


def look(card: Card, picture: Picture | None) -> str:
    """The contact sheet with whose it is; or how to see it."""
    if picture is None:
        return (
            f"The set is not at hand, and its pictures are not passed on here. Once you have it, "
            f"`medseg data show {card.id}` draws a contact sheet."
        )
    origin = "Drawn from the files at hand." if picture.fresh else _earlier(card)
    if card.virtual is not None:
        return figure(f"{card.id}.jpg", picture, "Virtual subjects, no real data. Generated for this page.")
    owner = escape(f"Images: {card.publisher}; licence: {card.licence}; {card.citation}.")
    return figure(f"{card.id}.jpg", picture, f"{origin} {owner} The marks are the published ones.")


def _earlier(card: Card) -> str:
    found = card.measured
    copy = f": {escape(found.sources)}" if found is not None and found.sources else ""
    return f"The set was not at hand when this page was built; drawn earlier{copy}."


def _facts(card: Card) -> list[tuple[str, str]]:
    rows = [
        ("**id**", f"`{card.id}`"),
        ("**publisher**", escape(card.publisher)),
        ("**licence**", escape(card.licence)),
        ("**citation**", escape(card.citation)),
        ("**home**", f"<{card.home}>"),
        ("**channels**", escape(", ".join(card.modality))),
        ("**raters**", str(card.raters)),
        ("**cases**", describe.cases(card)),
    ]
    if card.variants:
        changes = [f"`{card.id}+{name}`: {escape(describe.change(card, name))}" for name in card.variants]
        rows.append(("**variants**", "; ".join(changes)))
    return rows


def _classes(card: Card) -> str:
    lines = [f"{number} {escape(name)}" for number, name in enumerate(card.classes)]
    shares = describe.shares(card)
    if shares:
        # Of one class there is nothing to compare.
        columns = 2 if len(card.classes) == 2 else 3
        balance = [(line, *share[1:columns]) for line, share in zip(lines, shares, strict=True)]
        heads = ("Class", "Share of the image", "Share of the foreground")[:columns]
        text = "\n".join(table(heads, balance))
        note = "Means over the cases" + (", and over the raters." if card.raters > 1 else ".")
        text += f"\n\n{note}"
    else:
        text = "\n".join(f"- {line}" for line in lines) + "\n\nHow often each is met was not measured."
    if card.regions:
        rows = [(escape(name), escape(members)) for name, members in describe.regions(card)]
        nested = "Regions, as they are scored: unions of classes"
        nested += ", each inside a larger one." if card.has_nested_regions else "."
        text += f"\n\n{nested}\n\n" + "\n".join(table(("Region", "Classes"), rows))
    return text


def _sizes(card: Card) -> str:
    found = card.measured
    if found is None:
        return "Not measured: the files were not at hand."
    rows: Iterable[tuple[str, str]] = [(name, value) for name, value in describe.sizes(card)]
    source = f"\n\nCounted on {escape(found.sources)}." if found.sources else ""
    return "\n".join(table(("", "Median, and from the smallest to the largest"), rows)) + source


def _split(card: Card, patients: dict[str, str] | None) -> str:
    test, validation = card.parts.test, card.parts.validation
    rule = (
        f"By patient: {escape(card.patient_rule)}. Of the patients, {100 * test:.0f}% are for the sealed "
        f"test and {100 * validation:.0f}% for validation."
    )
    rows = describe.parts(card, patients)
    if not rows:
        return rule
    which = "of the files at hand" if patients else "of the copy that was counted"
    # Who has how many cases is known from the files alone.
    columns = 2 if any(row[2] == "?" for row in rows) else 3
    shown = table(("Part", "Patients", "Cases")[:columns], [row[:columns] for row in rows])
    return f"{rule} The parts {which}, with `split_seed=0`:\n\n" + "\n".join(shown)


def _obtain(card: Card) -> str:
    if card.download is None:
        return escape(card.obtain)
    lines = [f"- <{a.url}> ({a.size_mb:g} MB)" for a in card.download.archives]
    command = f"```bash\nmedseg data get {card.id}\n```"
    if card.download.by_hand:
        command = "\n".join(f"- {prose(line)}" for line in card.download.by_hand.strip().splitlines())
    confirmed = f"Addresses last confirmed: {escape(card.download.confirmed)}."
    return "\n\n".join(part for part in (command, "\n".join(lines), confirmed) if part)
