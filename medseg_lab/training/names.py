"""What a method is called: the name of a configuration, a variation of one, or a recipe's own text."""

from functools import cache

from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.training.notation import parse, varied
from medseg_lab.training.recipe import Recipe


@cache
def names() -> dict[str, str]:
    """A configuration's recipe as text, to its name; in the survey's order. No recipe is built."""
    return {one.recipe: one.name for one in configurations()}


def recipe_called(name: str) -> Recipe:
    """The recipe that a name stands for.

    Args:
        name: of a configuration, such as "Mean Teacher"; with other arguments, "Mean Teacher(weight=300)"; or
            a recipe as text, such as "Supervised(network=mine.MyNet(), spatial_dims=2)".

    Raises:
        ValueError: if it is none of these, naming similar configurations.
    """
    known = {one.name: one.recipe for one in configurations()}
    base, changes = name, ""
    if name not in known and name.endswith(")"):
        base, _, changes = name[:-1].partition("(")
        base = base.strip()
    if base in known:
        found = parse(known[base])
        return varied(found, changes) if changes.strip() else found
    if "(" in name:
        return parse(name)
    configuration(name)  # raises, with similar names
    raise AssertionError(name)


def configuration_in(text: str) -> str:
    """The configuration that a text names, alone or with other arguments; empty if it names none."""
    known = {one.name for one in configurations()}
    return next((name for name in (text, text.partition("(")[0]) if name in known), "")
