"""What the names in a grid stand for; an unknown one is an error that names similar ones."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from medseg_lab.survey.configurations import configurations
from medseg_lab.sweeps.grid import Grid
from medseg_lab.training.names import recipe_called
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import Recipe, load


def methods_of(grid: Grid) -> dict[str, tuple[Recipe, str]]:
    """By name, each method's recipe, and that as text.

    Raises:
        ValueError: for a name or recipe that is unknown, or there twice.
    """
    known = [one.name for one in configurations()]
    if unknown := [name for name in grid.methods if name not in known]:
        near = ", ".join(map(repr, get_close_matches(unknown[0], known, n=5, cutoff=0.4) or known))
        raise ValueError(f"methods: expected known names, such as {near}, got {unknown[0]!r:.300}")
    if len(set(grid.methods)) < len(grid.methods):
        raise ValueError(f"methods: expected each once, got {grid.methods}")
    if taken := [name for name in grid.recipes if name in known]:
        raise ValueError(f"recipes: expected a name that no configuration has, got {taken[0]!r}")
    recipes = {name: recipe_called(name) for name in grid.methods}
    recipes |= {name: recipe_called(text) for name, text in grid.recipes.items()}
    first: dict[str, str] = {}
    for name, recipe in recipes.items():
        other = first.setdefault(written(recipe), name)
        if other != name:
            raise ValueError(f"recipes: expected different ones, got {name!r}, the same as {other!r}")
    return {name: (recipe, written(recipe)) for name, recipe in recipes.items()}


def dataset_called(name: str, base: Path) -> str:
    """The data set as a worker finds it: an id, or an absolute folder, which may be missing.

    Raises:
        ValueError: for an unknown id or variant.
    """
    from medseg_lab.data import catalogue
    from medseg_lab.data.choose import own_folder

    if name == "auto":
        raise ValueError("datasets: expected data sets by name, got 'auto': a sweep substitutes nothing")
    if catalogue.is_known(name):
        catalogue.load_card(name)
        return name
    folder = base / Path(name).expanduser()
    if folder.is_dir() or "/" in name:  # a path, and no id that is misspelt
        return str(folder.resolve())
    return str(own_folder(name).resolve())


def dimensions(dataset: str) -> int:
    """The spatial dimensions of a data set that `dataset_called` found.

    Raises:
        ValueError: if it is not at hand, or is not in a known layout.
    """
    from medseg_lab.data import catalogue, locate
    from medseg_lab.data.readers.folder import folder_card

    if catalogue.is_known(dataset):
        card = catalogue.load_card(dataset)
        if card.virtual is None:
            locate.require(card)
        return card.spatial_dims
    if not Path(dataset).is_dir():
        raise ValueError(f"{dataset}: no such folder")
    return folder_card(Path(dataset)).spatial_dims


def check_parameters(values: dict[str, Any]) -> None:
    """Check the budget and the data set among a chapter's parameters.

    Raises:
        ValueError: for one that is unknown, or a data set that is not at hand.
    """
    from medseg_lab.training.budget import budget

    if "budget" in values:
        budget(values["budget"])
    if values.get("dataset", "auto") != "auto":
        dimensions(dataset_called(values["dataset"], Path()))


def unfit(name: str, recipe: Recipe, grid: Grid, dims: int) -> str:
    """Why a method cannot be trained on a data set of `dims` dimensions; "" where it can.

    A configuration that names no dimension learns in three: on slices it would be another one's twin. What
    has no network has no dimension, either.
    """
    from medseg_lab.classical.grey_values import Classical

    target = load(recipe.target)
    if isinstance(target, type) and issubclass(target, Classical):
        return ""
    if recipe.changes or (recipe.bases and dims < 3):
        return next(filter(None, (unfit(name, base, grid, dims) for base in recipe.bases)), "")
    if recipe.arguments.get("plane") and dims < 3:
        return f"cuts volumes in several planes, the data has {dims} dimensions"
    needed = recipe.arguments.get("spatial_dims") or (3 if name in grid.methods else dims)
    return f"works in {needed} dimensions, the data has {dims}" if needed > dims else ""
