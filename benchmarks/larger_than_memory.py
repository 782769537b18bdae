"""Cohorts larger than memory: the cost of preparing them on disk and of training from disk.

    python benchmarks/larger_than_memory.py [--subjects 200] [--steps 30] [--rounds 5] [--resolution 1]

Virtual subjects at 1 mm: 160x192x160 voxels, image in float32 and labels in uint8, 24.6 MB each. Each part
below runs in its own process, and its memory is the peak of that process (`ru_maxrss`, which includes the
pages of mapped files while they are mapped):

- floor: imports and steps on one small volume in memory; the minimum for the other parts;
- template: the anatomy that all subjects share, computed once on a machine and kept;
- prepare: the mapped cohort, including the test part, from an empty cache;
- volumes, slices: steps of the chapter's U-Net on patches or slices from those files;
- alternating: blocks of steps from disk and from memory. `--held` sets the number of subjects in memory; both
  sides draw from these subjects, so that the patches are the same. "Cold" is from disk after the system was
  asked to drop the files' cached pages, as for a cohort larger than memory. "Data alone" has no network.

Goals: peaks below a quarter of the data's size; a step from disk takes at most 1.3 times a step from memory.
The temporary cache (see TMPDIR) is removed at the end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from medseg_lab.data import catalogue, prepared
from medseg_lab.data.batch import Batch
from medseg_lab.data.batches import Batches
from medseg_lab.data.case import Case
from medseg_lab.data.cohort import Cohort, load_cohort
from medseg_lab.data.task import Task
from medseg_lab.data.virtual.templates import templates
from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import budget
from medseg_lab.training.device import fast_bfloat16, laid_out, lay_out, peak_memory_mb

DIMS = {"volumes": 3, "slices": 2}
QUARTER, RATIO = 1 / 4, 1.3


def mapped_cohort(args: argparse.Namespace) -> Cohort:
    """The virtual subjects, with the given number and resolution."""
    card = catalogue.load_card("virtual-brain")
    settings = {"resolution": args.resolution}
    changed = card.model_dump() | {"virtual": {"subjects": args.subjects, "seed": 0, "settings": settings}}
    catalogue.load_card = lambda dataset: card.model_validate(changed)  # this process does nothing else
    return load_cohort("virtual-brain", mapped=True)


def batches(cohort: Cohort, dims: int) -> Batches:
    """Batches as in a chapter with the budget `class`."""
    spend = budget("class")
    task = Task(cohort.task.channels, cohort.task.classes, dims)
    return Batches(cohort, task, spend.voxels, spend.patch)


def trainer(cohort: Cohort, dims: int) -> Callable[[Batch], None]:
    """An optimiser step of the chapter's U-Net, as in `fit` on a CPU."""
    torch.manual_seed(0)
    network = lay_out(UNet(cohort.task.channels, len(cohort.task.classes), spatial_dims=dims))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    low = fast_bfloat16("cpu")

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = DiceCE()(network(laid_out(batch.image)), batch.label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def seconds(source: Batches, step: Callable[[Batch], None], first: int, n: int) -> float:
    """Seconds per step, with its batch."""
    start = time.perf_counter()
    for number in range(first, first + n):
        step(source.batch(number))
    return (time.perf_counter() - start) / n


def in_memory(cohort: Cohort, n: int) -> tuple[Cohort, Cohort]:
    """The first `n` training cases: on disk, and in memory."""
    few = cohort.labelled[:n]
    held = tuple(Case(c.id, c.patient, c.image.clone(), c.labels.clone(), c.spacing) for c in few)
    return replace(cohort, labelled=few), replace(cohort, labelled=held)


def floor(args: argparse.Namespace) -> dict[str, Any]:
    """Steps on one volume slightly larger than a patch."""
    card = catalogue.load_card("virtual-brain")
    image, label = torch.randn(1, 64, 64, 64), torch.zeros(1, 64, 64, 64, dtype=torch.uint8)
    cases = (Case("c", "c", image, label, (1.0, 1.0, 1.0)),)
    cohort = Cohort(card, cases, (), (), "", 1, 0, lambda: ())
    seconds(batches(cohort, 3), trainer(cohort, 3), 0, 3)
    return {}


def template(args: argparse.Namespace) -> dict[str, Any]:
    """The maps of the template, from an empty cache."""
    templates(args.resolution)
    return {}


def prepare(args: argparse.Namespace) -> dict[str, Any]:
    """All cases, from an empty cache."""
    start = time.perf_counter()
    cohort = mapped_cohort(args)
    cohort.open_test("benchmark: the whole cohort on disk")
    took = time.perf_counter() - start
    size = sum(file.stat().st_size for file in prepared.folder().rglob("*.npy"))
    return {"seconds": took, "bytes": size, "described": cohort.describe()}


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Steps with patches from disk."""
    cohort, dims = mapped_cohort(args), DIMS[args.part]
    return {"step": seconds(batches(cohort, dims), trainer(cohort, dims), 0, args.steps)}


def drop_pages() -> None:
    """Ask the system to drop the cached pages of the prepared files."""
    for path in prepared.folder().rglob("*.npy"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def alternating(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds per step, medians over the rounds, by computation and by where the cases are."""
    disk, memory = in_memory(mapped_cohort(args), args.held)
    found: dict[str, dict[str, float]] = {}
    for name, dims in DIMS.items():
        sources = {"memory": batches(memory, dims), "disk": batches(disk, dims)}
        for step in range(3):
            ours, theirs = (source.batch(step) for source in sources.values())
            assert torch.equal(ours.image, theirs.image)
            assert torch.equal(ours.label, theirs.label)
        for title, step in (("U-Net", trainer(disk, dims)), ("data alone", lambda batch: None)):
            times: dict[str, list[float]] = {"memory": [], "disk": [], "cold": []}
            for number in range(args.rounds + 1):
                for where, values in times.items():
                    if where == "cold":
                        drop_pages()
                    source = sources["memory" if where == "memory" else "disk"]
                    values.append(seconds(source, step, number * args.steps, args.steps))
            # The first round warms up.
            found[f"{name}, {title}"] = {k: statistics.median(v[1:]) for k, v in times.items()}
    return {"steps": found}


PARTS = {
    "floor": floor,
    "template": template,
    "prepare": prepare,
    "volumes": train,
    "slices": train,
    "alternating": alternating,
}


def run(part: str, options: list[str], cache: str) -> dict[str, Any]:
    """Run the part in its own process."""
    command = [sys.executable, __file__, *options, "--part", part]
    done = subprocess.run(
        command, env={**os.environ, "XDG_CACHE_HOME": cache}, stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(found: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    """Print the results, and whether the goals are met."""
    out, size = Console(), found["prepare"]["bytes"]
    out.print(found["prepare"]["described"])
    took = found["prepare"]["seconds"]
    out.print(
        f"Prepared in {took:.0f} s ({took / args.subjects:.2f} s per subject); {size / 1e9:.2f} GB on disk."
    )
    peaks = Table(title=f"Peak resident memory, with {size / 1e6:.0f} MB of data")
    for column in ("process", "MB", "share of the data", f"goal {QUARTER}"):
        peaks.add_column(column, justify="left" if column == "process" else "right")
    for part in ("floor", "template", "prepare", *DIMS):
        share = found[part]["peak_mb"] * 1e6 / size
        peaks.add_row(
            part, f"{found[part]['peak_mb']:.0f}", f"{share:.2f}", "yes" if share < QUARTER else "no"
        )
    out.print(peaks)
    ratios = Table(title=f"ms per step, medians of {args.rounds} rounds of {args.steps}")
    for column in ("", "memory", "disk", "cold", "disk : memory", "cold : memory", f"goal {RATIO}"):
        ratios.add_column(column, justify="right" if column else "left")
    for name, times in found["alternating"]["steps"].items():
        ratio, cold = times["disk"] / times["memory"], times["cold"] / times["memory"]
        cells = [f"{1000 * s:.1f}" for s in times.values()]
        ratios.add_row(name, *cells, f"{ratio:.2f}", f"{cold:.2f}", "yes" if ratio <= RATIO else "no")
    out.print(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--held", type=int, default=40, help="subjects in memory")
    parser.add_argument("--resolution", type=int, default=1, help="mm per voxel")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        found = PARTS[args.part](args)
        print(json.dumps({**found, "peak_mb": peak_memory_mb(torch.device("cpu"))}))
        return
    with tempfile.TemporaryDirectory(prefix="medseg-larger-") as cache:
        report({part: run(part, sys.argv[1:], cache) for part in PARTS}, args)
    assert not Path(cache).exists()


if __name__ == "__main__":
    main()
