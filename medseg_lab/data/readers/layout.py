"""The nnU-Net / MSD layout: `dataset.json`, `imagesTr`, `labelsTr`.

Two generations of `dataset.json` are met. The older (MSD, nnU-Net 1) maps value to name and lists its
pairs; the newer (nnU-Net 2) maps name to value and gives a `file_ending`. Images are `<case>.nii.gz`, with
channels as the fourth axis (MSD), or one file a channel, `<case>_0000.nii.gz` (nnU-Net).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDINGS = (".nii.gz", ".nii")

MAX_CLASSES = 255
"""Labels are kept as bytes, and 255 is kept for voxels that nobody annotated."""


@dataclass(frozen=True)
class Pair:
    """The files of one case: one image file, or one a channel, and the label."""

    images: tuple[Path, ...]
    label: Path


@dataclass(frozen=True)
class Layout:
    """What `dataset.json` says; `regions` are unions of classes, as nnU-Net 2 allows them.

    `unknown` is the value of voxels that nobody annotated, which nnU-Net 2 calls `ignore`.
    """

    said: dict[str, Any]
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
        raise ValueError(f"{folder}: got no dataset.json, wanted one beside imagesTr and labelsTr")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: got no JSON ({error}), wanted one object") from None
    names = said.get("channel_names", said.get("modality")) if isinstance(said, dict) else None
    if not isinstance(names, dict) or not names or not isinstance(said.get("labels"), dict):
        seen = f"the keys {', '.join(said)[:200]}" if isinstance(said, dict) else "no object"
        raise ValueError(
            f"{path}: got {seen}, wanted the tables 'labels' and 'channel_names' (or 'modality')"
        )
    if not all(_is_number(key) for key in names):
        raise ValueError(f"{path}: got the channels {list(names)}, wanted the numbers 0, 1, ...")
    if not isinstance(said.get("training", []), list):
        raise ValueError(f"{path}: got a 'training' that is no list, wanted one entry a case")
    classes, regions, unknown = _classes(said["labels"], path)
    ending = said.get("file_ending", ENDINGS[0])
    if ending not in ENDINGS:
        raise ValueError(f"{path}: got file_ending {ending!r}, wanted one of {', '.join(ENDINGS)}")
    channels = tuple(str(names[k]) for k in sorted(names, key=int))
    return Layout(said, channels, classes, regions, ending, unknown)


def pairs(folder: Path, layout: Layout) -> dict[str, Pair]:
    """The training pairs by case id, sorted.

    Raises:
        ValueError: naming the first file that is missing: an image or label without its other half, or a case
            that `dataset.json` lists.
    """
    labels = _files(folder / "labelsTr", layout.ending)
    images = _files(folder / "imagesTr", layout.ending)
    listed = {_stem(_path(entry, "label"), layout.ending) for entry in layout.said.get("training", [])}
    owned = {_owner(stem, labels) for stem in images}
    # Where no image is named after a channel, a missing one was to be named after its case.
    whole = bool(images) and all(_owner(stem, labels) == stem for stem in images)
    found: dict[str, Pair] = {}
    for case in sorted(set(labels) | owned | listed):
        if case not in labels:
            raise ValueError(
                f"{folder / 'labelsTr' / (case + layout.ending)}: got no such file, wanted a label"
            )
        split = [f"{case}_{channel:04d}" for channel in range(len(layout.channels))]
        stems = [case] if case in images or whole else split
        for stem in stems:
            if stem not in images:
                raise ValueError(
                    f"{folder / 'imagesTr' / (stem + layout.ending)}: got no such file, wanted an image"
                )
        found[case] = Pair(tuple(images[stem] for stem in stems), labels[case])
    if not found:
        raise ValueError(f"{folder}: got no training pair, wanted *{layout.ending} in imagesTr and labelsTr")
    return found


def _classes(
    labels: dict[str, Any], path: Path
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]], int | None]:
    """Class names by value, regions and the value for 'unknown', from either generation's table."""
    old = all(_is_number(key) for key in labels)
    values = {str(name): key for key, name in labels.items()} if old else dict(labels)
    if not all(_is_number(v) for given in values.values() for v in _listed(given)):
        raise ValueError(f"{path}: got labels {values}, wanted whole numbers, or lists of them")
    unknown = None if old or isinstance(values.get("ignore"), list) else values.pop("ignore", None)
    merged = {n: tuple(map(int, v)) for n, v in values.items() if isinstance(v, list)}
    named = {int(v): n for n, v in values.items() if not isinstance(v, list)}
    every = set(named) | {v for members in merged.values() for v in members}
    if every != set(range(len(every))) or not 2 <= len(every) <= MAX_CLASSES:
        raise ValueError(
            f"{path}: got label values {sorted(every)[:10]}, "
            f"wanted 0, 1, ... without a gap, 2 to {MAX_CLASSES} of them"
        )
    if unknown is not None and int(unknown) != len(every):
        raise ValueError(f"{path}: got {unknown} for 'ignore', wanted the highest value, {len(every)}")
    classes = tuple(named.get(value, f"label {value}") for value in range(len(every)))
    regions = {name: tuple(classes[v] for v in members) for name, members in merged.items()}
    return classes, regions, None if unknown is None else int(unknown)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    """Whether this is a whole number from 0 on, or the text of a short one."""
    short = isinstance(value, str) and value.isdecimal() and len(value) < 10
    return short or (isinstance(value, int) and value >= 0)


def _files(folder: Path, ending: str) -> dict[str, Path]:
    """Files by stem, without the `._` twins that macOS leaves in archives."""
    paths = sorted(folder.glob(f"*{ending}")) if folder.is_dir() else []
    return {_stem(p.name, ending): p for p in paths if not p.name.startswith(".")}


def _owner(stem: str, labels: dict[str, Path]) -> str:
    """The case an image file belongs to: its own name where a label has it, else the name before `_0000`."""
    return stem if stem in labels else re.sub(r"_\d{4}$", "", stem)


def _stem(name: str, ending: str) -> str:
    return Path(name).name.removesuffix(ending)


def _path(entry: Any, key: str) -> str:
    """The label's path in an entry of `training`, which some publishers write as the image's path alone."""
    return str(entry.get(key, entry.get("image")) if isinstance(entry, dict) else entry)
