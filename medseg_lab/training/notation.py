"""Recipes as text, as they would be called: `Supervised(network=UNet(skips=False), spatial_dims=2)`.

One notation for tables, claims, grids, chapters and the ledger. Text is read, never evaluated. An argument
that equals its default is not written, so recipes that build the same have the same text.
"""

import ast
import importlib
import inspect
import sys
import sysconfig
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from medseg_lab.survey.tables import ROOMS as TABLED
from medseg_lab.training.provenance import module_file
from medseg_lab.training.recipe import MONAI, PACKAGE, Recipe, canonical, defaults, in_monai, load

EXAMPLE = "Supervised(network=UNet(skips=False), spatial_dims=2)"
ROOMS = (*TABLED, "evaluation")
"""The rooms whose classes and functions are known by their name alone."""
QUOTED = 1000
"""Characters of a text that a message quotes."""
FILLED = {"task", "in_channels", "out_channels", "spatial_dims"}
"""Arguments that only the caller of a constructor knows, and fills in."""


def parse(text: str) -> Recipe:
    """The recipe that a text stands for.

    Args:
        text: a call with keywords. A name is that of a class or function of this library, or a dotted path:
            where a name alone could mean several, for a module of one's own (`mine.MyNet` is the class
            `MyNet` in `mine.py` beside the notebook or the grid), or for a network or loss of MONAI
            (`monai.networks.nets.SegResNet`, `monai.losses.TverskyLoss`). Values are numbers, strings, True,
            False, None, lists and calls.

    Raises:
        ValueError: for anything else, an unknown name or argument, or a missing one, naming the known ones.
    """
    try:
        return _recipe(_expression(text), outermost=True)
    except ValueError as error:
        raise ValueError(f"recipe {shortened(text)!r}: {error}") from error


def add_own_modules(folder: Path | str) -> None:
    """Let recipes name the modules in a folder: `mine.MyNet` is the class `MyNet` in its `mine.py`."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        module_file.cache_clear()


def varied(recipe: Recipe, arguments: str) -> Recipe:
    """The recipe with other arguments, given as text: `varied(mean_teacher, "weight=300, decay=0.99")`.

    Raises:
        ValueError: as `parse`.
    """
    call = _expression(f"f({arguments})")
    known = defaults(load(recipe.target))
    return canonical(recipe.target, recipe.arguments | _arguments(call, recipe.target, known), known)


def written(recipe: Recipe | dict[str, Any]) -> str:
    """A recipe as text, without what is default: `parse(written(r))` builds the same as `r`.

    Args:
        recipe: a recipe, or its `to_dict`.
    """
    plain = recipe.to_dict() if isinstance(recipe, Recipe) else recipe
    target, arguments = plain["target"], plain["arguments"]
    try:
        known = defaults(load(target))
    except (TypeError, ValueError):  # a stored run of another version, or of a module that is not here
        known = {}
    order = {name: number for number, name in enumerate(known)}
    said = [
        f"{name}={_text(arguments[name])}"
        for name in sorted(arguments, key=lambda name: (order.get(name, len(order)), name))
        if _text(known.get(name, inspect.Parameter.empty)) != _text(arguments[name])
    ]
    name = target.rpartition(".")[2]
    return f"{name if paths().get(name) == (target,) else target}({', '.join(said)})"


@cache
def paths() -> dict[str, tuple[str, ...]]:
    """The public classes and functions of the rooms that recipes draw on: a name to its dotted paths."""
    root = Path(__file__).parents[1]
    found: dict[str, tuple[str, ...]] = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                    found[node.name] = (*found.get(node.name, ()), f"{module}.{node.name}")
    return found


def _found(name: str) -> tuple[str, Callable[..., Any]]:
    """The dotted path that a name stands for, and what is there.

    Raises:
        ValueError: if there is nothing, or several; or if the module is neither of this library nor one's
            own.
    """
    if "." not in name:
        known = paths().get(name, ())
        if not known:
            near = get_close_matches(name, paths(), n=3, cutoff=0.5)
            like = f" (like {' or '.join(near)})" if near else ""
            raise ValueError(f"expected a class or function of {PACKAGE}{like}, got {name!r}")
        if len(known) > 1:
            raise ValueError(f"expected one of {', '.join(known)}, got {name!r}")
        name = known[0]
    elif not (name.startswith(f"{PACKAGE}.") or in_monai(name) or _is_own(name.partition(".")[0])):
        raise ValueError(
            f"expected a class or function of {PACKAGE}, of a module of your own such as mine.py beside "
            f"the notebook or the grid, or one of {' or '.join(MONAI)}, got {name!r}"
        )
    try:
        return name, load(name)
    except (ValueError, TypeError, RuntimeError):
        raise
    except Exception as error:  # whatever is in a module of one's own
        raise ValueError(f"{name}: cannot be imported: {type(error).__name__}: {error}") from error


def _is_own(module: str) -> bool:
    """Whether a module is a file of the user's: neither Python's own nor an installed package's."""
    importlib.invalidate_caches()  # the file may have been written a moment ago
    module_file.cache_clear()
    path = module_file(module)
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
    return path is not None and (
        module not in sys.stdlib_module_names
        and not any(folder in path.resolve().parents for folder in installed)
    )


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:  # the last two for what is nested too deep
        raise ValueError(f"expected a call such as {EXAMPLE}, got {shortened(text)!r}") from error


def shortened(text: str) -> str:
    """A text as a message quotes it."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def _recipe(node: ast.expr, outermost: bool = False) -> Recipe:
    if not isinstance(node, ast.Call):
        raise ValueError(f"expected a call with keywords, such as {EXAMPLE}, got {ast.unparse(node)!r}")
    target, found = _found(ast.unparse(node.func))
    known = defaults(found)
    arguments = _arguments(node, target, known)
    filled = {"task"} if outermost else FILLED
    missing = [
        n for n, d in known.items() if d is inspect.Parameter.empty and n not in arguments.keys() | filled
    ]
    if missing:
        name = target.rpartition(".")[2]
        raise ValueError(f"{name}: expected a value for {' and '.join(missing)}, got none")
    return canonical(target, arguments, known)


def _arguments(node: ast.expr, target: str, known: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a call."""
    if not isinstance(node, ast.Call) or node.args or any(k.arg is None for k in node.keywords):
        raise ValueError(f"expected a call with keywords, such as {EXAMPLE}, got {ast.unparse(node)!r}")
    name, given = target.rpartition(".")[2], [str(keyword.arg) for keyword in node.keywords]
    for argument in given:
        if argument not in known:
            raise ValueError(
                f"{name}: expected one of {', '.join(known) or 'none'}, got argument {argument!r}"
            )
        if given.count(argument) > 1:
            raise ValueError(
                f"{name}: expected each argument once, got {argument!r} {given.count(argument)} times"
            )
    return {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return _recipe(node)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(part) for part in node.elts]
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = node
    if not (value is None or isinstance(value, bool | int | float | str)):
        hint = f" (did you mean {ast.unparse(node)}()?)" if isinstance(node, ast.Name | ast.Attribute) else ""
        raise ValueError(
            "expected a number, a string, True, False, None, a list or a call, "
            f"got {ast.unparse(node)!r}{hint}"
        )
    return value


def _text(value: Any) -> str:
    if isinstance(value, Recipe) or (isinstance(value, dict) and "target" in value):
        return written(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return repr(value)
