"""Which files of a folder in the nnU-Net / MSD layout are cases: those that `dataset.json` lists, else all.

A list is kept to: what it names has to be there, and what it does not name is left out (`leftovers`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from medseg_lab.data.readers.checks import visible
from medseg_lab.data.readers.decode.volume import FORMATS, NIFTI, ending_of
from medseg_lab.data.readers.file_names import (
    ANNOTATION,
    CHANNEL,
    by_stem,
    is_absolute,
    is_file,
    stem_of,
    with_slashes,
)
from medseg_lab.data.readers.reader import Files


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
    _require_every_channel(files)
    return files


def _require_every_channel(files: dict[str, Files]) -> None:
    """Check that no picture is alone where others are one of several: it would be taken for all channels."""
    firsts = [case.image[0] for case in files.values() if len(case.image) == 1]
    lone = next((path for path in firsts if stem_of(path.name).endswith("_0000")), None)
    if lone and any(len(case.image) > 1 for case in files.values()):
        raise ValueError(
            f"{lone}: expected a file for each channel, as other cases have, got this one alone: no _0001"
        )


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
    label = given.get(
        "label", f"labelsTr/{with_slashes(str(images[0])).rpartition('/')[2]}" if images else None
    )
    texts = [text for text in (*images, label) if isinstance(text, str) and text]
    if not images or len(texts) <= len(images):
        raise ValueError(
            f"{folder / 'dataset.json'}: expected the paths of an image and its label in each entry, "
            f"got {str(entry)[:200]}"
        )
    if other := next((text for text in texts if ending_of(with_slashes(text)) is None), None):
        raise ValueError(
            f"{folder / 'dataset.json'}: expected files ending in {', '.join(FORMATS)}, got {other[:200]!r}"
        )
    *found, place = (_place(folder, text) for text in texts)
    return Entry(stem_of(place.name, ending) if case is None else case, tuple(found), place)


def _place(folder: Path, text: str) -> Path:
    r"""The file that a path means: `./a/b`, `a\b`, or an absolute one, of this machine or of another."""
    plain = with_slashes(text)
    if is_absolute(plain):
        return Path(plain) if is_file(plain) else folder.joinpath(*plain.split("/")[-2:])
    return folder / plain


def _listed(entries: list[Entry], channels: int, folder: Path) -> dict[str, Files]:
    """The files of the cases of a list."""
    path = folder / "dataset.json"
    files: dict[str, Files] = {}
    used: set[Path] = set()
    for entry in entries:
        images = _images(entry, channels)
        for file, what in (*((image, "an image") for image in images), (entry.label, "a label")):
            if not is_file(file):
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
    if len(entry.images) > 1:
        return entry.images
    image = entry.images[0]
    stem = stem_of(image.name)
    ending = image.name[len(stem) :]
    if is_first := stem == f"{stem_of(entry.label.name)}_0000":
        stem = CHANNEL.sub("", stem)
    names = _numbered(stem, channels, ending, lambda name: is_file(image.with_name(name + ending)))
    split = tuple(image.with_name(name + ending) for name in names)
    return split if is_first or (not is_file(image) and any(map(is_file, split))) else (image,)


def _numbered(stem: str, channels: int, ending: str, is_here: Callable[[str], bool]) -> list[str]:
    """The names of one file a channel, without ending; a picture may have all its colours in the first."""
    names = [f"{stem}_{channel:04d}" for channel in range(channels)]
    in_one = ending.lower() not in NIFTI and not any(map(is_here, names[1:]))
    return names[:1] if in_one else names


def _found(folder: Path, channels: int, ending: str) -> dict[str, Files]:
    """All pairs of `imagesTr` and `labelsTr`."""
    labels, images = (by_stem(folder / part, ending) for part in ("labelsTr", "imagesTr"))
    images = {stem: path for stem, path in images.items() if not _annotates(stem, labels)}
    owned = {_owner(stem, labels) for stem in images}
    # Where no image is named after a channel, a missing one would be named after its case.
    whole = bool(images) and owned == set(images)
    found: dict[str, Files] = {}
    for case in sorted(set(labels) | owned):
        split = _numbered(case, channels, ending, images.__contains__)
        stems = [case] if whole or (case in images and split[0] not in images) else split
        for stem in [case] if case not in labels else [stem for stem in stems if stem not in images]:
            part, kind = ("imagesTr", "an image") if case in labels else ("labelsTr", "a label")
            hint = next(
                (f": is it {name}?" for name in labels if ANNOTATION.sub("", name) == case != name), ""
            )
            raise ValueError(f"{folder / part / (stem + ending)}: no such file; {kind} is missing{hint}")
        found[case] = Files(tuple(images[stem] for stem in stems), (labels[case],))
    return found


def _others(folder: Path) -> str:
    """Which files of other known endings there are."""
    found = (
        ending_of(path.name) for part in ("imagesTr", "labelsTr") for path in visible(folder / part, "*")
    )
    endings = sorted({ending for ending in found if ending})
    return f"; there are files in {', '.join(endings)}: is file_ending right?" if endings else ""


def _annotates(stem: str, labels: dict[str, Path]) -> bool:
    """Whether this file is beside the images, but named as an annotation of a labelled case."""
    return stem not in labels and ANNOTATION.sub("", stem) in labels


def _owner(stem: str, labels: dict[str, Path]) -> str:
    """The case an image file belongs to: its own name where a label has it, else the name before `_0000`."""
    return stem if stem in labels else CHANNEL.sub("", stem)
