"""A draft card as text, with comments on what to check."""

from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from medseg_lab.data.look import Look

CHECK = {
    "id": "how the data set is called in tables",
    "publisher": "who published it",
    "licence": "what you may do with it",
    "citation": "what to cite",
    "modality": "one name a channel",
    "classes": "label values 0, 1, ...: background first",
    "patient": "matches a case's id whole; group 1 is the patient, whose cases go to one part",
    "patient_rule": "the same in words",
}
SPACING = "mm a voxel after resampling, the median; without this line the files' grids are kept"
MIRROR = "axes along which a mirrored image is still a plausible one, such as [0]"


def card_toml(look: "Look") -> str:
    """The text of `card.toml`; `Card` accepts what it says."""
    card = look.card
    document = tomlkit.document()
    document.add(tomlkit.comment("A draft, written from what the files say. Check the lines with a comment."))
    for doubt in look.doubts:
        document.add(tomlkit.comment(_one_line("Looks wrong: " + ": ".join(doubt))))
    document.add(tomlkit.nl())
    said = card.model_dump(mode="json", exclude_defaults=True, exclude={"preprocessing", "regions"})
    said |= {"home": "", "patient": card.patient, "patient_rule": look.patient_rule}
    order = [*(name for name in type(card).model_fields if name in said)]
    for name in order:
        item = tomlkit.item(said[name])
        if name == "patient":
            item = tomlkit.string(card.patient, literal=True)
        if name in CHECK:
            item.comment(f"check: {CHECK[name]}")
        document.add(name, item)
    document.add("defects", tomlkit.array())
    document["defects"].comment("what is wrong with the files, and what you do about it")
    if card.regions:
        document.add("regions", tomlkit.item({k: list(v) for k, v in card.regions.items()}))
    document.add("preprocessing", _preprocessing(card.preprocessing.model_dump(mode="json")))
    return tomlkit.dumps(document)


def _preprocessing(how: dict[str, Any]) -> Any:
    table = tomlkit.table()
    notes = {"spacing": SPACING, "mirror": MIRROR, "patch": "largest training patch, in voxels"}
    for name, value in how.items():
        if value is None:
            continue
        item = tomlkit.item(value)
        if name in notes:
            item.comment(notes[name])
        table.add(name, item)
    return table


def _one_line(text: str) -> str:
    return " ".join(text.split())
