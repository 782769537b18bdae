"""The nnU-Net / MSD layout: `dataset.json`, `imagesTr`, `labelsTr`.

`dataset.json` has two generations. The older (MSD, nnU-Net 1) maps value to name and lists its pairs; the
newer (nnU-Net 2) maps name to value and gives a `file_ending`. Images are `<case>.nii.gz`, with
channels as the fourth axis (MSD), or one file a channel, `<case>_0000.nii.gz` (nnU-Net).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg_lab.data.readers.checks import visible
from medseg_lab.data.readers.reader import Files

ENDINGS = (".nii.gz", ".nii")

MAX_CLASSES = 255
"""Labels are bytes, and 255 is for voxels that nobody annotated."""


@dataclass(frozen=True)
class Layout:
    """What `dataset.json` says.

    Args:
        table: all of it.
        channels, classes: names, in order.
        regions: unions of classes, as nnU-Net 2 allows them.
        ending: of the files' names.
        unknown: the value of voxels that nobody annotated, which nnU-Net 2 calls `ignore`.
    """

    table: dict[str, Any]
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    regions: dict[str, tuple[str, ...]]
    ending: str
    unknown: int | None = None


def read_layout(folder: Path) -> Layout:
    """The meaning of `folder/dataset.json`.

    Raises:
        ValueError: if it is missing, is no JSON, or its labels are not 0, 1, ... K-1 (and K for `ignore`).
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise ValueError(f"{folder}: expected a dataset.json beside imagesTr and labelsTr, got none")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a JSON object, got the error: {error}") from None
    names = table.get("channel_names", table.get("modality")) if isinstance(table, dict) else None
    if not isinstance(names, dict) or not names or not isinstance(table.get("labels"), dict):
        found = f"the keys {', '.join(table)[:200]}" if isinstance(table, dict) else "no object"
        raise ValueError(
            f"{path}: expected the tables 'labels' and 'channel_names' (or 'modality'), got {found}"
        )
    if not all(_is_number(key) for key in names):
        raise ValueError(f"{path}: expected channels 0, 1, ..., got {list(names)}")
    if not isinstance(table.get("training", []), list):
        raise ValueError(f"{path}: expected a list of one entry a case in 'training', got no list")
    classes, regions, unknown = _classes(table["labels"], path)
    ending = table.get("file_ending", ENDINGS[0])
    if ending not in ENDINGS:
        raise ValueError(f"{path}: expected a file_ending of {', '.join(ENDINGS)}, got {ending!r}")
    channels = tuple(str(names[k]) for k in sorted(names, key=int))
    return Layout(table, channels, classes, regions, ending, unknown)


def pairs(folder: Path, layout: Layout) -> dict[str, Files]:
    """The training pairs by case id, sorted.

    Raises:
        ValueError: naming the first file that is missing: an image or label without its counterpart, or a
            case that `dataset.json` lists.
    """
    labels, images = (
        {_stem(path.name, layout.ending): path for path in visible(folder / part, f"*{layout.ending}")}
        for part in ("labelsTr", "imagesTr")
    )
    listed = {_stem(_path(entry, "label"), layout.ending) for entry in layout.table.get("training", [])}
    owned = {_owner(stem, labels) for stem in images}
    # Where no image is named after a channel, a missing one would be named after its case.
    whole = bool(images) and all(_owner(stem, labels) == stem for stem in images)
    found: dict[str, Files] = {}
    for case in sorted(set(labels) | owned | listed):
        split = [f"{case}_{channel:04d}" for channel in range(len(layout.channels))]
        stems = [case] if case in images or whole else split
        for part, present, needed in (("labelsTr", labels, [case]), ("imagesTr", images, stems)):
            for stem in needed:
                if stem not in present:
                    kind = "a label" if part == "labelsTr" else "an image"
                    raise ValueError(
                        f"{folder / part / (stem + layout.ending)}: no such file; {kind} is missing"
                    )
        found[case] = Files(tuple(images[stem] for stem in stems), (labels[case],))
    if not found:
        raise ValueError(
            f"{folder}: expected *{layout.ending} in imagesTr and labelsTr, got no training pair"
        )
    return found


def _classes(
    labels: dict[str, Any], path: Path
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]], int | None]:
    """Class names by value, regions and the value for 'unknown', from either generation's table."""
    old = all(_is_number(key) for key in labels)
    values = {str(name): key for key, name in labels.items()} if old else dict(labels)
    if not all(_is_number(v) for given in values.values() for v in _listed(given)):
        raise ValueError(f"{path}: expected labels that are whole numbers, or lists of them, got {values}")
    unknown = None if old or isinstance(values.get("ignore"), list) else values.pop("ignore", None)
    merged = {n: tuple(map(int, v)) for n, v in values.items() if isinstance(v, list)}
    named = {int(v): n for n, v in values.items() if not isinstance(v, list)}
    every = set(named) | {v for members in merged.values() for v in members}
    if every != set(range(len(every))) or not 2 <= len(every) <= MAX_CLASSES:
        raise ValueError(
            f"{path}: expected label values 0, 1, ... without a gap, 2 to {MAX_CLASSES} of them, "
            f"got {sorted(every)[:10]}"
        )
    if unknown is not None and int(unknown) != len(every):
        raise ValueError(f"{path}: expected the highest value, {len(every)}, for 'ignore', got {unknown}")
    classes = tuple(named.get(value, f"label {value}") for value in range(len(every)))
    regions = {name: tuple(classes[v] for v in members) for name, members in merged.items()}
    return classes, regions, None if unknown is None else int(unknown)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    """Whether this is a whole number from 0 on, or the text of a short one."""
    short = isinstance(value, str) and value.isdecimal() and len(value) < 10
    return short or (isinstance(value, int) and value >= 0)


def _owner(stem: str, labels: dict[str, Path]) -> str:
    """The case an image file belongs to: its own name where a label has it, else the name before `_0000`."""
    return stem if stem in labels else re.sub(r"_\d{4}$", "", stem)


def _stem(name: str, ending: str) -> str:
    return Path(name).name.removesuffix(ending)


def _path(entry: Any, key: str) -> str:
    """The label's path in an entry of `training`, which some publishers write as the image's path alone."""
    return str(entry.get(key, entry.get("image")) if isinstance(entry, dict) else entry)
