"""The one standing that holds some methods; where there is none, or several, the reason."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from medseg_lab.evaluation.ledgers import Ledger
from medseg_lab.evaluation.refusals import DIGITS, difference, listed
from medseg_lab.evaluation.standings import TERMS, Standing, standings

FILTERS = ("dataset", "labelled", "budget", "part")
"""What a user tells standings apart by."""


def shared_standing(ledger: Ledger, methods: Sequence[str], part: str | None, **filters: Any) -> Standing:
    """The one standing of these methods.

    Args:
        ledger: holds runs of each.
        methods: names, as the runs have them.
        part: which cases; None where it is to be found out.
        filters: as of `Ledger.where`.

    Raises:
        ValueError: if they share no terms or several.
    """
    if not methods:
        raise ValueError("methods: got none, wanted one or more")
    chosen = ledger.where(**filters)
    for name in methods:
        if name not in set(chosen.runs["method"]):
            wanted = ", ".join(f"{key} {value}" for key, value in filters.items() if value is not None)
            raise ValueError(f"{name}: got no runs with {wanted}, wanted {_there_is(ledger, name)}")
        _scored(chosen, name, part)
    ledger = chosen
    found = holding(ledger, methods, part)
    if len(found) > 1:
        raise ValueError(f"{listed(methods)}: got {len(found)} comparisons, wanted one: {apart(found)}")
    if not found:
        raise ValueError(f"{listed(methods)} cannot be compared: {_why(ledger, methods, part)}")
    return found[0]


def apart(found: Sequence[Standing]) -> str:
    """What tells standings apart, and what chooses one of them."""
    rows = [_named(one) for one in found]
    names = [name for name in FILTERS if len({row[name] for row in rows}) > 1]
    if len({tuple(row[name] for name in names) for row in rows}) < len(rows):
        names += [name for name in TERMS if len({row[name] for row in rows}) > 1]
    said = [", ".join(f"{name} {row[name]}" for name in names) for row in rows]
    return f"{'; or '.join(said)}. Choose by {listed(names)}"


def holding(ledger: Ledger, methods: Sequence[str], part: str | None) -> list[Standing]:
    """The standings with all of these methods, with the seeds that all of them have."""
    found = standings(ledger.where(method=list(methods)), all_methods=True)
    return [one for one in found if set(methods) <= set(one.methods) and part in (None, one.part)]


def _scored(ledger: Ledger, name: str, part: str | None) -> None:
    scored = {one for parts in ledger.runs["parts"][ledger.runs["method"] == name] for one in parts}
    if not scored:
        raise ValueError(f"{name}: got runs without a judge, wanted some that were scored")
    if part is not None and part not in scored:
        raise ValueError(f"part: got {part!r}, but {name} was scored on {listed(sorted(scored))}")


def _why(ledger: Ledger, methods: Sequence[str], part: str | None) -> str:
    """Why there is no standing that holds all methods: the first pair that has none, and what differs."""
    for first, second in combinations(methods, 2):
        if not holding(ledger, (first, second), part):
            return difference(ledger, first, second, part)
    pairs = [(pair, holding(ledger, pair, part)[0]) for pair in combinations(methods, 2)]
    said = [f"{listed(pair)} on {', '.join(str(_named(one)[n]) for n in FILTERS)}" for pair, one in pairs]
    return f"they share their terms two by two only: {'; '.join(said)}"


def _named(one: Standing) -> dict[str, Any]:
    first = one.ledger.runs.iloc[0]
    return {
        **{name: first[name] for name in ("dataset", "labelled", "budget", *TERMS)},
        "cohort": first["cohort"][:DIGITS],
        "part": one.part,
    }


def _there_is(ledger: Ledger, method: str) -> str:
    """The filters that would find runs of a method."""
    runs = ledger.runs[ledger.runs["method"] == method]
    rows = zip(runs["dataset"], runs["budget"], runs["labelled"], strict=True)
    found = dict.fromkeys(f"dataset {data}, budget {budget}, labelled {n}" for data, budget, n in rows)
    return "; or ".join(found)
