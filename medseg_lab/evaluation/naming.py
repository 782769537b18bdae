"""What a recipe is called: by its configuration, by the user, else by its own text.

Two recipes never share a name, and a recipe has one name.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import pandas as pd

from medseg_lab.training import names as known_names
from medseg_lab.training.names import names
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import Recipe


def recipe_called(name: str) -> str:
    """The text of the recipe that a name stands for, or of a recipe given as text.

    Raises:
        ValueError: as `training.names.recipe_called`.
    """
    return next((text for text, called in names().items() if called == name), "") or written(
        known_names.recipe_called(name)
    )


def recipe_of(runs: pd.DataFrame, name: str) -> str:
    """As `recipe_called`; a recipe of someone else's library, which has no notation, is known by its runs."""
    return name if name in set(runs["recipe"]) else recipe_called(name)


def method_called(runs: pd.DataFrame, name: str) -> str:
    """The method as a ledger's runs have it, by its name or its recipe as text.

    Raises:
        ValueError: if there are no runs of it, naming the methods that have some.
    """
    methods = list(dict.fromkeys(runs["method"]))
    if name in methods:
        return name
    try:
        found = runs["method"][runs["recipe"] == recipe_of(runs, name)]
    except ValueError:
        if "(" in name:
            raise
        found = runs["method"].iloc[:0]
    if found.empty:
        near = get_close_matches(name, methods, n=3, cutoff=0.4) or methods[:8]
        said = f"there are runs of {', '.join(near)}" if methods else "there are no runs at all"
        raise ValueError(f"method: got {name!r}, which has no runs here; {said}")
    return str(found.iloc[0])


def renamed(runs: pd.DataFrame, wanted: Mapping[str, str | Recipe]) -> pd.DataFrame:
    """A ledger's runs with one's own names for some recipes; one without runs does no harm.

    Args:
        runs: of a ledger.
        wanted: a name to a recipe, or to its text.

    Raises:
        ValueError: where two recipes would share a name, or a recipe would have two.
    """
    called: dict[str, str] = {}
    for name, recipe in wanted.items():
        text = written(recipe) if isinstance(recipe, Recipe) else recipe_of(runs, recipe)
        if text in called:
            raise ValueError(f"name: expected one for {text}, got {called[text]!r} and {name!r}")
        called[text] = name
    taken = {name: text for text, name in names().items()}
    taken |= dict(zip(runs["method"], runs["recipe"], strict=True))
    for text, name in called.items():
        if taken.get(name, text) != text:
            raise ValueError(f"name: got {name!r} for {text}, but so is called {taken[name]}")
    method = [called.get(text, name) for text, name in zip(runs["recipe"], runs["method"], strict=True)]
    return runs.assign(method=method)
