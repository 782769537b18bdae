"""Why two methods cannot be compared, in words."""

from collections.abc import Hashable, Sequence
from itertools import product
from typing import Any

from medseg_lab.evaluation.ledgers import Ledger
from medseg_lab.evaluation.standings import TERMS

DIGITS = 8
"""So many digits of a fingerprint tell two apart."""


def difference(ledger: Ledger, first: str, second: str, part: str | None) -> str:
    """In what the runs of two methods differ, where they differ least."""
    closest = min(product(_offers(ledger, first, part), _offers(ledger, second, part)), key=_distance)
    one, two = closest
    said = [
        *_data(first, one, second, two),
        *_budgets(first, one, second, two),
        *_other("was scored by", "judge", first, one, second, two),
        *_other("was scored on", "part", first, one, second, two),
    ]
    if said:
        return "; ".join(said)
    seeds = [_seeds(ledger, name, offer) for name, offer in ((first, one), (second, two))]
    if not set(seeds[0]) & set(seeds[1]):
        has = [f"{name} has {listed(its)}" for name, its in zip((first, second), seeds, strict=True)]
        return f"they share no seed: {', '.join(has)}"
    return "one has results for more cases or classes than the other"


def _offers(ledger: Ledger, name: str, part: str | None) -> list[dict[str, Any]]:
    """The terms on which there are runs of a method: a ledger's row and a part, each once."""
    found: dict[Hashable, dict[str, Any]] = {}
    for row in ledger.runs[ledger.runs["method"] == name].to_dict("records"):
        for its in row["parts"] if part is None else set(row["parts"]) & {part}:
            terms = (*(row[term] for term in TERMS), its)
            found.setdefault(terms, {str(k): v for k, v in row.items()} | {"part": its})
    return list(found.values())


def _distance(pair: tuple[dict[str, Any], dict[str, Any]]) -> int:
    """In how many terms two offers differ; another data set counts for more than all else."""
    one, two = pair
    names = ("held_out", "labelled", "steps", "judge", "part", *TERMS)
    return sum(one[name] != two[name] for name in names) + 10 * (one["dataset"] != two["dataset"])


def _data(first: str, one: dict[str, Any], second: str, two: dict[str, Any]) -> list[str]:
    if one["cohort"] == two["cohort"]:
        return []
    if one["dataset"] != two["dataset"]:
        return _other("has runs on", "dataset", first, one, second, two)
    said = []
    if one["labelled"] != two["labelled"]:
        said.append(
            f"{first} was trained with {one['labelled']} labelled patients of {one['dataset']}, "
            f"{second} with {two['labelled']}"
        )
    if one["held_out"] != two["held_out"]:
        said.append(f"another split or preprocessing of {one['dataset']} ({_prints('held_out', one, two)})")
    return said or [f"other training cases of {one['dataset']} ({_prints('cohort', one, two)})"]


def _budgets(first: str, one: dict[str, Any], second: str, two: dict[str, Any]) -> list[str]:
    if all(one[name] == two[name] for name in ("steps", "voxels", "patch")):
        return []
    return [f"{first} had the budget {_budget(one)}, {second} had {_budget(two)}"]


def _budget(row: dict[str, Any]) -> str:
    return f"{row['budget']} ({row['steps']:,} steps of {row['voxels']:,} voxels, patch {row['patch']})"


def _other(
    verb: str, name: str, first: str, one: dict[str, Any], second: str, two: dict[str, Any]
) -> list[str]:
    if one[name] == two[name]:
        return []
    return [f"{first} {verb} {one[name]}, {second} {verb.split()[-1]} {two[name]}"]


def _prints(name: str, one: dict[str, Any], two: dict[str, Any]) -> str:
    what = "held-out cases" if name == "held_out" else "cohorts"
    return f"{what} {one[name][:DIGITS]} and {two[name][:DIGITS]}"


def _seeds(ledger: Ledger, name: str, offer: dict[str, Any]) -> list[int]:
    """Those that a method has on an offer's terms."""
    same = ledger.where(method=name, **{term: offer[term] for term in TERMS}).runs
    return sorted({int(row["seed"]) for _, row in same.iterrows() if offer["part"] in row["parts"]})


def listed(names: Sequence[object]) -> str:
    """ "a, b and c"."""
    said = [str(name) for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
