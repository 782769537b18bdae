"""The text of the draft card of a folder of your own: each value with what a person should check."""

from collections.abc import Iterable
from typing import Any

import tomlkit

from medseg_lab.data.card import Card

CHECK = {
    "id": "how the data set is called in tables",
    "publisher": "who published it",
    "licence": "what you may do with it",
    "citation": "what to cite",
    "modality": "one name a channel",
    "classes": "label values 0, 1, ...: background first",
    "values": "what the masks store for the classes, in their order",
    "unknown": "what the masks store where nobody annotated",
    "scored": "whether 'regions' (below) or 'classes' are judged; methods learn classes in both cases",
    "patient": "matches a case's whole id; group 1 is the patient, whose cases go to one part",
    "patient_rule": "the same in words",
}
EXPLAIN = {
    "spacing": "mm a voxel after resampling, the median; without this line the files' grids are kept",
    "images": "the folder, from that of this card on",
    "image_name": "matches a whole name; group 1 is the case, which an image and its mask have in common",
    "mirror": "axes along which a mirrored image is still a plausible one, such as [0]",
    "patch": "largest training patch, in voxels",
}


def card_toml(card: Card, warnings: Iterable[tuple[str, str]] = ()) -> str:
    """The text of `card.toml`, with comments on what to check and on what looks wrong; `Card` accepts it."""
    document = tomlkit.document()
    document.add(tomlkit.comment("A draft, written from what the files say. Check the lines with a comment."))
    for warning in warnings:
        document.add(tomlkit.comment(" ".join(f"Looks wrong: {': '.join(warning)}".split())))
    document.add(tomlkit.nl())
    values = card.model_dump(
        mode="json", exclude_defaults=True, exclude={"preprocessing", "regions", "pairs"}
    )
    values |= {"home": "", "patient": card.patient, "patient_rule": card.patient_rule}
    for name in (name for name in Card.model_fields if name in values):
        literal = name == "patient"
        item = tomlkit.string(card.patient, literal=True) if literal else tomlkit.item(values[name])
        _add(document, name, item, f"check: {CHECK[name]}" if name in CHECK else None)
    _add(document, "defects", tomlkit.array(), "what is wrong with the files, and what you do about it")
    if card.regions:
        document.add("regions", tomlkit.item({name: list(members) for name, members in card.regions.items()}))
    if card.pairs:
        table = tomlkit.table()
        for name, value in card.pairs.model_dump().items():
            _add(table, name, tomlkit.string(value, literal="'" not in value), EXPLAIN.get(name))
        document.add("pairs", table)
    table = tomlkit.table()
    for name, value in card.preprocessing.model_dump(mode="json", exclude_none=True).items():
        _add(table, name, tomlkit.item(value), EXPLAIN.get(name))
    document.add("preprocessing", table)
    return tomlkit.dumps(document)


def _add(table: Any, name: str, item: Any, comment: str | None) -> None:
    if comment:
        item.comment(comment)
    table.add(name, item)
