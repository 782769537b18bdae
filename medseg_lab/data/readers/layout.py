"""The nnU-Net / MSD layout: `dataset.json`, `imagesTr`, `labelsTr`.

`dataset.json` has two generations. The older (MSD, nnU-Net 1) maps value to name and lists its pairs in
`training`; the newer (nnU-Net 2) maps name to value, gives a `file_ending`, and may list its pairs in
`dataset`. Images are `<case>.nii.gz`, with channels as the fourth axis (MSD), or one file a channel,
`<case>_0000.nii.gz` (nnU-Net).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg_lab.data.readers.decode.volume import FORMATS
from medseg_lab.data.readers.label_table import is_number, read_label_table
from medseg_lab.data.readers.leftovers import Doubt, doubts_of
from medseg_lab.data.readers.listing import list_cases
from medseg_lab.data.readers.reader import Files
from medseg_lab.data.text import read_text


@dataclass(frozen=True)
class Layout:
    """What `dataset.json` says, and the files that it means.

    Args:
        table: all of it.
        channels, classes: names, in order.
        regions: unions of classes, as nnU-Net 2 allows them.
        unknown: the value of voxels that nobody annotated, which nnU-Net 2 calls `ignore`.
        files: of each training case, by its id, sorted.
        doubts: what a person should look at, such as files that are not used: where, and what.
    """

    table: dict[str, Any]
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    regions: dict[str, tuple[str, ...]]
    unknown: int | None
    files: dict[str, Files]
    doubts: tuple[Doubt, ...] = ()


def read_layout(folder: Path) -> Layout:
    """The meaning of `folder/dataset.json`.

    Raises:
        ValueError: if it is missing or inconsistent, or a file of a case is missing; it is named.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise ValueError(
            f"{folder}: expected a dataset.json beside imagesTr and labelsTr, got none; for a folder "
            "of images and one of masks: medseg data add IMAGES MASKS"
        )
    table = _table(path)
    names = table.get("channel_names", table.get("modality"))
    if not isinstance(names, dict) or not names or not isinstance(table.get("labels"), dict):
        raise ValueError(
            f"{path}: expected the tables 'labels' and 'channel_names' (or 'modality'), "
            f"got the keys {', '.join(table)[:200]}"
        )
    if not all(is_number(key) for key in names) or set(map(int, names)) != set(range(len(names))):
        raise ValueError(f"{path}: expected channels 0, 1, ..., got {str(list(names))[:200]}")
    channels = tuple(str(names[key]) for key in sorted(names, key=int))
    labels = read_label_table(table["labels"], path)
    ending = _ending(table, path)
    files = list_cases(folder, table, len(channels), ending)
    doubts = doubts_of(folder, table, files, ending)
    return Layout(table, channels, *labels, files, doubts)


def _table(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a JSON object, got the error: {error}") from None
    if not isinstance(table, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(table).__name__}")
    return table


def _ending(table: dict[str, Any], path: Path) -> str:
    """How the names of image and label files end, in lower case."""
    ending = table.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or ending.lower() not in FORMATS:
        raise ValueError(f"{path}: expected a file_ending of {', '.join(FORMATS)}, got {repr(ending)[:200]}")
    return ending.lower()
