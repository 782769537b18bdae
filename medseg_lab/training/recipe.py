"""A class or function with its arguments, as a value that can be hashed, stored and built again."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medseg_lab.training.provenance import PACKAGE, module_file, note_own

MONAI = {
    "monai.networks.nets": "medseg_lab.networks.from_monai",
    "monai.losses": "medseg_lab.losses.from_monai",
}
"""Where networks and losses of another library may come from, and what makes them ours: a module that is
imported by its name, so that the keys of other recipes do not depend on it."""


@dataclass(frozen=True)
class Recipe:
    """How to build an object: what to call, and with which keywords.

    A recipe is to a network what a card is to a data set: plain data. It is part of a run's key and is
    written into `run.json`, from which the same object is built again.

    Args:
        target: dotted path of a class or function, of this library or of a module of one's own, or of a
            network or loss of MONAI.
        arguments: keyword arguments: numbers, strings, booleans, None, lists of them, or recipes.
    """

    target: str
    arguments: dict[str, Any]

    def build(self, *args: Any, **more: Any) -> Any:
        """Call the target; `args` and `more` are what only the caller knows (task, channels, classes)."""
        if self.changes:
            return self.change([base.build(*args, **more) for base in self.bases])
        target = load(self.target)
        arguments = self.arguments
        if not getattr(target, "takes_recipes", False):
            arguments = {name: _built(value) for name, value in arguments.items()}
        try:
            inspect.signature(target).bind(*args, **arguments, **more)
        except TypeError as error:
            given = ", ".join((*map(repr, args), *arguments, *more))
            raise ValueError(f"{self.target}: {error}; it was given {given or 'nothing'}") from error
        return target(*args, **arguments, **more)

    @property
    def bases(self) -> tuple["Recipe", ...]:
        """The recipes of the trained learners that this one rests on.

        One that changes or joins takes a `learner`, or several `learners`, and returns one:
        `pruned(learner=Supervised(...), depth=2)`, `ModelEnsemble(learners=[Supervised(...), ...])`. One that
        learns from what others predict names its `teachers` (`Learner.teachers`); most have none.
        """
        if not self.changes:
            teachers = getattr(load(self.target), "teachers", None)
            return () if teachers is None else tuple(teachers(self.arguments))
        found = tuple(self.arguments.get("learners", [self.arguments.get("learner")]))
        if wrong := [one for one in found if not isinstance(one, Recipe)]:
            raise ValueError(f"{self.target}: learners: expected recipes, got {wrong[0]!r}")
        if len(set(map(repr, found))) < len(found):
            raise ValueError(f"{self.target}: learners: expected different ones, got one twice")
        return found

    @property
    def changes(self) -> bool:
        """Whether it changes or joins trained learners, and trains nothing itself."""
        several = isinstance(self.arguments.get("learners"), list)
        return several or isinstance(self.arguments.get("learner"), Recipe)

    def change(self, learners: list[Any]) -> Any:
        """The trained learners of `bases`, changed or joined."""
        one = "learners" not in self.arguments
        return load(self.target)(
            **{**self.arguments, **({"learner": learners[0]} if one else {"learners": learners})}
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON: `{"target": ..., "arguments": {...}}`, nested recipes alike."""
        return {"target": self.target, "arguments": {k: _plain(v) for k, v in sorted(self.arguments.items())}}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Recipe":
        """The inverse of `to_dict`.

        Raises:
            ValueError: if a target lies outside this library and is no network or loss of MONAI: a stored run
                must not import at will.
        """
        if not (data["target"].startswith(PACKAGE + ".") or in_monai(data["target"])):
            raise ValueError(
                f"recipe target: expected a path inside {PACKAGE}, or one of {' or '.join(MONAI)}, "
                f"got {data['target']!r}"
            )
        return cls(data["target"], {k: _revive(v) for k, v in data["arguments"].items()})

    @property
    def is_own(self) -> bool:
        """Whether it names a module outside this library: a user's own."""
        return any(not module.startswith(f"{PACKAGE}.") for module in self.modules)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that this recipe names, nested recipes included: where its source is.

        Of what is MONAI's it is what adapts it: MONAI's files are not followed, its version counts.
        """
        nested = (module for value in self.arguments.values() for module in _modules(value))
        module = self.target.rpartition(".")[0]
        return tuple(sorted({MONAI.get(module, module), *nested}))

    @property
    def uses_monai(self) -> bool:
        """Whether it, or a recipe in it, names a network or loss of MONAI."""
        return not {*MONAI.values()}.isdisjoint(self.modules)


def recipe(target: Callable[..., Any], **arguments: Any) -> Recipe:
    """`recipe(UNet, features=(8, 16))`: the recipe that calls `target` with `arguments`.

    An argument that equals its default is left out, so that recipes which build the same are equal.

    Raises:
        ValueError: for an argument that is neither plain data nor a recipe.
    """
    path = f"{target.__module__}.{target.__qualname__}"
    for monai in MONAI:
        if path.startswith(f"{monai}."):
            path = f"{monai}.{target.__qualname__}"
    return canonical(
        path,
        {k: _checked(v) for k, v in arguments.items()},
        defaults(load(path) if in_monai(path) else target),
    )


def canonical(target: str, arguments: dict[str, Any], known: dict[str, Any]) -> Recipe:
    """The recipe without arguments that equal their defaults (`known`); 3 is 3.0 beside a decimal one."""
    missing = inspect.Parameter.empty
    kept = {k: v for k, v in arguments.items() if not _same(v, known.get(k, missing))}
    return Recipe(target, {k: float(v) if _is_whole(v, known.get(k)) else v for k, v in kept.items()})


def default(target: Callable[..., Any], **arguments: Any) -> Any:
    """`loss: Loss = default(DiceCE)`: a recipe, as the default of an attribute that holds what it builds."""
    return recipe(target, **arguments)


@cache
def defaults(target: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a class or function in order, each with its default, or `inspect.Parameter.empty`.

    Tuples are lists, as in a recipe.
    """
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(target).parameters.values()
    return {p.name: _listed(p.default) for p in found if p.kind not in variable}


def load(path: str) -> Callable[..., Any]:
    """The class or function at a dotted path; of one of MONAI's, what makes it one of ours.

    Raises:
        ValueError: if nothing is there, or a module of this name was imported from elsewhere before.
    """
    module, _, name = path.rpartition(".")
    if in_monai(path):
        adapted: Callable[..., Any] = importlib.import_module(MONAI[module]).from_monai(name)
        return adapted
    try:
        imported = importlib.import_module(module or path)
        found: Callable[..., Any] = getattr(imported, name)
    except (ImportError, AttributeError) as error:
        said = f"recipe: expected the dotted path of a class or function, got {path!r} ({error})"
        raise ValueError(said) from error
    if not module.startswith(f"{PACKAGE}.") and (file := module_file(module)) is not None:
        if (here := getattr(imported, "__file__", None)) and Path(here).resolve() != file.resolve():
            raise ValueError(
                f"module {module}: expected {file}, got {here}, imported before; rename one of them"
            )
        note_own(module)
    return found


def in_monai(path: str) -> bool:
    """Whether a dotted path is that of a network or loss of MONAI."""
    return path.rpartition(".")[0] in MONAI


def _built(value: Any) -> Any:
    if isinstance(value, list):
        return [_built(one) for one in value]
    return value.build() if isinstance(value, Recipe) else value


def _checked(value: Any) -> Any:
    """Tuples become lists, so that a recipe equals its copy read from JSON; the unknown is refused."""
    if isinstance(value, list | tuple):
        return [_checked(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str | Recipe):
        return value
    raise ValueError(
        f"recipe argument: expected plain data or a recipe, got {value!r} ({type(value).__name__})"
    )


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, list | tuple) else value


def _same(value: Any, other: Any) -> bool:
    """Whether two arguments are equal; True is not 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _is_whole(value: Any, default: Any) -> bool:
    """Whether it is a whole number where the default is a decimal one."""
    return isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.to_dict()
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        return Recipe.from_dict(value)
    return [_revive(v) for v in value] if isinstance(value, list) else value


def _modules(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Recipe):
            yield from one.modules
