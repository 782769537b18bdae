"""The book's data pages, made from the cards: the table in `book/data/index.md`, and a page for each."""

from collections.abc import Sequence
from pathlib import Path

from medseg_lab.data import describe
from medseg_lab.data.card import Card
from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.choose import choose
from medseg_lab.publishing import data_pictures
from medseg_lab.publishing.data_pictures import BESIDE, REAL, SUBJECTS, Picture, at_hand, kept
from medseg_lab.publishing.markdown import bullets, escape, prose, table

FOLDER = "data"
HONEST = "```{include} _virtual_and_real.md\n```"

TWINS = """\
The same subjects, with the same labels to the voxel, under another scanner: for chapters that ask what a
network does with scans unlike those in its training data.
"""

TWINS_CAPTION = "Virtual subjects and their twins. Every image has its own grey scale."

READERS = """\
Where readings differ, the truth is not one mask but a probability of each class. For these readers it is
known and comes with every case, which no real data set can offer.
"""

TRUTH_CAPTION = (
    "Scan; the known probability of one class, black for 0 and white for 1; and the share of the readings "
    "that name it."
)


def data_pages(static: Path) -> dict[str, bytes]:
    """Markdown and pictures by file name.

    Args:
        static: the folder of pictures that were drawn earlier (`book/_static/data`).
    """
    cards = [load_card(name) for name in known_cards()]
    pages = {"_sets.md": index(cards).encode()}
    for card in cards:
        picture = data_pictures.draw(card) if at_hand(card) else kept(card.id, static)
        if picture is not None:
            pages[f"{card.id}.jpg"] = picture.data
        text = card_page(card, picture)
        if card.virtual is not None:
            more, pictures = virtual_sections(card, static)
            text += f"\n{more}\n"
            pages |= {name: picture.data for name, picture in pictures.items()}
        pages[f"{card.id}.md"] = text.encode()
    return {f"{FOLDER}/{name}": content for name, content in pages.items()}


def index(cards: Sequence[Card]) -> str:
    """All data sets in a table."""
    rows = []
    for card in cards:
        found = card.measured
        counts = (str(found.cases), str(found.patients)) if found else ("not counted", "")
        link, what = f"[{card.id}]({card.id}.md)", escape(describe.what(card))
        rows.append((link, what, *counts, describe.size(card), escape(describe.short_licence(card))))
    heads = ("Data set", "What", "Cases", "Patients", "Download", "Licence")
    return table(heads, rows)


def card_page(card: Card, picture: Picture | None) -> str:
    """One card as a page."""
    patients = choose(card.id).reader.patients() if at_hand(card) else None
    sections = [
        f"# {card.id}",
        f"**{escape(card.title)}.** {escape(card.about)}".rstrip(),
        table(("", ""), _facts(card)),
        "## Examples",
        examples(card, picture),
        "## Classes",
        *_classes(card),
        "## Size",
        *_sizes(card),
        "## Split",
        *_split(card, patients),
        "## Known defects",
        bullets(map(escape, card.defects)),
        "## How to get it",
        *_obtain(card),
    ]
    return "\n\n".join(part for part in sections if part) + "\n"


def examples(card: Card, picture: Picture | None) -> str:
    """The contact sheet with its owner; or how to see it."""
    if picture is None:
        return (
            f"The data set is not on this machine, and its licence does not allow its pictures to be shared "
            f"here. Once you have it, `medseg data show {card.id}` draws a contact sheet."
        )
    if card.virtual is not None:
        caption = "Virtual subjects, no real data. Generated for this page."
    else:
        found = card.measured
        copy = f": {escape(found.sources)}" if found is not None and found.sources else ""
        earlier = f"The data set was not on this machine when this page was built; drawn earlier{copy}."
        origin = "Drawn from the files on this machine." if picture.fresh else earlier
        owner = escape(f"Images: {card.publisher}; licence: {card.licence}; {card.citation}.")
        caption = f"{origin} {owner} The outlines are the published labels."
    return picture.markdown(f"{card.id}.jpg", caption)


def _facts(card: Card) -> list[tuple[str, str]]:
    changes = [f"`{card.id}+{name}`: {escape(describe.change(card, name))}" for name in card.variants]
    rows = {
        "id": f"`{card.id}`",
        "publisher": escape(card.publisher),
        "licence": escape(card.licence),
        "citation": escape(card.citation),
        "home": f"<{card.home}>",
        "channels": escape(", ".join(card.modality)),
        "raters": str(card.raters),
        "cases": describe.cases(card),
        "variants": "; ".join(changes),
    }
    return [(f"**{name}**", value) for name, value in rows.items() if value]


def _classes(card: Card) -> list[str]:
    lines = [f"{number} {escape(name)}" for number, name in enumerate(card.classes)]
    shares = describe.shares(card)
    if shares:
        columns = 2 if len(card.classes) == 2 else 3  # with one foreground class there is nothing to compare
        balance = [(line, *share[1:columns]) for line, share in zip(lines, shares, strict=True)]
        said = [
            table(("Class", "Share of the image", "Share of the foreground")[:columns], balance),
            "Means over the cases" + (", and over the raters." if card.raters > 1 else "."),
        ]
    else:
        said = [bullets(lines), "The class frequencies were not measured."]
    if card.regions:
        rows = [(escape(name), escape(members)) for name, members in describe.regions(card)]
        nested = ", each inside a larger one." if card.has_nested_regions else "."
        said += [
            f"Regions are scored, which are unions of classes{nested}",
            table(("Region", "Classes"), rows),
        ]
    return said


def _sizes(card: Card) -> list[str]:
    found = card.measured
    if found is None:
        return ["Not measured: the files were not available."]
    sizes = table(("", "Median, and from the smallest to the largest"), describe.sizes(card))
    return [sizes, f"Counted on {escape(found.sources)}." if found.sources else ""]


def _split(card: Card, patients: dict[str, str] | None) -> list[str]:
    rule = (
        f"By patient: {escape(card.patient_rule)}. Of the patients, {100 * card.parts.test:.0f}% are for the "
        f"sealed test and {100 * card.parts.validation:.0f}% for validation."
    )
    rows = describe.parts(card, patients)
    if not rows:
        return [rule]
    which = "of the files on this machine" if patients else "of the copy that was counted"
    columns = (
        2 if any(row[2] == "?" for row in rows) else 3
    )  # only the files tell a patient's number of cases
    shown = table(("Part", "Patients", "Cases")[:columns], [row[:columns] for row in rows])
    return [f"{rule} The parts {which}, with `split_seed=0`:", shown]


def _obtain(card: Card) -> list[str]:
    if card.download is None:
        return [escape(card.obtain)]
    command = f"```bash\nmedseg data get {card.id}\n```"
    if card.download.by_hand:
        command = bullets(map(prose, card.download.by_hand.strip().splitlines()))
    addresses = bullets(f"<{a.url}> ({a.size_mb:g} MB)" for a in card.download.archives)
    return [command, addresses, f"Addresses last confirmed: {escape(card.download.confirmed)}."]


def virtual_sections(card: Card, static: Path) -> tuple[str, dict[str, Picture]]:
    """What follows on the page of virtual subjects, as Markdown, and its pictures by file name.

    Every variant is shown, and virtual subjects beside real ones.
    """
    pictures: dict[str, Picture] = {}
    said = ["## Variants"]

    def add(name: str, picture: Picture, caption: str) -> None:
        pictures[f"{name}.jpg"] = picture
        said.append(picture.markdown(f"{name}.jpg", caption))

    shifts = [name for name in card.variants if is_shift(card, name)]
    for name in card.variants:
        if name in shifts:
            continue
        variant = load_card(f"{card.id}+{name}")
        said += [f"### {escape(name)}", f"{escape(describe.change(card, name))}: `{variant.id}`."]
        said += [READERS] if variant.raters > 1 else []
        picture = data_pictures.draw(variant, SUBJECTS)
        add(f"{card.id}-{name}", picture, f"Virtual subjects of `{variant.id}`.")
        if variant.raters > 1:
            truth = data_pictures.fresh(data_pictures.known_truth(variant))
            add(f"{card.id}-truth", truth, TRUTH_CAPTION)
    if shifts:
        changes = (f"`{card.id}+{name}`: {escape(describe.change(card, name))}" for name in shifts)
        said += ["### Shifts", TWINS, bullets(changes)]
        add(f"{card.id}-shifts", data_pictures.fresh(data_pictures.twins(card, shifts)), TWINS_CAPTION)
    said.append(HONEST)
    real, own = kept(BESIDE, static), load_card(REAL)
    if real is None and at_hand(own):
        real = data_pictures.fresh(data_pictures.beside_real())
    if real is not None:
        owner = escape(f"{own.publisher}; licence: {own.licence}; {own.citation}")
        earlier = "" if real.fresh else " Drawn earlier, from a public copy of the data set."
        caption = f"Above: real scans of {REAL} ({owner}). Below: virtual subjects at 1 mm.{earlier}"
        add(BESIDE, real, caption)
    return "\n\n".join(said), pictures


def is_shift(card: Card, name: str) -> bool:
    """Whether a variant changes the scan and nothing of what is to be found in it."""
    variant = load_card(f"{card.id}+{name}")
    return (variant.classes, variant.modality, variant.raters) == (card.classes, card.modality, card.raters)
