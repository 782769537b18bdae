"""What a training step costs that reads a volume by planes: counted, and clocked as ratios.

    python benchmarks/directions.py [--rounds 5] [--threads 1] [--shape 64 64 8]

MFNet fuses three directions in one network; WNet with three views trains three networks, a step each. Steps
alternate, so that other load slows all equally, and the minimum of each is printed with its ratio to MFNet's.
The goal: MFNet takes less than three quarters of the three, as the claim `fused-directions-save-time` asks of
the operations.
"""

import argparse
import time
from collections.abc import Callable

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.optim import AdamW

from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.fused_directions import FusedDirections
from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.pseudo_3d import PseudoThreeD
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.wnet import WNet
from medseg_lab.training.device import hardware, laid_out, lay_out, make_fabric

CLASSES = 4
SIDES: dict[str, Callable[[], list[nn.Module]]] = {
    "MFNet": lambda: [UNet(1, CLASSES, 3, block=FusedDirections())],
    "WNet, three views": lambda: [WNet(1, CLASSES, axis=axis) for axis in range(3)],
    "WNet, one view": lambda: [WNet(1, CLASSES)],
    "P3D U-Net": lambda: [UNet(1, CLASSES, 3, block=PseudoThreeD())],
    "3D U-Net": lambda: [UNet(1, CLASSES, 3)],
}
"""The networks that each trains; the first is what the others are compared with."""


def new_step(networks: list[nn.Module], shape: tuple[int, ...]) -> Callable[[], None]:
    """A training step of each network, one after the other, on a fixed volume."""
    image, label = laid_out(torch.randn(shape)), torch.randint(CLASSES, (shape[0], *shape[2:]))
    trained = [(lay_out(one), AdamW(one.parameters(), fused=True)) for one in networks]

    def step() -> None:
        for network, optimiser in trained:
            optimiser.zero_grad()
            DiceCE()(network(image), label).backward()
            optimiser.step()

    return step


def main() -> None:
    """Print parameters, operations, milliseconds and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shape", type=int, nargs=3, default=[64, 64, 8])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape = (1, 1, *args.shape)
    built = {name: build() for name, build in SIDES.items()}
    operations = {name: 3 * sum(flops(one, shape) for one in networks) for name, networks in built.items()}
    steps = {name: new_step(networks, shape) for name, networks in built.items()}
    best = dict.fromkeys(SIDES, float("inf"))
    for _ in range(args.rounds + 1):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            best[name] = min(best[name], time.perf_counter() - begin)
    first = next(iter(SIDES))
    table = Table("a step of", "parameters", "GFLOPs (ratio)", "time (ratio)", box=SIMPLE_HEAD)
    for name, networks in built.items():
        table.add_row(
            name,
            f"{sum(map(parameters, networks)):,}",
            f"{operations[name] / 1e9:.1f} ({operations[name] / operations[first]:.2f})",
            f"{1e3 * best[name]:.0f} ms ({best[name] / best[first]:.2f})",
        )
    console = Console(width=110)
    console.print(
        f"One volume of {'x'.join(map(str, args.shape))}, {hardware(make_fabric(accelerator='cpu'))}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
