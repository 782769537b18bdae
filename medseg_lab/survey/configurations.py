"""The names under which methods are compared, each with its recipe."""

from difflib import get_close_matches
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from medseg_lab.survey.methods import all_methods
from medseg_lab.survey.tables import rows


class Configuration(BaseModel):
    """A method as it is compared: one choice of its arguments, under one name.

    Attributes:
        name: as chapters, sweeps, claims and standings say it.
        method: the id of the method.
        recipe: as text (`medseg_lab.training.notation`).
        module: the dotted name of the module beside the table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    method: str
    recipe: str = ""
    module: str


@cache
def configurations() -> tuple[Configuration, ...]:
    """All of them, in the survey's order of their methods; those of methods beside it come last.

    Raises:
        ValueError: if a name or a recipe occurs twice, a method does not exist, or a recipe is missing.
    """
    found = [Configuration(**row.values, module=row.module) for row in rows("configuration")]
    known = {method.id: place for place, method in enumerate(all_methods())}
    names: set[str] = set()
    recipes: dict[str, str] = {}
    for one in found:
        if one.name in names:
            raise ValueError(f"configuration {one.name!r} occurs twice")
        if one.method not in known:
            raise ValueError(f"configuration {one.name!r}: expected the id of a method, got {one.method!r}")
        if not one.recipe:
            raise ValueError(f"configuration {one.name!r}: expected a recipe, got none")
        if recipes.setdefault(one.recipe, one.name) != one.name:
            raise ValueError(
                f"configuration {one.name!r}: expected a recipe of its own, "
                f"got that of {recipes[one.recipe]!r}"
            )
        names.add(one.name)
    return tuple(sorted(found, key=lambda one: known[one.method]))


def configuration(name: str) -> Configuration:
    """The configuration called `name`.

    Raises:
        ValueError: if there is none, naming those with similar names.
    """
    known = {one.name: one for one in configurations()}
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.4) or known
        raise ValueError(f"method: expected one of {', '.join(near)}, or a recipe, got {name!r:.300}")
    return known[name]
