"""What a training step takes on a CPU, and what of it: convolution, norm, pooling, copies, the rest.

    python benchmarks/step.py [--rounds 7] [--threads 1] [--precision 32-true]

The network is the U-Net at its default widths, with PyTorch's instance norm, with ours, and with none: steps
alternate, so that other load slows all equally, and the minimum of each is printed, with its ratio to ours.
"all PyTorch's" has PyTorch's convolutions, too (`networks/convolution.py` says what ours avoid). The shares
are those of a step with ours, by PyTorch's profiler; copies around a norm count as copies.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from unittest.mock import patch

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.profiler import ProfilerActivity, profile

from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.convolution import Conv2d, Conv3d, ConvTranspose3d
from medseg_lab.networks.norms import InstanceNorm
from medseg_lab.networks.unet import UNet
from medseg_lab.training.device import hardware, laid_out, lay_out, make_fabric

CASES = {
    "24 slices of 64": (24, 1, 64, 64),
    "3 slices of 64": (3, 1, 64, 64),
    "1 volume of 48": (1, 1, 48, 48, 48),
    "3 volumes of 24": (3, 1, 24, 24, 24),
    "24 volumes of 16": (24, 1, 16, 16, 16),
}
KINDS = {  # the first that is part of an operator's name
    "norm": "norm",
    "pool": "pooling",
    "conv": "convolution",
    "mm": "convolution",
    "copy": "copies",
    "cat": "copies",
    "leaky_relu": "activation",
}
CLASSES = 4


def pytorchs(norm: InstanceNorm, x: Tensor) -> Tensor:
    """`InstanceNorm.forward` by `F.instance_norm`."""
    return F.instance_norm(x, weight=norm.weight, bias=norm.bias)


def without(norm: InstanceNorm, x: Tensor) -> Tensor:
    """No norm, and no time."""
    return x


WAYS: dict[str, dict[type[nn.Module], Callable[..., Tensor]]] = {
    "ours": {},
    "F.instance_norm": {InstanceNorm: pytorchs},
    "no norm": {InstanceNorm: without},
    "all PyTorch's": {
        InstanceNorm: pytorchs,
        Conv2d: nn.Conv2d.forward,
        Conv3d: nn.Conv3d.forward,
        ConvTranspose3d: nn.ConvTranspose3d.forward,
    },
}
"""What stands for the library's `forward` of a layer."""


def new_step(shape: tuple[int, ...], low: bool) -> Callable[[], None]:
    """A training step of a fresh network on a fixed batch, as a function."""
    network = lay_out(UNet(shape[1], CLASSES, len(shape) - 2))
    optimiser = AdamW(network.parameters(), fused=True)
    image = laid_out(torch.randn(shape))
    label = torch.randint(CLASSES, (shape[0], *shape[2:]))

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = DiceCE()(network(image), label)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def shares(step: Callable[[], None]) -> dict[str, float]:
    """The kinds of operators, and how much of a step's time each takes."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(3):
            step()
    spent: Counter[str] = Counter()
    for event in seen.key_averages():
        kind = next((kind for part, kind in KINDS.items() if part in event.key.lower()), "rest")
        spent[kind] += event.self_cpu_time_total
    return {kind: part / spent.total() for kind, part in spent.items()}


def main() -> None:
    """Print the milliseconds and ratios, then the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    fabric = make_fabric(args.precision, accelerator="cpu")
    low = fabric.strategy.precision.precision == "bf16-mixed"
    kinds = [*dict.fromkeys(KINDS.values()), "rest"]
    times, parts = Table("a step", *WAYS, box=SIMPLE_HEAD), Table("a step", *kinds, box=SIMPLE_HEAD)
    for title, shape in CASES.items():
        step = new_step(shape, low)
        step()
        best = dict.fromkeys(WAYS, float("inf"))
        for _ in range(args.rounds):
            for way, changed in WAYS.items():
                with ExitStack() as changes:
                    for layer, forward in changed.items():
                        changes.enter_context(patch.object(layer, "forward", forward))
                    begin = time.perf_counter()
                    step()
                    best[way] = min(best[way], time.perf_counter() - begin)
        times.add_row(title, *(f"{1e3 * s:.0f} ms ({s / best['ours']:.2f})" for s in best.values()))
        found = shares(step)
        parts.add_row(title, *(f"{found.get(kind, 0):.0%}" for kind in kinds))
    console = Console(width=110)
    console.print(f"U-Net, one step, {hardware(fabric)}")
    console.print(times)
    console.print("Shares of a step with our norm")
    console.print(parts)


if __name__ == "__main__":
    main()
