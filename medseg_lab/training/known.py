"""What a stored run may name and build: a run folder from a stranger is data, not code."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.wording import one_line
from medseg_lab.training.notation import paths
from medseg_lab.training.recipe import Recipe, in_monai, load

SPARE = 2**24
"""Numbers that a learner may have beyond twice those that are stored with it."""
MODULES = 2**17
"""Modules that a learner may have."""


def known_recipe(data: Mapping[str, Any]) -> Recipe:
    """The recipe that a record holds, as `Recipe.to_dict`, once all that it names is known to be harmless.

    It may name public classes of this library that are modules (methods, networks), losses, other callable
    parts of networks, augmentations and judges, functions that take a learner and return one, and networks
    and losses of MONAI. A name is looked up in the source; nothing is imported that is not in the list.

    Args:
        data: as of `Recipe.to_dict`, which a record is checked for when it is read.

    Raises:
        ValueError: naming the first target that is anything else.
    """
    _require_known(data)
    return Recipe.from_dict(dict(data))


def _require_known(data: object) -> None:
    if isinstance(data, list):
        for each in data:
            _require_known(each)
    if not isinstance(data, Mapping):
        return
    target = data["target"]
    if not in_monai(target) and not _is_part(target):
        raise ValueError(
            "recipe: expected a method, a network, a loss, an augmentation or a judge of this library, or a "
            f"network or loss of MONAI, got {one_line(repr(target))}"
        )
    for each in data["arguments"].values():
        _require_known(each)


def _is_part(path: str) -> bool:
    """Whether a recipe may name what is at a path of this library."""
    if path not in paths().get(path.rpartition(".")[2], ()):
        return False
    found = load(path)
    if not isinstance(found, type):
        return _changes_a_learner(found)
    is_callable = any("__call__" in base.__dict__ for base in found.__mro__)
    return (
        issubclass(found, nn.Module | Augmentation)
        or (is_dataclass(found) and is_callable)
        or (is_callable and list(inspect.signature(found.__call__).parameters)[1:] == ["learner", "cohort"])
    )


def _changes_a_learner(function: Callable[..., Any]) -> bool:
    """Whether it takes a learner and returns one, such as `pruned`."""
    said = inspect.signature(function)
    first = next(iter(said.parameters.values()), None)
    return first is not None and first.name == "learner" and first.annotation == said.return_annotation


class _WithoutMemory(TorchFunctionMode):
    """New tensors are on PyTorch's meta device; what is computed from numbers stays where it is."""

    MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        where = {"device": "meta"} if func in self.MAKERS else {}
        return func(*args, **{**(kwargs or {}), **where})


@contextmanager
def limited(numbers: int, name: str) -> Iterator[None]:
    """Modules that are made in this block have no memory (PyTorch's meta device), and not many numbers.

    Args:
        numbers: that are stored of them.
        name: whose they are.

    Raises:
        ValueError: as soon as they have more than twice as many, and `SPARE` beside, or `MODULES` modules.
    """
    numbers_left, modules_left = 2 * numbers + SPARE, MODULES

    def count(module: nn.Module, part: str, value: object) -> None:
        nonlocal numbers_left, modules_left
        modules_left -= isinstance(value, nn.Module)
        numbers_left -= value.numel() if isinstance(value, torch.Tensor) else 0
        if min(numbers_left, modules_left) < 0:
            raise ValueError(
                f"{name}: expected a learner of the {numbers:,} numbers that are stored, got a recipe of "
                "many more"
            )

    hooks = torch.nn.modules.module
    handles = [
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
        hooks.register_module_module_registration_hook(count),
    ]
    try:
        with _WithoutMemory():
            yield
    finally:
        for handle in handles:
            handle.remove()


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a safetensors file, by name; none is read.

    Raises:
        ValueError: naming the file, where it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{path}: expected tensors (safetensors), got a damaged file ({one_line(error)})"
        ) from error
