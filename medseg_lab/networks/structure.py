"""The graph of a network, found by following its tensors: which stage feeds which, through which operations.

One forward pass on PyTorch's meta device (shapes without values) is traced. For every tensor it is recorded
which stages it comes from and which operations were applied since. A stage that receives the tensor gets an
edge for each of these origins. So a skip connection is in the graph if and only if the network uses it.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

INPUT = "image"
OPERATIONS = {
    "max_pool": "max pooling",
    "conv_transpose": "transposed convolution",
    "conv": "convolution",
    "interpolate": "interpolation",
    "cat": "concatenation",
    "add": "sum",
}
Origin = tuple[str, tuple[str, ...]]
"""The stage that a tensor comes from, and the operations applied since."""


@dataclass(frozen=True)
class Stage:
    """A box: name, output channels and spatial shape, layers ("2× conv 3²"), and whether it is residual."""

    name: str
    channels: int
    shape: tuple[int, ...]
    content: str
    shortcut: bool = False


@dataclass(frozen=True)
class Edge:
    """An arrow, with the operations between the stages (`way`), such as ("max pooling",)."""

    source: str
    target: str
    way: tuple[str, ...]


@dataclass
class Structure:
    """Stages, the image included, in the order of computation, and the edges between them."""

    stages: dict[str, Stage] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def progress(self) -> dict[str, int]:
        """The number of edges on the longest path from the image to each stage."""
        depth: dict[str, int] = {}
        for name in self.stages:
            depth[name] = max((depth[e.source] + 1 for e in self.edges if e.target == name), default=0)
        return depth

    def resolutions(self) -> list[tuple[int, ...]]:
        """The spatial shapes of the stages, finest first, without that of the image (networks may pad it)."""
        return sorted({s.shape for s in self.stages.values() if s.name != INPUT}, reverse=True)

    def skips(self) -> list[Edge]:
        """For each stage with several inputs: all edges into it but the one with the longest path."""
        depth = self.progress()
        skips = []
        for name in self.stages:
            incoming = sorted((e for e in self.edges if e.target == name), key=lambda e: depth[e.source])
            skips += incoming[:-1]
        return skips

    def describe(self) -> str:
        """The structure in words, for readers who cannot see the diagram."""
        shapes = self.resolutions()
        skips = "; ".join(f"{e.source} to {e.target}" for e in self.skips())
        return (
            f"{len(self.stages) - 1} stages at {len(shapes)} resolutions, from {size(shapes[0])} to "
            f"{size(shapes[-1])}, joined by {len(self.edges)} arrows. Skips: {skips or 'none'}."
        )


def size(shape: Sequence[int]) -> str:
    """`(48, 48, 48)` as "48³", `(40, 56, 40)` as "40×56×40"."""
    if len(set(shape)) == 1:
        return f"{shape[0]}{'²' if len(shape) == 2 else '³'}"
    return "×".join(map(str, shape))


def trace(network: nn.Module, image_shape: Sequence[int], **forward: Any) -> Structure:
    """The structure of `network` as it runs on an image `(N, C, *S)`.

    The boxes are the submodules that `network.stages()` returns by name. If the network has `heads`, all of
    them are run, unless `forward` (such as `depth=2`) selects one pass.
    """
    on_meta: Any = copy.deepcopy(network).to("meta").eval()
    image = torch.empty(*image_shape, device="meta")
    tracer = _Tracer()
    tracer.structure.stages[INPUT] = Stage(INPUT, image.shape[1], tuple(image.shape[2:]), "")
    tracer.record(image, {(INPUT, ()): None})
    for name, module in on_meta.stages().items():
        module.register_forward_pre_hook(partial(tracer.enter, name))
        module.register_forward_hook(partial(tracer.leave, name))
    run = on_meta.heads if hasattr(on_meta, "heads") and not forward else on_meta
    with torch.no_grad(), tracer:
        run(image, **forward)
    return tracer.structure


class _Tracer(TorchFunctionMode):
    """Passes the origins of an operation's inputs on to its outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.structure = Structure()
        self.inside, self.added = False, False
        self.origins: dict[int, tuple[Tensor, dict[Origin, None]]] = {}

    def record(self, tensor: Tensor, origins: dict[Origin, None]) -> None:
        # The tensor is kept, so that no other tensor can get its id.
        self.origins[id(tensor)] = (tensor, origins)

    def of(self, *values: Any) -> dict[Origin, None]:
        found: dict[Origin, None] = {}
        for leaf in tree_leaves(values):
            if isinstance(leaf, Tensor) and id(leaf) in self.origins:
                found |= self.origins[id(leaf)][1]
        return found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operation = _operation(func)
        if self.inside:
            self.added |= operation == ("sum",) and _of_maps(args)
        else:
            origins = {(s, (*way, *operation)): None for s, way in self.of(args, kwargs)}
            for leaf in tree_leaves(out):
                if isinstance(leaf, Tensor) and origins:
                    self.record(leaf, origins)
        return out

    def enter(self, name: str, module: nn.Module, inputs: Any) -> None:
        self.structure.edges += [Edge(source, name, way) for source, way in self.of(inputs)]
        self.inside, self.added = True, False

    def leave(self, name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.inside = False
        shape = tuple(output.shape[2:])
        shortcut = self.added and any(True for _ in module.parameters())
        self.structure.stages[name] = Stage(name, output.shape[1], shape, _content(module), shortcut)
        self.record(output, {(name, ()): None})


def _of_maps(args: Any) -> bool:
    """Whether two maps of one size come in, and not a map and what is added to all of it."""
    shapes = [arg.shape for arg in args if isinstance(arg, Tensor)]
    return len(shapes) == 2 and len(shapes[0]) == len(shapes[1]) and shapes[0][2:] == shapes[1][2:]


def _operation(func: Any) -> tuple[str, ...]:
    """The label of a torch function; empty for those that are not drawn (crops, paddings)."""
    name = getattr(func, "__name__", "").strip("_")
    return next(((label,) for key, label in OPERATIONS.items() if name.startswith(key)), ())


def _content(module: nn.Module) -> str:
    """Such as "2× conv 3³" for two kernels of 3 by 3 by 3; two lines where they differ in size."""
    convs = Counter(size(m.kernel_size) for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    if len(convs) > 2:
        return f"{convs.total()}× conv\n{', '.join(convs)}"
    if convs:
        return "\n".join(f"{n}× conv {kernel}" if n > 1 else f"conv {kernel}" for kernel, n in convs.items())
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        return f"up {size(module.kernel_size)}"
    if isinstance(module, nn.Upsample):
        return f"enlarge ×{module.scale_factor:g}"
    return type(module).__name__.lower()
