"""The names under which methods are compared, each with its recipe."""

from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from medseg_lab.survey.methods import method, read


class Configuration(BaseModel):
    """A method as it is compared: one choice of its arguments, under one name.

    Attributes:
        name: as chapters, sweeps, claims and standings say it.
        method: the id of the survey's method.
        recipe: as text (`medseg_lab.training.notation`); empty while the method is planned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    method: str
    recipe: str = ""


@cache
def configurations() -> tuple[Configuration, ...]:
    """All of them, in the survey's order of their methods.

    Raises:
        ValueError: if a name occurs twice, or a method does not exist, or a planned one has a recipe.
    """
    found = tuple(Configuration(**row) for row in read("configurations.toml")["configuration"])
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            raise ValueError(f"configuration {one.name!r} occurs twice")
        if one.recipe and method(one.method).state == "planned":
            raise ValueError(f"{one.name}: got a recipe, but {one.method} is planned")
        seen.add(one.name)
    return found


def configuration(name: str) -> Configuration:
    """The configuration called `name`.

    Raises:
        ValueError: if there is none, naming the known ones.
    """
    for found in configurations():
        if found.name == name:
            return found
    raise ValueError(f"method: got {name!r}, wanted one of {', '.join(one.name for one in configurations())}")
