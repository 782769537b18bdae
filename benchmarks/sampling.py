"""The cost of n samples in one call, compared with n calls; and of stacked ensemble members, with a loop.

    python benchmarks/sampling.py [--samples 16] [--patches 2] [--patch 64] [--rounds 9] [--threads 1]

A round takes n samples in one call, then in n calls of one sample each, so that other load slows both
equally: `ratio` is the median over the rounds of the first time over the second. It is below 1 if what the
samples share is computed once. The methods are the configurations of section 4, untrained, because weights do
not change the amount of computation. The ensemble loops over its members. Stacked with `torch.func`, they
form one network with grouped convolutions; the last line gives the largest difference between the two.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.methods import method
from medseg_lab.training.device import hardware, laid_out, lay_out, make_fabric
from medseg_lab.training.notation import parse
from medseg_lab.training.recipe import recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.uncertainty.ensemble import DeepEnsemble

TASK = Task(1, ("background", "a"), 2)


def seconds(call: Callable[[], object]) -> float:
    """The duration of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def paired(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Milliseconds of the first call, and its ratio to the second: medians over rounds, after a warm-up."""
    first(), second()
    times = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return 1e3 * statistics.median(a for a, _ in times), statistics.median(a / b for a, b in times)


def one_by_one(learner: Segmenter, image: Tensor, n: int) -> list[Tensor]:
    """n calls of one sample."""
    return [learner.sample(image, 1) for _ in range(n)]


def together(ensemble: DeepEnsemble, image: Tensor) -> Tensor:
    """The members stacked, `(M, N, K, *S)`."""
    parameters, buffers = stack_module_state(list(ensemble.network))
    network = ensemble.network[0]
    logits = vmap(lambda p, b: functional_call(network, (p, b), (image,)))(parameters, buffers)
    return logits.float().softmax(dim=2)


def main() -> None:
    """Print a row for each method, then the ensemble in both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, value in (("samples", 16), ("patches", 2), ("patch", 64), ("rounds", 9), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    fabric = make_fabric()
    image = laid_out(torch.randn(args.patches, 1, args.patch, args.patch, device=fabric.device))
    table = Table("method", "ms", "ratio", box=SIMPLE_HEAD)
    console = Console(width=100)
    with torch.inference_mode(), fabric.autocast():
        for one in configurations():
            if method(one.method).section.startswith("4"):
                learner: Segmenter = lay_out(parse(one.recipe).build(TASK).to(fabric.device)).eval()
                took, ratio = paired(
                    lambda m=learner: m.sample(image, args.samples),
                    lambda m=learner: one_by_one(m, image, args.samples),
                    args.rounds,
                )
                table.add_row(one.name, f"{took:.1f}", f"{ratio:.2f}")
    console.print(f"{args.samples} samples of {args.patches} patches; {hardware(fabric)}")
    console.print(table)
    ensemble = DeepEnsemble(TASK, network=recipe(UNet), members=4).to(fabric.device).eval()
    with torch.no_grad(), fabric.autocast():
        took, ratio = paired(
            lambda: together(ensemble, image), lambda: ensemble.sample(image, 4), args.rounds
        )
        apart = (together(ensemble, image) - ensemble.sample(image, 4)).abs().max()
    console.print(
        f"stacked members {took:.1f} ms, {ratio:.2f} times the loop; largest difference {apart:.4f}"
    )


if __name__ == "__main__":
    main()
