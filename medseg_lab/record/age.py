"""Whether the code of a run on record is that of this library, and which files have changed."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from medseg_lab.training.key import LOOP
from medseg_lab.training.notation import parse
from medseg_lab.training.provenance import PACKAGE, sources
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.record import RunRecord

NAMED = 2
"""So many files that changed are named; the rest are counted."""


@dataclass(frozen=True)
class Age:
    """What has become of a run's code.

    Args:
        training: files that training depends on and that differ here, without the package's name.
        scoring: the same of the judge alone.
        gone: whether its method can no longer be read.
    """

    training: tuple[str, ...] = ()
    scoring: tuple[str, ...] = ()
    gone: bool = False

    @property
    def current(self) -> bool:
        """Whether this library would train and judge it with the same code."""
        return not (self.training or self.scoring or self.gone)

    def __str__(self) -> str:
        if self.gone:
            return "recorded with a method that is no longer here"
        files = (*self.training, *self.scoring)
        if not files:
            return ""
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        return f"recorded with earlier code: {', '.join(files[:NAMED])}{more}"


def age(record: RunRecord) -> Age:
    """How the code of a run differs from that of this library."""
    found = _code(record.method, _modules(record.judge))
    if found is None:
        return Age(gone=True)
    training, scoring = found
    was, judged = record.parts.get("sources", {}), record.parts.get("judge_sources", {})
    first = _differing(was, training)
    second = tuple(name for name in _differing(was | judged, training | scoring) if name not in first)
    return Age(first, second)


def _differing(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The files that are not the same in both; those of methods before those of the rooms they stand on."""
    found = [name for name in was.keys() | now.keys() if was.get(name) != now.get(name)]
    rank = {"nested": 0, "rounds": 0, "semi": 0, "uncertainty": 0, "networks": 1, "losses": 1}
    names = [name.removeprefix(f"{PACKAGE}/") for name in found]
    return tuple(sorted(names, key=lambda name: (rank.get(name.partition("/")[0], 2), name)))


def _modules(judge: Mapping | None) -> tuple[str, ...]:
    return Recipe.from_dict(dict(judge)).modules if judge else ()


@cache
def _code(method: str, judge: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]] | None:
    """The files, with hashes, that training and judging would use here; None where the method is not here."""
    try:
        calls = [ast.unparse(one.func) for one in ast.walk(ast.parse(method)) if isinstance(one, ast.Call)]
        if any("." in name and not name.startswith(f"{PACKAGE}.") for name in calls):
            return None  # of another package: a record must not import at will
        found = _sources((*LOOP, *parse(method).modules)), _sources(judge)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return found


@cache
def _sources(modules: tuple[str, ...]) -> dict[str, str]:
    return sources(modules)
