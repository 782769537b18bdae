"""Every written configuration of every table, made small: a new method is tested here by being in a table."""

from dataclasses import replace
from functools import cache
from typing import Any

from medseg_lab.inference.plane_ensemble import PlaneEnsemble
from medseg_lab.rounds.planes import Planes
from medseg_lab.semi.adversaries.recolouring import ColourRestorer, Recolouring
from medseg_lab.survey.configurations import configurations
from medseg_lab.training.names import recipe_called
from medseg_lab.training.recipe import Recipe, defaults, load

WIDTH = 4
"""No level of a network is wider here."""
NAMES = [one.name for one in configurations()]


@cache
def small(name: str, dims: int) -> Recipe:
    """The recipe of a configuration, with narrow networks, for patches of so many dimensions."""
    return _small(recipe_called(name), dims)


def joins_planes(recipe: Recipe) -> bool:
    """Whether its learners are of slices, which lie in several planes of a volume."""
    target = load(recipe.target)
    return isinstance(target, type) and issubclass(target, (Planes, PlaneEnsemble))


def in_colour(recipe: Recipe) -> bool:
    """Whether its images have three channels, and no other number."""
    target = load(recipe.target)
    return isinstance(target, type) and issubclass(target, (Recolouring, ColourRestorer))


def trained_parts(recipe: Recipe) -> list[Recipe]:
    """The recipes that are trained for it: its own, or those of its innermost bases."""
    return [part for base in recipe.bases for part in trained_parts(base)] if recipe.changes else [recipe]


def _small(recipe: Recipe, dims: int) -> Recipe:
    known = defaults(load(recipe.target))
    arguments = {name: _part(value, dims) for name, value in recipe.arguments.items()}
    if "features" in known:
        arguments["features"] = [min(WIDTH, width) for width in arguments.get("features", known["features"])]
    elif "task" in known:
        arguments["spatial_dims"] = dims
        if "width" in known:
            arguments["width"] = WIDTH
        if "share" in known:  # of as many steps as the training that it goes on from
            arguments["share"] = 1.0
        if "rounds" in known:
            arguments["rounds"] = min(2, arguments.get("rounds", known["rounds"]))
        if "each" in known:  # of as few units as the cases have
            arguments |= {"start": 2, "each": 2}
    return replace(recipe, arguments=arguments)


def _part(value: Any, dims: int) -> Any:
    if isinstance(value, list):
        return [_part(one, dims) for one in value]
    return _small(value, dims) if isinstance(value, Recipe) else value
