"""The cards that come with the library, and their variants.

`virtual-brain+lesion+raters` is the card `virtual-brain` with the changes that its table `variants` lists
under `lesion`, then those under `raters`.
"""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from medseg_lab.data.card import Card


def known_cards() -> tuple[str, ...]:
    """The ids of the cards that come with the library, sorted, without variants."""
    return tuple(
        sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))
    )


def is_known(dataset: str) -> bool:
    """Whether this is a card's id, with or without variants."""
    return dataset.partition("+")[0] in known_cards()


def load_card(dataset: str) -> Card:
    """The card of the data set with this id, which may name variants: `<id>+<variant>+...`.

    The id of the result lists variants in the order of the file, so that each combination has one name. It
    has no `measured`: that is counted on the card without variants.

    Raises:
        ValueError: naming the known ids, or the card's variants.
    """
    base, *wanted = dataset.split("+")
    if base not in known_cards():
        raise ValueError(f"data set: expected one of {', '.join(known_cards())}, got {dataset!r}")
    table = tomllib.loads((_folder() / f"{base}.toml").read_text(encoding="utf-8"))
    variants = table.get("variants", {})
    if unknown := [name for name in wanted if name not in variants]:
        some = f"some of {', '.join(variants)}" if variants else "no variant"
        raise ValueError(f"data set {base}: expected {some}, got the variant {unknown[0]!r}")
    chosen = [name for name in variants if name in wanted]
    for name in chosen:
        table = merged(table, variants[name])
    if chosen:
        table.pop("measured", None)
    return Card.model_validate({**table, "id": "+".join([base, *chosen])})


def merged(table: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`table` with the values of `change`; tables inside tables are merged in turn, all else is replaced."""
    both = {
        k: merged(table[k], v) if isinstance(v, dict) and isinstance(table.get(k), dict) else v
        for k, v in change.items()
    }
    return {**table, **both}


def _folder() -> Traversable:
    return resources.files("medseg_lab.data") / "cards"
