"""What the names in a grid stand for; an unknown one is an error that names the known ones."""

from pathlib import Path

from medseg_lab.survey.configurations import configurations
from medseg_lab.sweeps.grid import Grid
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import Recipe


def methods_of(grid: Grid) -> dict[str, tuple[Recipe, str]]:
    """By name, each method's recipe, and that as text.

    Raises:
        ValueError: for a name or recipe that is not known, planned, or there twice.
    """
    known = {one.name: one.recipe for one in configurations()}
    texts = {name: known.get(name, "") for name in grid.methods}
    if missing := [name for name, text in texts.items() if not text]:
        what = "which is planned; wanted" if missing[0] in known else "wanted"
        ready = ", ".join(name for name, text in known.items() if text)
        raise ValueError(f"methods: got {missing[0]!r}, {what} some of {ready}")
    for name, text in grid.recipes.items():
        if name in known:
            raise ValueError(f"recipes: got the name {name!r}, which is a configuration's; wanted another")
        texts[name] = text
    if len(set(grid.methods)) < len(grid.methods):
        raise ValueError(f"methods: got {grid.methods}, wanted each once")
    recipes = {name: parse(text) for name, text in texts.items()}
    first: dict[str, str] = {}
    for name, recipe in recipes.items():
        other = first.setdefault(written(recipe), name)
        if other != name:
            raise ValueError(f"recipes: got {name!r}, which builds the same as {other!r}; wanted one of them")
    return {name: (recipe, written(recipe)) for name, recipe in recipes.items()}


def dataset_called(said: str, base: Path) -> tuple[str, int]:
    """The data set as a worker finds it, and its dimension.

    Raises:
        ValueError: if it is unknown or not at hand.
    """
    from medseg_lab.data import catalogue, locate

    if said == "auto":
        raise ValueError("datasets: got 'auto', wanted data sets by name: a sweep substitutes nothing")
    if catalogue.is_known(said):
        card = catalogue.load_card(said)
        if card.virtual is None:
            locate.require(card)
        return said, card.spatial_dims
    from medseg_lab.data.choose import own_folder
    from medseg_lab.data.readers.folder import folder_card

    folder = base / Path(said).expanduser()
    found = own_folder(str(folder) if folder.is_dir() else said).resolve()
    return str(found), folder_card(found).spatial_dims


def unfit(name: str, recipe: Recipe, grid: Grid, dims: int) -> str:
    """Why a method cannot be trained on a data set of `dims` dimensions; "" where it can.

    A configuration that names no dimension learns in three: on slices it would be another one's twin.
    """
    while recipe.base is not None:
        recipe = recipe.base
    wanted = recipe.arguments.get("spatial_dims") or (3 if name in grid.methods else dims)
    return f"works in {wanted} dimensions, the data has {dims}" if wanted > dims else ""
