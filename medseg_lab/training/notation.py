"""Recipes as text, as they would be called: `Supervised(network=UNet(skips=False), spatial_dims=2)`.

One notation for the ledger's column, a claim's side, a line of a sweep. Text is read, never evaluated. An
argument that has its default is not written, so that two recipes that build the same are the same text.
"""

import ast
from typing import Any

from medseg_lab.training.constructors import COMPUTED, REQUIRED, Constructor, constructor, constructors, find
from medseg_lab.training.recipe import Recipe


def parse(text: str) -> Recipe:
    """The recipe that a text stands for.

    Args:
        text: a call with keywords; names are those of this library's classes and functions, or dotted paths
            where a name alone could mean several. Values are numbers, strings, True, False, None, lists and
            calls.

    Raises:
        ValueError: for anything else, an unknown name or argument, or a missing one, naming the known ones.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"recipe: got {text!r}, wanted a call such as {EXAMPLE}") from error
    try:
        return _recipe(node, outermost=True)
    except ValueError as error:
        raise ValueError(f"recipe {text!r}: {error}") from error


EXAMPLE = "Supervised(network=UNet(skips=False), spatial_dims=2)"
FILLED = {"task", "in_channels", "out_channels", "spatial_dims"}
"""What only the caller of a constructor knows, and fills in."""


def written(recipe: Recipe | dict[str, Any]) -> str:
    """A recipe as text, without what is default: `parse(written(r))` builds the same as `r`.

    Args:
        recipe: a recipe, or its `to_dict`.
    """
    plain = recipe.to_dict() if isinstance(recipe, Recipe) else recipe
    target, arguments = plain["target"], plain["arguments"]
    known = _known(target)
    order = {name: number for number, name in enumerate(known.defaults)}
    said = [
        f"{name}={_text(arguments[name])}"
        for name in sorted(arguments, key=lambda name: (order.get(name, len(order)), name))
        if known.defaults.get(name, REQUIRED) != arguments[name]
    ]
    name = known.name if constructors().get(known.name) == (target,) else target
    return f"{name}({', '.join(said)})"


def _known(target: str) -> Constructor:
    """The constructor; one without arguments for a target that this version of the library does not have."""
    try:
        return constructor(target)
    except ValueError:
        return Constructor(target, {})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return written(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return repr(value)


def _recipe(node: ast.expr, outermost: bool = False) -> Recipe:
    if not isinstance(node, ast.Call) or node.args or any(k.arg is None for k in node.keywords):
        raise ValueError(f"got {ast.unparse(node)!r}, wanted a call with keywords, such as {EXAMPLE}")
    known = find(ast.unparse(node.func))
    arguments: dict[str, Any] = {}
    for keyword in node.keywords:
        name = str(keyword.arg)
        if name not in known.defaults:
            raise ValueError(
                f"{known.name}: got argument {name!r}, wanted one of {', '.join(known.defaults)}"
            )
        arguments[name] = _value(keyword.value)
    filled = {"task"} if outermost else FILLED
    missing = [n for n, d in known.defaults.items() if d is REQUIRED and n not in arguments.keys() | filled]
    if missing:
        raise ValueError(f"{known.name}: got no {' and no '.join(missing)}, wanted a value")
    return Recipe(known.target, arguments)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return _recipe(node)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(part) for part in node.elts]
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = COMPUTED
    if not (value is None or isinstance(value, bool | int | float | str)):
        said = f"got {ast.unparse(node)!r}, wanted a number, a string, True, False, None, a list or a call"
        if isinstance(node, ast.Name | ast.Attribute):
            said += f" (did you mean {ast.unparse(node)}()?)"
        raise ValueError(said)
    return value
