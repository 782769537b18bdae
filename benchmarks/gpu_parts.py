"""The parts of `gpu.py`, which starts each in a process of its own; a part yields its results row by row.

    python benchmarks/gpu_parts.py steps --device cuda --seconds 60 --work build/gpu-work --rows steps.jsonl

On a CPU they take small inputs and few repetitions: that tests them, and measures nothing.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from gpu import TIME_IS_UP
from torch import Tensor, nn

from medseg_lab.data.cohort import Cohort, load_cohort
from medseg_lab.training.begin import begin
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import (
    fast_bfloat16,
    hardware,
    laid_out,
    lay_out,
    make_fabric,
    peak_memory_mb,
    reproducible,
)
from medseg_lab.training.loop import train
from medseg_lab.training.notation import parse
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.supervised import Supervised

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]
Step = Callable[[], Tensor]
WARM_UP = 5
"""Steps before those that are timed: the first ones load kernels and fill memory pools."""


@dataclass(frozen=True)
class Machine:
    """Where a part runs, until when, and where it may write."""

    device: str
    deadline: float
    work: Path

    @property
    def tiny(self) -> bool:
        """Whether the script is only tested."""
        return self.device == "cpu"

    @property
    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()

    @property
    def place(self) -> torch.device:
        """The card, or the CPU."""
        return make_fabric(accelerator=self.device).device

    def repeats(self, setting: "Setting") -> int:
        """Steps that are timed together."""
        return 2 if self.tiny else max(20, min(100, 5_000_000 // setting.voxels))

    def wait(self) -> None:
        """Until the card has done what it was asked for."""
        if self.device == "cuda":
            torch.cuda.synchronize()


@dataclass(frozen=True)
class Setting:
    """A network, and what one of its steps sees."""

    network: str
    patch: tuple[int, ...]
    batch_size: int

    @property
    def recipe(self) -> Recipe:
        """Supervised training."""
        return parse(f"Supervised(network={self.network}, spatial_dims={len(self.patch)})")

    @property
    def voxels(self) -> int:
        """Of one step."""
        return self.batch_size * prod(self.patch)

    def budget(self, steps: int) -> Budget:
        """So many of its steps."""
        return Budget(steps=steps, voxels=self.voxels, patch=max(self.patch))

    def __str__(self) -> str:
        return f"{self.network}, {self.batch_size} x {'x'.join(map(str, self.patch))}"


SMALL_SLICES, SLICES = Setting("UNet()", (64, 64), 3), Setting("UNet()", (64, 64), 24)
VOLUME, VOLUMES = Setting("UNet()", (48, 48, 48), 1), Setting("UNet()", (48, 48, 48), 9)
SETTINGS = [SMALL_SLICES, SLICES, VOLUME, VOLUMES]
TINY = [Setting("UNet(features=[4, 8])", (16, 16), 2), Setting("UNet(features=[4, 8])", (16, 16, 16), 1)]


def settings(machine: Machine) -> list[Setting]:
    return TINY if machine.tiny else SETTINGS


def measured_cohort() -> Cohort:
    """Cases for measurements: 7 labelled ones."""
    return load_cohort("virtual-brain", cases=10)


def machine_facts(machine: Machine) -> Iterator[Row]:
    """Card, versions, precision."""
    row: Row = {"computes on": str(hardware(make_fabric(accelerator=machine.device)))}
    row |= {"cores": os.cpu_count(), "torch": torch.__version__, "CUDA": torch.version.cuda}
    if machine.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        row |= {"memory (GiB)": card.total_memory / 2**30, "cuDNN": torch.backends.cudnn.version()}
    yield row


def tests(machine: Machine) -> Iterator[Row]:
    """The tests marked `gpu`, with their outcome."""
    if importlib.util.find_spec("pytest") is None:
        raise RuntimeError("tests: pytest is not installed here")
    noted = machine.work / "tests.xml"
    noted.unlink(missing_ok=True)
    options = ["-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={noted}"]
    done = subprocess.run([sys.executable, "-m", "pytest", "tests/gpu", *options], cwd=ROOT)
    for test in ElementTree.parse(noted).iter("testcase"):
        found = [kind for kind in ("failure", "error", "skipped") if test.find(kind) is not None]
        yield {
            "test": test.get("name"),
            "outcome": found[0] if found else "passed",
            "seconds": float(test.get("time", 0)),
        }
    if done.returncode:
        raise RuntimeError("tests: some failed; see above")


def bare_step(
    learner: Supervised, image: Tensor, label: Tensor, *, inner: bool = True, capturable: bool = False
) -> Step:
    """One optimiser step in plain PyTorch on a fixed batch, with the learner's network and loss.

    Args:
        learner: moved to the device of the batch.
        image: `(N, C, *S)`.
        label: `(N, *S)`.
        inner: channels last in memory, as in `medseg_lab.training.loop`; else contiguous.
        capturable: whether a CUDA graph can hold it.
    """
    device = image.device.type
    network: nn.Module = learner.to(image.device).network.train()
    if inner:
        lay_out(network)
        image = laid_out(image)
    else:
        image = image.contiguous()
    parameters = list(network.parameters())
    rate = torch.tensor(1e-3, device=image.device) if capturable else 1e-3
    optimiser = torch.optim.AdamW(
        parameters, rate, weight_decay=learner.weight_decay, capturable=capturable, foreach=True
    )
    low = fast_bfloat16(device)

    def step() -> Tensor:
        # Without autocast's cache, whose tensors would outlive the graph that made them.
        with torch.autocast(device, torch.bfloat16, cache_enabled=not capturable) if low else nullcontext():
            logits = network(image)
        loss: Tensor = learner.loss(logits, label)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, learner.clip_norm)
        optimiser.step()
        return loss.detach()

    return step


def fixed(machine: Machine, cohort: Cohort, setting: Setting) -> tuple[Supervised, Tensor, Tensor]:
    """A new learner, and its first batch on the device."""
    fabric = make_fabric(accelerator=machine.device)
    learner, batches = begin(setting.recipe, cohort, setting.budget(1), 0, fabric)
    assert isinstance(learner, Supervised)
    batch = batches.batch(0)
    return learner, batch.image, batch.label


def timed(machine: Machine, act: Callable[[], Any], times: int) -> float:
    """Seconds of one of so many calls, after a warm-up."""
    for _ in range(1 if machine.tiny else WARM_UP):
        act()
    machine.wait()
    start = time.perf_counter()
    for _ in range(times):
        act()
    machine.wait()
    return (time.perf_counter() - start) / times


def rounds(machine: Machine, sides: Mapping[str, Callable[[], float]], seconds: float) -> dict[str, float]:
    """The least seconds of each side, which take turns until the time is up; once for all at least."""
    end = time.monotonic() + seconds
    times: dict[str, list[float]] = {name: [] for name in sides}
    while True:
        for name, side in sides.items():
            times[name].append(side())
        if machine.tiny or time.monotonic() > end:
            return {name: min(found) for name, found in times.items()}


def our_loop(
    machine: Machine, cohort: Cohort, setting: Setting, steps: int, deterministic: bool = True
) -> float:
    """Seconds of a step of the library's loop, batches included; `fit` runs it with deterministic kernels."""
    marks: list[float] = []
    fabric, budget = make_fabric(accelerator=machine.device), setting.budget(WARM_UP + steps)

    def watch(step: int) -> None:
        if step in (WARM_UP - 1, WARM_UP + steps - 1):
            machine.wait()
            marks.append(time.perf_counter())

    with (
        reproducible(fabric.device) if deterministic else nullcontext(),
        tempfile.TemporaryDirectory() as folder,
    ):
        learner, batches = begin(setting.recipe, cohort, budget, 0, fabric)
        train(learner, batches, budget, 0, fabric, Checkpoints(Path(folder), 1e9), watch=watch)
    return (marks[1] - marks[0]) / steps


def usual_loop(machine: Machine, cohort: Cohort, setting: Setting, steps: int, workers: int) -> float:
    """Seconds of a step of the usual MONAI loop, batches included."""
    import usual_loop as usual

    learner = setting.recipe.build(cohort.task)
    low, dims = fast_bfloat16(machine.device), len(setting.patch)
    _, step = usual.step_of(learner, WARM_UP + steps, machine.device, low)
    drawn = usual.batches(
        cohort, dims, setting.patch, setting.batch_size, WARM_UP + steps, machine.device, workers
    )
    start = 0.0
    for number, (image, label) in enumerate(drawn):
        if number == WARM_UP:
            machine.wait()
            start = time.perf_counter()
        step(number, image, label)
    machine.wait()
    return (time.perf_counter() - start) / steps


def steps(machine: Machine) -> Iterator[Row]:
    """Milliseconds of a step: bare, in our loop, in the usual one with 2 and with 8 workers of its loader.

    Ours alone has deterministic kernels; how long it takes without them is there, too.
    """
    cohort, chosen = measured_cohort(), settings(machine)
    for number, setting in enumerate(chosen):
        repeats = machine.repeats(setting)
        bare = bare_step(*fixed(machine, cohort, setting))
        sides: dict[str, Callable[[], float]] = {
            "bare": partial(timed, machine, bare, repeats),
            "ours": partial(our_loop, machine, cohort, setting, repeats),
        }
        if machine.device == "cuda":  # a CPU's kernels are deterministic
            sides["ours, free"] = partial(our_loop, machine, cohort, setting, repeats, deterministic=False)
        for workers in (2,) if machine.tiny else (2, 8):
            terms = (machine, cohort, setting, repeats, workers)
            sides[f"usual, {workers} workers"] = partial(usual_loop, *terms)
        least = rounds(machine, sides, 0.8 * machine.left / (len(chosen) - number))
        usual = min(value for name, value in least.items() if name.startswith("usual"))
        yield {
            "setting": str(setting),
            **{f"{name} (ms)": 1000 * value for name, value in least.items()},
            "ours / bare": least["ours"] / least["bare"],
            "usual / ours": usual / least["ours"],
        }


def layouts(machine: Machine) -> Iterator[Row]:
    """Milliseconds of a bare step, contiguous in memory and channels last; deterministic, as in `fit`."""
    cohort = measured_cohort()
    chosen = settings(machine) if machine.tiny else [*SETTINGS, Setting("VNet()", (48, 48, 48), 9)]
    for number, setting in enumerate(chosen):
        sides = {}
        for name, inner in {"contiguous": False, "channels last": True}.items():
            act = bare_step(*fixed(machine, cohort, setting), inner=inner)
            sides[name] = partial(timed, machine, act, machine.repeats(setting))
        with reproducible(machine.place):
            least = rounds(machine, sides, 0.8 * machine.left / (len(chosen) - number))
        yield {
            "setting": str(setting),
            **{f"{name} (ms)": 1000 * value for name, value in least.items()},
            "contiguous / channels last": least["contiguous"] / least["channels last"],
        }


def graphs(machine: Machine) -> Iterator[Row]:
    """Milliseconds of a bare step as it is and replayed as a CUDA graph, and whether losses agree.

    With deterministic kernels, as in `fit`, and without; what cannot be captured is a row with its error.
    """
    cohort = measured_cohort()
    todo = [(each, strict) for strict in (False, True) for each in settings(machine)]
    for number, (setting, strict) in enumerate(todo):
        row: Row = {"setting": str(setting), "deterministic": strict}
        with reproducible(machine.place) if strict else nullcontext():
            try:
                row |= _replayed(machine, cohort, setting, 0.8 * machine.left / (len(todo) - number))
            except RuntimeError as error:
                row["error"] = str(error).strip().splitlines()[0]
        yield row


def _replayed(machine: Machine, cohort: Cohort, setting: Setting, seconds: float) -> Row:
    repeats = machine.repeats(setting)
    eager = bare_step(*fixed(machine, cohort, setting), capturable=machine.device == "cuda")
    if machine.device != "cuda":
        return {"eager (ms)": 1000 * timed(machine, eager, repeats)}
    replay, loss = captured(bare_step(*fixed(machine, cohort, setting), capturable=True))
    for _ in range(WARM_UP):  # as many as before the capture, which itself takes no step
        eager()
    losses = {}
    for _ in range(3):
        replay()
        losses = {"loss, eager": float(eager()), "loss, graph": float(loss)}
    sides = {
        "eager": partial(timed, machine, eager, repeats),
        "graph": partial(timed, machine, replay, repeats),
    }
    least = rounds(machine, sides, seconds)
    return {
        **{f"{name} (ms)": 1000 * value for name, value in least.items()},
        "eager / graph": least["eager"] / least["graph"],
        **losses,
    }


def captured(step: Step) -> tuple[Callable[[], None], Tensor]:
    """The step as a CUDA graph after `WARM_UP` steps; and where its loss is found after each replay."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()

    def replay(kept: Step = step) -> None:  # the graph reads and writes the tensors of the step
        graph.replay()

    return replay, loss


class _Over(Exception):
    """The time of a measurement is up."""


def _train_beside(
    device: str, chosen: list[Setting], seconds: float, barrier: Any, results: Any, number: int
) -> None:
    """One of several processes on a card: counts its steps in the same seconds as the others."""
    torch.set_num_threads(1)
    machine = Machine(device, float("inf"), Path())
    cohort, fabric = measured_cohort(), make_fabric(accelerator=device)
    for index, setting in enumerate(chosen):
        budget, marks = setting.budget(10**6), [0.0, 0.0]

        def watch(step: int, marks: list[float] = marks) -> None:
            if step < WARM_UP - 1:
                return
            machine.wait()
            if step == WARM_UP - 1:
                barrier.wait(120)
                marks[0] = time.perf_counter()
            elif (passed := time.perf_counter() - marks[0]) > seconds:
                marks[1] = (step - WARM_UP + 1) / passed
                raise _Over

        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with reproducible(fabric.device), tempfile.TemporaryDirectory() as folder:
            learner, batches = begin(setting.recipe, cohort, budget, number, fabric)
            try:
                train(learner, batches, budget, number, fabric, Checkpoints(Path(folder), 1e9), watch=watch)
            except _Over:
                results.put((index, marks[1], peak_memory_mb(fabric.device)))


def together(machine: Machine) -> Iterator[Row]:
    """Steps a second of k trainings at once on one card, a process with one thread each."""
    chosen = TINY[:1] if machine.tiny else [SMALL_SLICES, SLICES, VOLUME]
    numbers = (2,) if machine.tiny else tuple(k for k in (1, 2, 4, 8) if k <= (os.cpu_count() or 1))
    measured_cohort()  # made once, before several processes want it
    context = multiprocessing.get_context("spawn")
    first: dict[int, float] = {}
    for position, k in enumerate(numbers):
        # half of the time that each number has goes to starting processes
        seconds = 0.3 if machine.tiny else 0.5 * machine.left / (len(numbers) - position) / len(chosen)
        barrier, results = context.Barrier(k), context.Queue()
        terms = (machine.device, chosen, seconds, barrier, results)
        beside = [context.Process(target=_train_beside, args=(*terms, n), daemon=True) for n in range(k)]
        for process in beside:
            process.start()
        found = [_next(results, beside, machine.left) for _ in range(k * len(chosen))]
        for process in beside:
            process.join()
        for index, setting in enumerate(chosen):
            rate = sum(each[1] for each in found if each[0] == index)
            first.setdefault(index, rate)
            yield {
                "setting": str(setting),
                "trainings": k,
                "steps/s together": rate,
                "times the first": rate / first[index],
                "memory each (MB)": max(each[2] for each in found if each[0] == index),
            }


def _next(results: Any, processes: list[Any], seconds: float) -> Any:
    """What one of the processes puts next.

    Raises:
        RuntimeError: if one ends with an error.
        TimeoutError: if the time is up.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return results.get(timeout=0.5)
        except queue.Empty:
            if any(process.exitcode for process in processes):
                raise RuntimeError("a training ended with an error; see above") from None
    raise TimeoutError("the time is up")


LATER = ("SE U-Net", "Deformable U-Net", "MFNet", "SegResNet", "DynUNet")
METHODS = ("U-Net", "U-Net without skips", "U-Net++", "FCN-8s", "3D U-Net", "V-Net", *LATER)
DATASETS = ("virtual-brain", "msd-hippocampus", "virtual-brain+lesion")
SEEDS = 5
GRID = Budget(steps=1500, voxels=100_000, patch=64, cases=60, checkpoint_seconds=5)
TINY_GRID = Budget(steps=3, voxels=64**2, patch=64, cases=10)


def grid(machine: Machine) -> Iterator[Row]:
    """Trainings of the grid, several at once, until the time is up; finished ones are replayed."""
    jobs, workers = grid_jobs(machine), grid_workers(machine)
    context = multiprocessing.get_context("spawn")
    waiting, results = context.Queue(), context.Queue()
    budget = TINY_GRID if machine.tiny else GRID
    terms = (machine.device, budget, machine.work / "runs")
    beside = [
        context.Process(target=_train_grid, args=(*terms, waiting, results), daemon=True)
        for _ in range(workers)
    ]
    for process in beside:
        process.start()
    made: set[str] = set()
    for job in jobs:
        if job[0] not in made:  # virtual subjects are drawn once, while others are trained on
            load_cohort(job[0], cases=budget.cases)
            made.add(job[0])
        waiting.put(job)
    for _ in beside:
        waiting.put(None)
    failed = 0
    for _ in jobs:
        row = _next(results, beside, machine.left)
        failed += "error" in row
        yield row
    if failed:
        raise RuntimeError(f"grid: {failed} of {len(jobs)} trainings failed")


def grid_jobs(machine: Machine) -> list[tuple[str, str, int]]:
    """(data set, method, seed): all methods and data sets with one seed before the next seed."""
    from medseg_lab.data.choose import choose

    found = []
    for dataset in DATASETS:
        try:
            choose(dataset)
        except ValueError as error:
            print(f"{dataset} is left out: {error}")
        else:
            found.append(dataset)
    if machine.tiny:
        return [("virtual-brain", "FCN-8s", seed) for seed in (0, 1)]
    return [(dataset, method, seed) for seed in range(SEEDS) for dataset in found for method in METHODS]


def grid_workers(machine: Machine) -> int:
    """As many as made the most steps a second with slices, if that was measured; else one for four cores."""
    if machine.tiny:
        return 1
    noted = machine.work / "together.jsonl"
    rows = [json.loads(line) for line in noted.read_text().splitlines()] if noted.is_file() else []
    rows = [row for row in rows if row["setting"] == str(SLICES)]
    if rows:
        return int(max(rows, key=lambda row: row["steps/s together"])["trainings"])
    return max(1, min(4, (os.cpu_count() or 1) // 4))


def _train_grid(device: str, budget: Budget, store: Path, waiting: Any, results: Any) -> None:
    from medseg_lab.evaluation.protocol import Protocol, named
    from medseg_lab.training.fit import fit
    from medseg_lab.training.runs import RunStore

    torch.set_num_threads(1)
    cohorts: dict[str, Cohort] = {}
    while (job := waiting.get()) is not None:
        dataset, method, seed = job
        row: Row = {"data set": dataset, "method": method, "seed": seed}
        try:
            if dataset not in cohorts:
                cohorts[dataset] = load_cohort(dataset, cases=budget.cases)
            protocol = Protocol(cohorts[dataset], budget, RunStore(store), seeds=1)
            fabric = make_fabric(accelerator=device)
            more: dict[str, Any] = {"store": protocol.store, "judge": protocol.judge, "progress": False}
            run = fit(named([method])[method], protocol.cohort, budget, seed, fabric=fabric, **more)
            row |= {
                "state": "done before" if run.replayed else "trained",
                "seconds": run.record.seconds,
                "judging (s)": run.record.judge_seconds,
                "loss": statistics.mean(run.curves.iloc[-10:, 3]),
                "Dice": float("nan") if run.cases is None else float(run.cases["dice"].mean()),
            }
        except Exception as error:  # the others go on
            traceback.print_exc()
            row["error"] = f"{type(error).__name__}: {error}"
        results.put(row)


PARTS: dict[str, Callable[[Machine], Iterator[Row]]] = {
    "machine": machine_facts,
    "tests": tests,
    "steps": steps,
    "layouts": layouts,
    "graphs": graphs,
    "together": together,
    "grid": grid,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, required=True, help="until it is killed")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    args = parser.parse_args()
    # importing has taken some of the seconds, and the last measurement may take longer than it should
    limit = max(0.5 * args.seconds, 0.9 * args.seconds - 8)
    machine = Machine(args.device, time.monotonic() + limit, args.work)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("device: expected a CUDA card, got none (--device cpu tests the script)")
    with args.rows.open("w", encoding="utf-8") as file:
        try:
            for row in PARTS[args.part](machine):
                print(row, flush=True)
                file.write(json.dumps(row) + "\n")
                file.flush()
        except TimeoutError:
            sys.exit(TIME_IS_UP)


if __name__ == "__main__":
    main()
