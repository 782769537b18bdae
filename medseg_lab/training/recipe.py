"""A class or function with its arguments, as a value that can be hashed, stored and built again."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

PACKAGE = "medseg_lab"


@dataclass(frozen=True)
class Recipe:
    """How to build an object: what to call, and with which keywords.

    A recipe is to a network what a card is to a data set: plain data. It is part of a run's key and is
    written into `run.json`, from which the same object is built again.

    Args:
        target: dotted path of a class or function, of this library or of a module of one's own.
        arguments: keyword arguments: numbers, strings, booleans, None, lists of them, or recipes.
    """

    target: str
    arguments: dict[str, Any]

    def build(self, *args: Any, **more: Any) -> Any:
        """Call the target; `args` and `more` are what only the caller knows (task, channels, classes)."""
        if self.bases:
            return self.change([base.build(*args, **more) for base in self.bases])
        return load(self.target)(*args, **self.arguments, **more)

    @property
    def bases(self) -> tuple["Recipe", ...]:
        """The recipes of the trained learners that this one changes or joins; empty for one that trains.

        Such a recipe's target takes a `learner`, or several `learners`, and returns one:
        `pruned(learner=Supervised(...), depth=2)`, `ModelEnsemble(learners=[Supervised(...), ...])`.
        """
        return tuple(self.arguments.get("learners", [self.arguments.get("learner")])) if self.changes else ()

    @property
    def changes(self) -> bool:
        """Whether it changes or joins trained learners, and trains nothing itself."""
        return isinstance(self.arguments.get("learner"), Recipe) or "learners" in self.arguments

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
            ValueError: if a target lies outside this library: a stored run must not import at will.
        """
        if not data["target"].startswith(PACKAGE + "."):
            raise ValueError(f"recipe target: expected a path inside {PACKAGE}, got {data['target']!r}")
        return cls(data["target"], {k: _revive(v) for k, v in data["arguments"].items()})

    @property
    def is_own(self) -> bool:
        """Whether it names a module outside this library: a user's own."""
        return any(not module.startswith(f"{PACKAGE}.") for module in self.modules)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that this recipe names, nested recipes included: where its source is."""
        nested = (module for value in self.arguments.values() for module in _modules(value))
        return tuple(sorted({self.target.rpartition(".")[0], *nested}))


def recipe(target: Callable[..., Any], **arguments: Any) -> Recipe:
    """`recipe(UNet, features=(8, 16))`: the recipe that calls `target` with `arguments`.

    An argument that equals its default is left out, so that recipes which build the same are equal.

    Raises:
        ValueError: for an argument that is neither plain data nor a recipe.
    """
    return canonical(
        f"{target.__module__}.{target.__qualname__}",
        {k: _checked(v) for k, v in arguments.items()},
        defaults(target),
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
    """The class or function at a dotted path.

    Raises:
        ValueError: if nothing is there.
    """
    module, _, name = path.rpartition(".")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"recipe: expected the dotted path of a class or function, got {path!r}") from error
    return found


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
