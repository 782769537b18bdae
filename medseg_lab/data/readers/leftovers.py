"""What a folder in the nnU-Net / MSD layout holds and `dataset.json` does not say, or the other way round."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medseg_lab.data.readers.file_names import (
    CHANNEL,
    by_stem,
    is_absolute,
    is_file,
    stem_of,
    with_slashes,
)
from medseg_lab.data.readers.reader import Files
from medseg_lab.data.wording import counted, some

Doubt = tuple[str, str]
"""What a person should look at: where, and what."""

WHERE = "dataset.json"


def doubts_of(
    folder: Path, table: dict[str, Any], files: Mapping[str, Files], ending: str
) -> tuple[Doubt, ...]:
    """What a person should look at before the cases of a folder are used; arguments as in `list_cases`."""
    found = (
        *_wrong_number(table, files),
        *_unused(folder, files, ending),
        *_other_label_folders(folder, files),
        *_moved(table),
    )
    return tuple((WHERE, what) for what in found)


def _wrong_number(table: dict[str, Any], files: Mapping[str, Files]) -> Iterator[str]:
    said = table.get("numTraining", len(files))
    if str(said) != str(len(files)):
        yield f"numTraining is {said}, but {counted(len(files), 'case')} can be used"


def _unused(folder: Path, files: Mapping[str, Files], ending: str) -> Iterator[str]:
    """Files of channels that have no name, and of cases that are not listed."""
    used = {path for case in files.values() for path in (*case.image, *case.labels)}
    bases = {base for case in files.values() for base in _bases(case)}
    is_split = any(
        path.with_name(stem_of(path.name)) not in bases for case in files.values() for path in case.image
    )
    places = {path.parent for path in used} | {folder / "imagesTr"}
    spare = [path for place in places for path in by_stem(place, ending).values() if path not in used]
    further, cases = set(), set()
    for path in spare:
        whole = path.with_name(stem_of(path.name))
        base = whole.with_name(CHANNEL.sub("", whole.name))
        if base != whole and base in bases:
            further.add(path.name)
        else:
            cases.add(base.name if is_split else whole.name)
    if further:
        yield f"does not name all channels; files of others are left out: {some(sorted(further))}"
    if cases:
        yield f"leaves out {counted(len(cases), 'case')} with files here: {some(sorted(cases))}"


def _bases(case: Files) -> Iterator[Path]:
    """What the names of a case's images have in common: the label's name before `_0000`, or a whole name."""
    label = stem_of(case.labels[0].name)
    for path in case.image:
        stem = stem_of(path.name)
        yield path.with_name(label if CHANNEL.sub("", stem) == label else stem)


def _other_label_folders(folder: Path, files: Mapping[str, Files]) -> Iterator[str]:
    places = {case.labels[0].parent for case in files.values()}
    if folder / "labelsTr" not in places and (folder / "labelsTr").is_dir():
        yield f"lists labels in {some(sorted(p.name for p in places))}: those in labelsTr are not read"


def _moved(table: dict[str, Any]) -> Iterator[str]:
    moved = sum(is_absolute(text) and not is_file(text) for text in _texts(table))
    if moved:
        yield f"has {moved} paths of another machine: files of the same names in this folder are read"


def _texts(table: dict[str, Any]) -> Iterator[str]:
    """Every path that a list states, with slashes."""
    lists = table.get("dataset") or table.get("training") or []
    for entry in lists.values() if isinstance(lists, dict) else lists:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    yield with_slashes(text)
