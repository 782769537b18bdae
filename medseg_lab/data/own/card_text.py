"""The text of the draft card of a folder of your own: each value with what a person should check."""

from collections.abc import Iterable
from typing import Any

import tomlkit

from medseg_lab.data.card import Card

CHECK = {
    "id": "its name in tables",
    "publisher": "who published it",
    "licence": "what you may do with it",
    "citation": "what to cite",
    "home": "its web page, if it has one",
    "size_mb": "megabytes of a download; 0 without one",
    "modality": "a name for each channel",
    "classes": "names of the classes 0, 1, ...; background first",
    "values": "what the masks store for each class, in the same order",
    "unknown": "what the masks store where nobody annotated",
    "scored": "whether 'regions' (below) or 'classes' are judged; methods learn classes in both cases",
    "patient": "regular expression for a case's whole name; group 1 is the patient, who is in one part",
    "patient_rule": "the same in words",
}
EXPLAIN = {
    "spacing": "mm per voxel to which images are resampled (the files' median); without this line, none is",
    "images": "folder of the images, relative to this card's folder",
    "masks": "folder of the masks, likewise",
    "image_name": "regular expression for a whole file name; group 1 is the case, equal for image and mask",
    "normalise": "each channel of an image minus its mean, over its standard deviation",
    "slice_axis": "methods for 2D images see a volume in slices across this axis",
    "mirror": "axes along which a mirrored image is still plausible, such as [0]",
    "patch": "largest part of an image in a training step, in voxels",
}


def card_toml(card: Card, warnings: Iterable[tuple[str, str]] = ()) -> str:
    """The text of `card.toml`, with comments on what to check; `Card` accepts it."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment(
            "A draft, written from what the files say. Correct the lines marked `check` where needed."
        )
    )
    for warning in warnings:
        document.add(tomlkit.comment(" ".join(f"Check: {': '.join(warning)}".split())))
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
    held = (
        f"{100 * card.parts.test:g}% of the patients are for the test, {100 * card.parts.validation:g}% for"
    )
    other = "for other shares add a table: [parts] with test = 0.2, validation = 0.3"
    document.add(tomlkit.comment(f"{held} validation; {other}"))
    if card.regions:
        document.add("regions", tomlkit.item({name: list(members) for name, members in card.regions.items()}))
    if card.pairs:
        table = tomlkit.table()
        for name, value in card.pairs.model_dump().items():
            _add(table, name, tomlkit.string(value, literal="'" not in value), EXPLAIN.get(name))
        document.add("pairs", table)
    table = tomlkit.table()
    how = card.preprocessing.model_dump(mode="json", exclude_none=True)
    if card.spatial_dims == 2:
        del how["slice_axis"]
    for name, value in how.items():
        _add(table, name, tomlkit.item(value), EXPLAIN.get(name))
    document.add("preprocessing", table)
    return tomlkit.dumps(document)


def _add(table: Any, name: str, item: Any, comment: str | None) -> None:
    if comment:
        item.comment(comment)
    table.add(name, item)
