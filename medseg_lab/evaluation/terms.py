"""Methods compared on the one set of terms that they share; where there is none, or several, the reason."""

from collections.abc import Hashable, Sequence
from itertools import combinations, product
from typing import Any

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.ledger import TERMS, Ledger
from medseg_lab.evaluation.naming import method_called
from medseg_lab.evaluation.standings import Standing, seeds_text, standings
from medseg_lab.evaluation.wording import joined

FILTERS = ("dataset", "labelled", "budget", "part")
"""What a user tells standings apart by."""
COMPARED = {
    "dataset": "data set",
    "labelled": "labelled patients",
    "held_out": "split or preprocessing",
    "cohort": "training cases",
    "steps": "steps",
    "voxels": "voxels a step",
    "patch": "patch",
    "judge": "judge",
    "part": "part",
}
"""What all runs of a standing have in common: a column of the ledger, or the part; and its name in words."""
DIGITS = 8
"""So many digits of a fingerprint tell two apart."""


def compare_methods(
    ledger: Ledger,
    methods: Sequence[str],
    metric: str = "dice",
    *,
    part: str | None = None,
    dataset: str | None = None,
    budget: str | None = None,
    labelled: int | None = None,
    baseline: str | None = None,
) -> Comparison:
    """Compare methods of a ledger on the only terms that they share.

    Args:
        ledger: holds runs of each.
        methods: by name or recipe; the comparison keeps their order.
        metric: a measure of cases (`medseg_lab.survey.measures`).
        part, dataset, budget, labelled: which runs; needed only where the methods share several terms.
        baseline: the method that the others are compared with; by default the first.

    Raises:
        ValueError: if they share no terms or several, with what differs.
    """
    names = tuple(dict.fromkeys(method_called(ledger.runs, name) for name in methods))
    held = None if baseline is None else method_called(ledger.runs, baseline)
    standing = shared_standing(ledger, names, part, dataset=dataset, budget=budget, labelled=labelled)
    return standing.comparison(metric, methods=names, baseline=held or names[0])


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
        raise ValueError("methods: expected at least one, got none")
    chosen = ledger.where(**filters)
    for name in methods:
        if name not in set(chosen.runs["method"]):
            wanted = ", ".join(f"{key} {value}" for key, value in filters.items() if value is not None)
            raise ValueError(f"{name}: no runs with {wanted}; there are runs with {_there_is(ledger, name)}")
        scored = {one for parts in chosen.runs["parts"][chosen.runs["method"] == name] for one in parts}
        if not scored:
            raise ValueError(f"{name}: its runs were trained without a judge, so they were not scored")
        if part is not None and part not in scored:
            raise ValueError(f"part: {name} was scored on {joined(sorted(scored))}, not on {part}")
    found = holding(chosen, methods, part)
    if len(found) > 1:
        raise ValueError(f"{joined(methods)}: expected one comparison, got {len(found)}: {apart(found)}")
    if not found:
        raise ValueError(f"{joined(methods)} cannot be compared: {_why(chosen, methods, part)}")
    return found[0]


def holding(ledger: Ledger, methods: Sequence[str], part: str | None) -> list[Standing]:
    """The standings with all of these methods, with the seeds that all of them have."""
    found = standings(ledger.where(method=list(methods)), all_methods=True)
    return [one for one in found if set(methods) <= set(one.methods) and part in (None, one.part)]


def apart(found: Sequence[Standing]) -> str:
    """What tells standings apart, and what chooses one of them."""
    rows = [_named(one) for one in found]
    names = [name for name in FILTERS if len({row[name] for row in rows}) > 1]
    if len({tuple(row[name] for name in names) for row in rows}) < len(rows):
        names += [name for name in TERMS if len({row[name] for row in rows}) > 1]
    said = [", ".join(f"{name} {row[name]}" for name in names) for row in rows]
    return f"{'; or '.join(said)}. Choose by {joined(names)}"


def _named(one: Standing) -> dict[str, Any]:
    found = {str(name): value for name, value in one.ledger.runs.iloc[0].items()}
    return {**found, "cohort": found["cohort"][:DIGITS], "part": one.part}


def _there_is(ledger: Ledger, method: str) -> str:
    """The filters that would find runs of a method."""
    runs = ledger.runs[ledger.runs["method"] == method]
    rows = zip(runs["dataset"], runs["budget"], runs["labelled"], strict=True)
    return "; or ".join(
        dict.fromkeys(f"dataset {data}, budget {spent}, labelled {n}" for data, spent, n in rows)
    )


def _why(ledger: Ledger, methods: Sequence[str], part: str | None) -> str:
    """Why there is no standing that holds all methods: the first pair that has none, and what differs."""
    said = []
    for pair in combinations(methods, 2):
        held = holding(ledger, pair, part)
        if not held:
            return _difference(ledger, *pair, part)
        said.append(f"{joined(pair)} on {', '.join(str(_named(held[0])[name]) for name in FILTERS)}")
    return f"each two of them share terms, but not all together: {'; '.join(said)}"


def _difference(ledger: Ledger, first: str, second: str, part: str | None) -> str:
    """In what the runs of two methods differ, where they differ least."""
    one, two = min(product(_offers(ledger, first, part), _offers(ledger, second, part)), key=_distance)
    differing = [name for name in COMPARED if one[name] != two[name]]
    if "dataset" in differing:
        implied = {"labelled", "held_out", "cohort"}
    else:
        implied = {"cohort"} if {"labelled", "held_out"} & set(differing) else set()
    differing = [name for name in differing if name not in implied]
    if differing:
        said = [f"{COMPARED[name]} ({_short(name, one)} and {_short(name, two)})" for name in differing]
        return f"they differ in {joined(said)}"
    seeds = [_seeds(ledger, name, offer) for name, offer in ((first, one), (second, two))]
    if not set(seeds[0]) & set(seeds[1]):
        return f"they share no seed: {first} has {seeds_text(seeds[0])}, {second} has {seeds_text(seeds[1])}"
    return "one has results for more cases or classes than the other"


def _short(name: str, offer: dict[str, Any]) -> str:
    value = offer[name]
    if isinstance(value, int):
        return f"{value:,}"
    return value[:DIGITS] if name in ("held_out", "cohort") else str(value)


def _offers(ledger: Ledger, name: str, part: str | None) -> list[dict[str, Any]]:
    """The terms on which there are runs of a method: a ledger's row and a part, each once."""
    found: dict[Hashable, dict[str, Any]] = {}
    for row in ledger.runs[ledger.runs["method"] == name].to_dict("records"):
        for scored in row["parts"] if part is None else set(row["parts"]) & {part}:
            terms = (*(row[term] for term in TERMS), scored)
            found.setdefault(terms, {str(k): v for k, v in row.items()} | {"part": scored})
    return list(found.values())


def _distance(pair: tuple[dict[str, Any], dict[str, Any]]) -> int:
    """In how many terms two offers differ; another data set counts for more than all else."""
    one, two = pair
    return sum(one[name] != two[name] for name in COMPARED) + 10 * (one["dataset"] != two["dataset"])


def _seeds(ledger: Ledger, name: str, offer: dict[str, Any]) -> list[int]:
    """Those that a method has on an offer's terms."""
    same = ledger.where(method=name, **{term: offer[term] for term in TERMS}).runs
    return sorted({int(row["seed"]) for _, row in same.iterrows() if offer["part"] in row["parts"]})
