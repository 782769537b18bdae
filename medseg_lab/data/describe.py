"""A card in words: what a table on the terminal and a page of the book both say of a data set."""

from collections.abc import Sequence

from medseg_lab.data.card import Card
from medseg_lab.data.facts import part_sizes

NOT_MEASURED = "not measured"


def what(card: Card) -> str:
    """Dimension, channels, classes and raters, in a line."""
    channels = card.modality[0] if len(card.modality) == 1 else f"{len(card.modality)} channels"
    kind = "colour" if card.modality == ("red", "green", "blue") else channels
    raters = f"; {card.raters} raters" if card.raters > 1 else ""
    return f"{card.spatial_dims}D {kind}: {', '.join(card.classes[1:])}{raters}"


def change(card: Card, variant: str) -> str:
    """What a variant of the card changes, in a line."""
    said = card.variants[variant]
    settings = said.get("virtual", {}).get("settings", {})
    if "about" in said:
        return str(said["about"]).removesuffix(".")
    if "annotation" in said:
        return f"training cases carry the {said['annotation']}s"
    if "classes" in said:
        channels = f"{len(said['modality'])} channels: " if "modality" in said else ""
        return channels + ", ".join(said["classes"][1:])
    if "raters" in said:
        return f"{said['raters']} raters"
    return f"other {', '.join(settings)}" if settings else str(said.get("title", variant))


def size(card: Card) -> str:
    """How much is fetched, or that it is generated."""
    if card.virtual is not None:
        return "generated"
    if not card.size_mb:
        return "not stated"
    return f"{card.size_mb / 1000:.1f} GB" if card.size_mb >= 1000 else f"{card.size_mb:.0f} MB"


def short_licence(card: Card) -> str:
    """The licence's name, without its conditions."""
    return min((card.licence.partition(mark)[0] for mark in ",:;"), key=len)


def cases(card: Card) -> str:
    """How many cases of how many patients."""
    found = card.measured
    if found is not None:
        return f"{found.cases} cases of {found.patients} patients"
    return f"{card.virtual.subjects} subjects" if card.virtual is not None else NOT_MEASURED


def sizes(card: Card) -> list[tuple[str, str]]:
    """The smallest, the median and the largest image, and the spacing, each with its name."""
    found = card.measured
    if found is None:
        return []
    unit = "voxels" if card.spatial_dims == 3 else "pixels"
    said = [(f"size in {unit}", _spread(found.shape))]
    if found.spacing is None:
        return [*said, ("spacing", "not given")]
    return [*said, ("spacing in mm", _spread(found.spacing))]


def shares(card: Card) -> list[tuple[str, str, str]]:
    """Each class, its share of the image, and its share of what is not background."""
    found = card.measured
    if found is None:
        return []
    inside = sum(found.shares[name] for name in card.classes[1:])
    rows = [(card.classes[0], percent(found.shares[card.classes[0]]), "")]
    return rows + [
        (name, percent(found.shares[name]), percent(found.shares[name] / inside)) for name in card.classes[1:]
    ]


def parts(card: Card, patients: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Each part with its patients and cases; from the files at hand, else from what was counted once."""
    found = card.measured
    if not patients and found is None:
        return []
    known = part_sizes(card, patients or (found.patients if found else 0))
    alike = found is not None and found.patients == found.cases
    return [
        (name, str(n), str(n if whole is None and alike else "?" if whole is None else whole))
        for name, (n, whole) in known.items()
    ]


def regions(card: Card) -> list[tuple[str, str]]:
    """Each region and the classes it is made of."""
    return [(name, " + ".join(members)) for name, members in card.regions.items()]


def addresses(card: Card) -> list[str]:
    """What is fetched from where, and when that was last seen to work."""
    if card.download is None:
        return []
    said = [f"{archive.url} ({archive.size_mb:g} MB)" for archive in card.download.archives]
    return [*said, f"last confirmed: {card.download.confirmed}"]


def percent(share: float) -> str:
    """A share with three digits that say something: 0.01234 is 1.23%."""
    return f"{100 * share:.3g}%"


def _spread(values: Sequence[Sequence[float]]) -> str:
    """`35 x 50 x 36 (31 x 40 x 24 to 43 x 59 x 47)`; one of them where all are alike."""
    lowest, median, largest = (" x ".join(f"{v:g}" for v in row) for row in values)
    return median if lowest == largest else f"{median} (axis by axis {lowest} to {largest})"
