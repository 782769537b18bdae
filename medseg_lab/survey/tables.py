"""Where the rows about methods are: in a table beside each method's module."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[1]
ROOMS = (
    "data",
    "networks",
    "losses",
    "training",
    "inference",
    "nested",
    "rounds",
    "semi",
    "uncertainty",
    "classical",
    "outlook",
)
"""The rooms whose modules may have a table beside them."""
Kind = Literal["method", "configuration", "claim"]


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        values: as it stands there.
        module: the dotted name of the module beside the table.
    """

    values: dict[str, Any]
    module: str


def read(name: str) -> dict[str, Any]:
    """A table of this folder."""
    return tomllib.loads((ROOT / "survey" / name).read_text(encoding="utf-8"))


@cache
def rows(kind: Kind) -> tuple[Row, ...]:
    """All rows of one kind, in no particular order.

    Raises:
        ValueError: for a table without a module, or with rows of another kind, naming the file.
    """
    found: list[Row] = []
    for path in sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if path.parent.name == "cards":
            continue
        if unknown := sorted(table.keys() - {"method", "configuration", "claim"}):
            raise ValueError(f"{path}: expected rows of method, configuration and claim, got {unknown[0]!r}")
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        if not path.with_suffix(".py").is_file():
            raise ValueError(f"{path}: expected the module {path.with_suffix('.py').name} beside it")
        found += [Row(values, module) for values in table.get(kind, [])]
    return tuple(found)


def in_order(rank: dict[str, int], name: str) -> int:
    """The place of a name; what has none comes last."""
    return rank.get(name, len(rank))
