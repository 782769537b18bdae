"""A constructor with its arguments, as a value that can be hashed, stored and built again."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PACKAGE = "medseg_lab"


@dataclass(frozen=True)
class Recipe:
    """How to build an object of this library: what to call, and with which keywords.

    A recipe is to a network what a card is to a data set: plain data. It is part of a run's key and is
    written into `run.json`, from which the same object is built again.

    Args:
        target: dotted path of a class or function inside `medseg_lab`.
        arguments: keyword arguments: numbers, strings, booleans, None, lists of them, or recipes.
    """

    target: str
    arguments: dict[str, Any]

    def build(self, *args: Any, **more: Any) -> Any:
        """Call the target; `args` and `more` are what only the caller knows (channels, classes)."""
        if self.base is not None:
            return self.change(self.base.build(*args, **more))
        return self._callable(*args, **self.arguments, **more)

    @property
    def base(self) -> "Recipe | None":
        """For a recipe that changes a trained learner, that learner's recipe; None for one that trains.

        Such a recipe's target takes a `learner` and gives one: `recipe(pruned, learner=trained, depth=2)`.
        """
        base = self.arguments.get("learner")
        return base if isinstance(base, Recipe) else None

    def change(self, learner: Any) -> Any:
        """The trained `learner` of the recipe `base`, changed."""
        return self._callable(**{**self.arguments, "learner": learner})

    @property
    def _callable(self) -> Callable[..., Any]:
        module, _, name = self.target.rpartition(".")
        target: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return target

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
            raise ValueError(f"recipe target: got {data['target']!r}, wanted a path inside {PACKAGE}")
        return cls(data["target"], {k: _revive(v) for k, v in data["arguments"].items()})

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules this recipe draws on, nested ones included: where its source lies."""
        found = {self.target.rpartition(".")[0]}
        for value in self.arguments.values():
            if isinstance(value, Recipe):
                found |= set(value.modules)
        return tuple(sorted(found))


def recipe(target: Callable[..., Any], **arguments: Any) -> Recipe:
    """`recipe(UNet, features=(8, 16))`: the recipe that calls `target` with `arguments`."""
    return Recipe(
        f"{target.__module__}.{target.__qualname__}", {k: _canonical(v) for k, v in arguments.items()}
    )


def _canonical(value: Any) -> Any:
    """Tuples become lists, so that a recipe equals its copy read from JSON; the unknown is refused."""
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str | Recipe):
        return value
    raise ValueError(
        f"recipe argument: got {value!r} ({type(value).__name__}), wanted plain data or a recipe"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.to_dict()
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        return Recipe.from_dict(value)
    return [_revive(v) for v in value] if isinstance(value, list) else value
