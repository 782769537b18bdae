"""The segmentation networks of MONAI as networks of this library: `monai.networks.nets.SegResNet()`.

They differ among each other in what their arguments are called, in the sizes of the images that they take,
and in what they return in training. All that is settled here, for any of them and without a list of them.
"""

import copy
import importlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from functools import cache
from inspect import Parameter, Signature, isclass, signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.blocks import crop

NETS = "monai.networks.nets"
CALLED = {
    "in_channels": ("in_channels", "input_channels", "n_channels"),
    "out_channels": ("out_channels", "num_classes", "n_classes"),
    "spatial_dims": ("spatial_dims", "dimensions", "dim"),
}
"""Our arguments, and what MONAI's networks call them."""
SIDES = ("img_size", "image_size", "input_image_size")
"""What networks for images of one size alone call it."""
LARGEST = 64
"""Networks that want a larger multiple than this are not known."""


@cache
def from_monai(name: str) -> Callable[..., "FromMonai"]:
    """What makes the network that MONAI calls `name`: of our arguments, and its own others as keywords.

    Trained weights cannot be asked for: arguments for them are left out, and they are not loaded.

    Raises:
        ValueError: if MONAI has no such network, naming those with similar names.
    """
    made = networks().get(name)
    if made is None:
        near = get_close_matches(name, networks(), n=3, cutoff=0.5)
        like = f" (like {' or '.join(near)})" if near else ""
        raise ValueError(f"expected a network of {NETS}{like}, got {name!r}")
    theirs = {
        own: next((n for n in called if n in signature(made).parameters), "")
        for own, called in CALLED.items()
    }
    if not (theirs["in_channels"] and theirs["out_channels"]):
        raise ValueError(
            f"{name}: expected a network from images to maps of classes, got one of another kind"
        )

    def build(in_channels: int, out_channels: int, spatial_dims: int = 2, **more: Any) -> FromMonai:
        given = {"in_channels": in_channels, "out_channels": out_channels, "spatial_dims": spatial_dims}
        known = {theirs[own]: value for own, value in given.items() if theirs[own]}
        if "pretrained" in signature(made).parameters:
            known["pretrained"] = False
        arguments = known | {key: _tupled(value) for key, value in more.items()}
        return FromMonai(made, arguments, out_channels, spatial_dims)

    ours = [p for p in signature(build).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
    others = [p for p in signature(made).parameters.values() if not _left_out(p, theirs.values())]
    build.__signature__ = Signature(  # type: ignore[attr-defined]
        [*ours, *(p.replace(kind=Parameter.KEYWORD_ONLY) for p in others)]
    )
    build.__name__ = build.__qualname__ = name
    return build


@cache
def networks() -> dict[str, type[nn.Module]]:
    """The network classes of `monai.networks.nets` by their own names; importing it takes seconds."""
    with quiet():
        found = vars(importlib.import_module(NETS))
    return {
        name: each
        for name, each in sorted(found.items())
        if isclass(each)
        and issubclass(each, nn.Module)
        and each.__name__ == name  # MONAI has Unet and unet for UNet
        and each.__module__.startswith(f"{NETS}.")
    }


class FromMonai(nn.Module):
    """A network of MONAI that takes images of any size and whose outputs are logits of full size.

    The image is padded to the multiple that the network needs, and the logits are cropped back.

    Args:
        made: MONAI's class.
        arguments: as it calls them.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.

    Attributes:
        network: MONAI's.
        multiple: of which the sides of its images have to be.
        shortest: the least side that it takes.
        never_one: whether an image that is so small along every axis is too small.

    Raises:
        ValueError: if it cannot be built so, or does not take images of `spatial_dims` to maps of K classes.
    """

    def __init__(
        self, made: type[nn.Module], arguments: Mapping[str, Any], out_channels: int, spatial_dims: int
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims: expected 2 or 3, got {spatial_dims}")
        self.classes, self.spatial_dims, self.title = out_channels, spatial_dims, made.__name__
        try:
            with quiet():
                self.network = made(**arguments)
        except Exception as error:  # whatever MONAI finds wrong with the arguments
            raise ValueError(f"{made.__name__}: {error}") from error
        channels = next(arguments[name] for name in CALLED["in_channels"] if name in arguments)
        self.multiple, self.shortest, self.never_one = self._sizes(channels, arguments)
        self.register_state_dict_post_hook(_store_once)
        self.register_load_state_dict_pre_hook(_load_twice)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`."""
        return self.heads(image)[-1]

    def heads(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits of every head, enlarged to `(N, K, *S)`; the last are `forward`'s.

        There are several in training, where MONAI's network was asked for deep supervision.
        """
        padded = self._padded(image)
        mode = {2: "bilinear", 3: "trilinear"}[self.spatial_dims]
        with quiet():
            found = self._logits(self.network(padded), padded.shape)
        _forget(self.network)
        full = [
            logits
            if logits.shape[2:] == padded.shape[2:]
            else F.interpolate(logits, padded.shape[2:], mode=mode)
            for logits in found
        ]
        return tuple(crop(logits, image.shape[2:]) for logits in full)

    def _padded(self, image: Tensor) -> Tensor:
        """The image grown to sides that the network takes, at the far end of each axis."""
        sides = [max(self.shortest, size + -size % self.multiple) for size in image.shape[2:]]
        if self.never_one and max(sides) < 2 * self.shortest:
            sides[-1] = 2 * self.shortest
        missing = [side - size for side, size in zip(sides, image.shape[2:], strict=True)]
        return F.pad(image, [p for m in reversed(missing) for p in (0, m)], mode="replicate")

    def _logits(self, output: Any, shape: Sequence[int]) -> list[Tensor]:
        """The logits of each head, coarsest first, of what the network returned for a padded image.

        MONAI's networks return one tensor; a stack `(N, heads, K, *S)` whose first is the finest; or a list,
        of several sizes or, where all have one, with the deepest last.
        """
        dims = 2 + self.spatial_dims
        if isinstance(output, Tensor):
            found = [output] if output.ndim == dims else [*output.unbind(1)][::-1]
        else:
            found = [*output] if isinstance(output, list | tuple) else []
            if all(isinstance(one, Tensor) for one in found):
                found.sort(key=lambda one: one.shape[2:].numel())
        wanted = (shape[0], self.classes)
        if not found or any(not isinstance(one, Tensor) or one.shape[:2] != wanted for one in found):
            raise _NoLogits(self._refusal((*wanted, *shape[2:]), output))
        if found[-1].shape[2:] != shape[2:]:
            raise ValueError(self._refusal((*wanted, *shape[2:]), output))
        return found

    def _refusal(self, wanted: Sequence[int], output: Any) -> str:
        got = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        return f"{self.title}: expected logits {tuple(wanted)}, got {got}"

    def _sizes(self, channels: int, arguments: Mapping[str, Any]) -> tuple[int, int, bool]:
        """`multiple`, `shortest` and `never_one`.

        They are found by trying, on PyTorch's meta device, where nothing is computed: the smallest multiple
        two odd multiples of which pass; and the least side beside long ones, then along every axis, where
        the coarsest map may have a single voxel, which has no variance, so that norms refuse it.
        """
        on_meta: Any = copy.deepcopy(self.network).to("meta")
        others = self.spatial_dims - 1

        def failure(*shape: int) -> Exception | None:
            image = torch.empty(1, channels, *shape, device="meta")
            try:
                with quiet(), torch.no_grad():
                    self._logits(on_meta(image), image.shape)
            except _NoLogits as error:
                raise ValueError(str(error)) from error
            except Exception as error:  # networks refuse a size in many ways
                return error
            return None

        first: Exception | None = None
        for multiple, *sides in _candidates(arguments):
            refused = next(filter(None, (failure(*[side] * (1 + others)) for side in sides)), None)
            side = sides[0]
            if refused is None:
                on_meta.train()
                short = (multiple * 2**n for n in range(LARGEST.bit_length()))
                least = next((one for one in short if not failure(one, *[side] * others)), side)
                return multiple, least, least < side and failure(*[least] * (1 + others)) is not None
            first = first or refused
        raise ValueError(
            f"{self.title}: expected a network for images of {self.spatial_dims} axes, got: {first}"
        )


def _forget(network: nn.Module) -> None:
    """Empty the lists in which DynUNet leaves its features: they have a graph, and could not be copied."""
    for value in vars(network).values():
        if isinstance(value, list):
            value[:] = [one.new_empty(0) if isinstance(one, Tensor) else one for one in value]


def _store_once(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Leave out of a state what it holds twice: DynUNet has each of its layers under two names."""
    for name in _second_names(module):
        del state[prefix + name]


def _load_twice(module: nn.Module, state: dict[str, Any], prefix: str, *other: Any) -> None:
    """The inverse of `_store_once`."""
    for name, first in _second_names(module).items():
        if prefix + first in state:
            state[prefix + name] = state[prefix + first]


def _second_names(module: nn.Module) -> dict[str, str]:
    """The further names of parameters and buffers that have several, each with the first."""
    first: dict[int, str] = {}
    named = (module.named_parameters, module.named_buffers)
    every = [(name, tensor) for of in named for name, tensor in of(remove_duplicate=False)]
    return {name: one for name, tensor in every if (one := first.setdefault(id(tensor), name)) != name}


class _NoLogits(ValueError):
    """What a network returned are no maps of classes, whatever the size of the image."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what MONAI prints, and its warnings of what will change in it."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _candidates(arguments: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    """Multiples in the order in which to try them, each with sides that are odd multiples of it."""
    powers = [2**n for n in range(LARGEST.bit_length())]
    for multiple in (*powers, *(n for n in range(3, LARGEST) if n not in powers)):
        odd = (LARGEST // multiple + 1) | 1
        yield multiple, multiple * odd, multiple * (odd + 2)
    for name in SIDES:
        sides = {*arguments[name]} if isinstance(arguments.get(name), tuple) else {arguments.get(name)}
        if len(sides) == 1 and isinstance(side := sides.pop(), int):
            yield side, side


def _left_out(parameter: Parameter, filled: Any) -> bool:
    """Whether an argument is not for recipes: it is filled in, not named, or asks for trained weights."""
    return (
        parameter.name in {*filled, "weights", "progress"}
        or parameter.name.startswith("pretrained")
        or parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    )


def _tupled(value: Any) -> Any:
    """Lists of a recipe as the tuples that MONAI has for defaults."""
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
