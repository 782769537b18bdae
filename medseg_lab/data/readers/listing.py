"""Which files of a folder in the nnU-Net / MSD layout are cases: those that `dataset.json` lists, else all.

A list is kept to: what it names has to be there, and what it does not name is left out (`leftovers`).
"""

import os
import re
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from medseg_lab.data.readers.checks import by_name, visible
from medseg_lab.data.readers.decode.volume import ending_of
from medseg_lab.data.readers.reader import Files

CHANNEL = re.compile(r"_(\d{4})$")
"""How nnU-Net ends the name of a file that has one channel."""


class Entry(NamedTuple):
    """One case of a list: its id, its images (or what their names have in common), and its label."""

    case: str
    images: tuple[Path, ...]
    label: Path


def list_cases(folder: Path, table: dict[str, Any], channels: int, ending: str) -> dict[str, Files]:
    """The training cases by id, sorted.

    Args:
        table: of `dataset.json`.
        channels: how many.
        ending: of the files' names, in lower case.

    Raises:
        ValueError: naming the first file that is missing: an image or label without its counterpart, or a
            case that `dataset.json` lists; or an entry that is listed twice.
    """
    entries = _entries(folder, table, ending)
    files = _listed(entries, channels, folder) if entries else _found(folder, channels, ending)
    if not files:
        raise ValueError(
            f"{folder}: expected *{ending} in imagesTr and labelsTr, got no training pair{_others(folder)}"
        )
    return files


def _entries(folder: Path, table: dict[str, Any], ending: str) -> list[Entry]:
    """What `dataset` (nnU-Net 2) or `training` lists; nothing where there is no list."""
    path = folder / "dataset.json"
    if newer := table.get("dataset"):
        if not isinstance(newer, dict):
            raise ValueError(f"{path}: expected a table of one entry a case in 'dataset', got no table")
        return [_entry(folder, case, entry, "images", ending) for case, entry in newer.items()]
    older = table.get("training") or []
    if not isinstance(older, list):
        raise ValueError(f"{path}: expected a list of one entry a case in 'training', got no list")
    return [_entry(folder, None, entry, "image", ending) for entry in older]


def _entry(folder: Path, case: str | None, entry: Any, key: str, ending: str) -> Entry:
    """One entry; some publishers write the image's path alone, its label then has the same name."""
    given = entry if isinstance(entry, dict) else {key: entry}
    images = given.get(key, given.get("image"))
    images = images if isinstance(images, list) else [images]
    label = given.get("label", f"labelsTr/{_name(str(images[0]))}" if images else None)
    texts = [text for text in (*images, label) if isinstance(text, str) and text]
    if not images or len(texts) <= len(images):
        raise ValueError(
            f"{folder / 'dataset.json'}: expected the paths of an image and its label in each entry, "
            f"got {str(entry)[:200]}"
        )
    *found, place = (_place(folder, text) for text in texts)
    return Entry(stem_of(place.name, ending) if case is None else case, tuple(found), place)


def _place(folder: Path, text: str) -> Path:
    r"""The file that a path means: `./a/b`, `a\b`, or an absolute one, of this machine or of another."""
    plain = text.replace("\\", "/")
    if is_absolute(plain):
        return Path(plain) if is_there(plain) else folder.joinpath(*plain.split("/")[-2:])
    return folder / plain


def is_there(path: Path | str) -> bool:
    """Whether this exists; a name that no system allows does not."""
    return os.path.exists(path)  # noqa: PTH110  (`Path.exists` raises for it)


def is_absolute(text: str) -> bool:
    """Whether a path with slashes begins at the root, or at a drive of Windows."""
    return text.startswith("/") or bool(PureWindowsPath(text).drive)


def _listed(entries: list[Entry], channels: int, folder: Path) -> dict[str, Files]:
    """The files of the cases of a list."""
    path = folder / "dataset.json"
    files: dict[str, Files] = {}
    used: set[Path] = set()
    for entry in entries:
        images = _images(entry, channels)
        for file, what in (*((image, "an image") for image in images), (entry.label, "a label")):
            if not is_there(file):
                raise ValueError(f"{file}: no such file; {what} is missing, which {path.name} lists")
            if file in used:
                raise ValueError(f"{path}: expected each file once in the list of cases, got {file} again")
            used.add(file)
        if entry.case in files:
            raise ValueError(f"{path}: expected each case once in the list, got {entry.case!r} again")
        files[entry.case] = Files(images, (entry.label,))
    return dict(sorted(files.items()))


def _images(entry: Entry, channels: int) -> tuple[Path, ...]:
    """The image files of an entry: as listed, or one a channel where the list leaves out their numbers."""
    image = entry.images[0]
    ending = image.name[len(stem_of(image.name)) :]
    stem = stem_of(image.name)
    split = [image.with_name(f"{stem}_{channel:04d}{ending}") for channel in range(channels)]
    if len(entry.images) > 1:
        return entry.images
    if stem.endswith("_0000") and stem != stem_of(entry.label.name):
        return tuple(image.with_name(f"{stem[:-5]}_{channel:04d}{ending}") for channel in range(channels))
    return tuple(split) if not is_there(image) and any(map(is_there, split)) else (image,)


def _found(folder: Path, channels: int, ending: str) -> dict[str, Files]:
    """All pairs of `imagesTr` and `labelsTr`."""
    labels, images = (by_stem(folder / part, ending) for part in ("labelsTr", "imagesTr"))
    owned = {_owner(stem, labels) for stem in images}
    # Where no image is named after a channel, a missing one would be named after its case.
    whole = bool(images) and owned == set(images)
    found: dict[str, Files] = {}
    for case in sorted(set(labels) | owned):
        split = [f"{case}_{channel:04d}" for channel in range(channels)]
        stems = [case] if whole or (case in images and split[0] not in images) else split
        for part, present, needed in (("labelsTr", labels, [case]), ("imagesTr", images, stems)):
            for stem in needed:
                if stem not in present:
                    kind = "a label" if part == "labelsTr" else "an image"
                    raise ValueError(f"{folder / part / (stem + ending)}: no such file; {kind} is missing")
        found[case] = Files(tuple(images[stem] for stem in stems), (labels[case],))
    return found


def _others(folder: Path) -> str:
    """Which files of other known endings there are."""
    parts = [folder / part for part in ("imagesTr", "labelsTr")]
    endings = {ending_of(path.name) for part in parts for path in visible(part, "*")} - {None}
    return (
        f"; there are files in {', '.join(sorted(filter(None, endings)))}: is file_ending right?"
        if endings
        else ""
    )


def by_stem(folder: Path, ending: str) -> dict[str, Path]:
    """The files of this ending, in any case of letters, by the name before it."""
    found = (path for path in visible(folder, "*") if path.name.lower().endswith(ending))
    return by_name((path.name[: -len(ending)], path) for path in found)


def _owner(stem: str, labels: dict[str, Path]) -> str:
    """The case an image file belongs to: its own name where a label has it, else the name before `_0000`."""
    return stem if stem in labels else CHANNEL.sub("", stem)


def stem_of(name: str, ending: str | None = None) -> str:
    """A file's name without the ending."""
    known = ending if ending and name.lower().endswith(ending) else ending_of(name)
    return name[: -len(known)] if known else name


def _name(text: str) -> str:
    return text.replace("\\", "/").rpartition("/")[2]
