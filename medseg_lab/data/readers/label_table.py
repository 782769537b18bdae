"""The table `labels` of `dataset.json`: classes, regions, and the value of voxels that nobody annotated."""

from pathlib import Path
from typing import Any, NamedTuple

MAX_CLASSES = 255
"""Labels are bytes, and 255 is for voxels that nobody annotated."""

IGNORE_NAME = "ignore"
"""What nnU-Net 2 calls the voxels that nobody annotated."""

BACKGROUND = "background"

EXAMPLE = '{"background": 0, "organ": 1, "ignore": 2}'


class LabelTable(NamedTuple):
    """Names by value, regions as unions of classes, and the value of `ignore` if there is one.

    Where the table has a union, each of its entries but the background is a region, as nnU-Net scores them.
    """

    classes: tuple[str, ...]
    regions: dict[str, tuple[str, ...]]
    unknown: int | None


def read_label_table(labels: dict[str, Any], path: Path) -> LabelTable:
    """The meaning of the table, of either generation: `{"0": "background"}` or `{"background": 0}`.

    Raises:
        ValueError: naming the file `path`: values with gaps, an `ignore` that is no last value, a
            background that is not 0.
    """
    values = _by_name(labels, path)
    if not all(is_number(v) for given in values.values() for v in _listed(given)):
        raise ValueError(
            f"{path}: expected labels that are whole numbers, or lists of them, got {str(values)[:200]}"
        )
    unknown = values.pop(IGNORE_NAME, None)
    if isinstance(unknown, list):
        raise ValueError(f"{path}: expected one value for 'ignore', got {unknown}")
    merged = {name: tuple(map(int, v)) for name, v in values.items() if isinstance(v, list)}
    single = [(int(v), name) for name, v in values.items() if not isinstance(v, list)]
    named = dict(single)
    if len(named) < len(single):
        twice = [name for value, name in single if [v for v, _ in single].count(value) > 1]
        raise ValueError(f"{path}: expected a value of its own for each label, got one for {twice[:5]}")
    every = set(named) | {v for members in merged.values() for v in members}
    highest = max(every, default=0)
    if unknown is not None and int(unknown) <= highest:
        raise ValueError(
            f"{path}: expected a value above {highest}, that of the last label, for 'ignore', got {unknown}: "
            f"write it as in {EXAMPLE}, and change the label files accordingly"
        )
    if every != set(range(len(every))) or not 2 <= len(every) <= MAX_CLASSES:
        raise ValueError(
            f"{path}: expected label values 0, 1, ... without a gap, 2 to {MAX_CLASSES} of them, "
            f"got {sorted(every)[:10]}: if masks store others, write them into card.toml, as `values`"
        )
    classes = tuple(named.get(value, f"label {value}") for value in range(len(every)))
    _require_clear(values, classes, merged, path)
    members = {name: tuple(classes[int(v)] for v in _listed(given)) for name, given in values.items()}
    regions = {name: of for name, of in members.items() if merged and of != classes[:1]}
    return LabelTable(classes, regions, None if unknown is None else int(unknown))


def _require_clear(
    values: dict[str, Any], classes: tuple[str, ...], merged: dict[str, tuple[int, ...]], path: Path
) -> None:
    """Check that the background is 0 and in no region, and that each class has a name of its own."""
    for name, value in values.items():
        if name.lower() == BACKGROUND and value not in (0, "0", [0], ["0"]):
            raise ValueError(f"{path}: expected 0 as the value of {name!r}, got {value}")
    if mixed := [name for name, of in merged.items() if 0 in of and of != (0,)]:
        raise ValueError(f"{path}: expected regions without the background, 0, got {mixed[0]!r} with it")
    if twice := [name for name in classes if classes.count(name) > 1]:
        raise ValueError(
            f"{path}: expected names that are unlike {twice[0]!r}, which a value without a name is called"
        )


def is_number(value: Any) -> bool:
    """Whether this is a whole number from 0 on, or the text of a short one."""
    short = isinstance(value, str) and value.isdecimal() and len(value) < 10
    return short or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _by_name(labels: dict[str, Any], path: Path) -> dict[str, Any]:
    """Values by name, each entry being either `"1": "organ"` or `"organ": 1`; `ignore` only the newer way."""
    older = all(is_number(key) for key in labels)
    found: dict[str, Any] = {}
    for key, value in labels.items():
        turned = older or (is_number(key) and isinstance(value, str) and not is_number(value))
        name, number = (str(value), key) if turned else (key, value)
        if name in found:
            raise ValueError(f"{path}: expected a name of its own for each label, got {name!r} twice")
        if name.lower() == IGNORE_NAME and (turned or name != IGNORE_NAME):
            raise ValueError(
                f"{path}: expected names of structures as labels, got {name!r} for {number}: for voxels that "
                f"nobody annotated, write the table as {EXAMPLE}; else give the structure another name"
            )
        found[name] = number
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
