"""The graph of a network, found by following its tensors: which stage feeds which, and by what way.

Nothing is declared: one forward pass on PyTorch's meta device (shapes without values) is watched. Every
tensor carries a note of the stages it comes from and of what happened to it since. A stage that receives it
gets an edge for each note. So a skip connection is in the graph if and only if the network uses it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
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
Note = tuple[str, tuple[str, ...]]
"""A stage, and the operations since."""


@dataclass(frozen=True)
class Stage:
    """A box: its name, what it gives out, what it is made of ("2× conv 3²"), whether it has a shortcut."""

    name: str
    channels: int
    shape: tuple[int, ...]
    content: str
    shortcut: bool = False


@dataclass(frozen=True)
class Edge:
    """An arrow, with the operations on its way, such as ("max pooling",)."""

    source: str
    target: str
    way: tuple[str, ...]


@dataclass
class Structure:
    """Stages in the order of computation, and the edges between them. The image is a stage, too."""

    stages: dict[str, Stage] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def progress(self) -> dict[str, int]:
        """How far along each stage is: edges on the longest way from the image."""
        far: dict[str, int] = {}
        for name in self.stages:
            far[name] = max((far[e.source] + 1 for e in self.edges if e.target == name), default=0)
        return far

    def resolutions(self) -> list[tuple[int, ...]]:
        """The shapes at which stages work, finest first (the image itself may be smaller: networks pad)."""
        return sorted({s.shape for s in self.stages.values() if s.name != INPUT}, reverse=True)

    def skips(self) -> list[Edge]:
        """Where a stage reads several tensors: all that come in but the one from furthest along."""
        far = self.progress()
        skips = []
        for name in self.stages:
            incoming = sorted((e for e in self.edges if e.target == name), key=lambda e: far[e.source])
            skips += incoming[:-1]
        return skips

    def describe(self) -> str:
        """One sentence for those who cannot see the diagram."""
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

    A network says what its boxes are: `network.stages()` gives submodules by name. Where it has `heads`,
    all of them are run, unless `forward` (such as `depth=2`) asks for one particular pass.
    """
    ghost: Any = copy.deepcopy(network).to("meta").eval()
    image = torch.empty(*image_shape, device="meta")
    watch = _Watch()
    watch.structure.stages[INPUT] = Stage(INPUT, image.shape[1], tuple(image.shape[2:]), "")
    watch.note(image, {(INPUT, ()): None})
    for name, module in ghost.stages().items():
        module.register_forward_pre_hook(watch.enter(name))
        module.register_forward_hook(watch.leave(name))
    run = ghost.heads if hasattr(ghost, "heads") and not forward else ghost
    with torch.no_grad(), watch:
        run(image, **forward)
    return watch.structure


class _Watch(TorchFunctionMode):
    """Hands the notes of an operation's inputs on to its outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.structure = Structure()
        self.inside, self.added = False, False
        self.notes: dict[int, tuple[Tensor, dict[Note, None]]] = {}

    def note(self, tensor: Tensor, notes: dict[Note, None]) -> None:
        # The tensor is kept, so that its id is not given to another one.
        self.notes[id(tensor)] = (tensor, notes)

    def of(self, *values: Any) -> dict[Note, None]:
        found: dict[Note, None] = {}
        for leaf in tree_leaves(values):
            if isinstance(leaf, Tensor) and id(leaf) in self.notes:
                found |= self.notes[id(leaf)][1]
        return found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operation = _operation(func)
        if self.inside:
            self.added |= operation == ("sum",)
        else:
            notes = {(s, (*way, *operation)): None for s, way in self.of(args, kwargs)}
            for leaf in tree_leaves(out):
                if isinstance(leaf, Tensor) and notes:
                    self.note(leaf, notes)
        return out

    def enter(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any) -> None:
            self.structure.edges += [Edge(source, name, way) for source, way in self.of(inputs)]
            self.inside, self.added = True, False

        return hook

    def leave(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self.inside = False
            shape = tuple(output.shape[2:])
            shortcut = self.added and any(True for _ in module.parameters())
            self.structure.stages[name] = Stage(name, output.shape[1], shape, _content(module), shortcut)
            self.note(output, {(name, ()): None})

        return hook


def _operation(func: Any) -> tuple[str, ...]:
    """What a torch function is called here; nothing for those that do not matter (crops, paddings)."""
    name = getattr(func, "__name__", "").strip("_")
    return next(((label,) for key, label in OPERATIONS.items() if name.startswith(key)), ())


def _content(module: nn.Module) -> str:
    """Such as "2× conv 3³" for two convolutions with kernels of 3 by 3 by 3."""
    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    if convs:
        times = f"{len(convs)}× " if len(convs) > 1 else ""
        return f"{times}conv {size(convs[0].kernel_size)}"
    if isinstance(module, nn.Upsample):
        return f"enlarge ×{module.scale_factor:g}"
    return type(module).__name__.lower()
