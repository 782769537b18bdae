"""Sudden death: commands are killed (SIGKILL) at random moments and started again until they are done.

    python benchmarks/kills.py --kills 200
    python benchmarks/kills.py --together 3     (no kills: as many processes do the same at once)

What they leave must be what an undisturbed command leaves, bit by bit: runs, their tables and curves without
the seconds, prepared data, the record, cards, comparisons. Nothing half-written may stay. Prints a row for
each part; ends with 1 if anything differs.

A child is forked from a server that has imported all, so that kills meet the work rather than the imports.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

IMPORTED = [
    "distributed",
    "medseg_lab.cli.app",
    "medseg_lab.cli.comparisons",
    "medseg_lab.data.own.inspection",
    "medseg_lab.evaluation.export",
    "medseg_lab.evaluation.judge",
    "medseg_lab.publishing.execute",
    "medseg_lab.record.add",
    "medseg_lab.show.figure",
    "medseg_lab.sweeps.sweep",
    "medseg_lab.training.fit",
    "medseg_lab.uncertainty.mc_dropout",
]
IN_A_ROUND = 5
"""So many kills at most before a command may end."""
OF_THE_WORK = 0.7
"""A kill comes after a random share of what the undisturbed work takes, up to this one."""
VOLATILE = {"seconds", "judge_seconds", "peak_memory_mb", "started", "files"}
"""Facts of a run that differ each time."""
SUBJECTS = 8
GRID = """
datasets = ["data"]
seeds = 2
budget = {steps = 40, voxels = 1500, patch = 8, cases = 8, checkpoint_seconds = 0.02}

[recipes]
tiny = "Supervised(network=UNet(features=[4, 8], dropout=0.1), spatial_dims=2)"
passes = "MCDropout(learner=Supervised(network=UNet(features=[4, 8], dropout=0.1), spatial_dims=2))"
"""


def use(folder: Path) -> None:
    """Let this process keep all that it leaves in `folder`."""
    os.environ |= {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data-home"),
        "MEDSEG_RUNS": str(folder / "runs"),
        "MEDSEG_RECORD": str(folder / "record"),
        "MEDSEG_PROGRESS": "0",
        "TMPDIR": str(folder / "tmp"),
        "OMP_NUM_THREADS": "1",
    }
    (folder / "tmp").mkdir(exist_ok=True)
    tempfile.tempdir = None
    os.chdir(folder)


def given(folder: Path) -> None:
    """What is there before: a data set in nnU-Net's layout, and a grid beside it."""
    from medseg_lab.data.example import write_example

    write_example(folder / "data", SUBJECTS)
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")


def medseg(*arguments: str) -> None:
    """The command line, in this process."""
    from medseg_lab.cli.app import app

    if code := app(list(arguments), standalone_mode=False):
        sys.exit(code)


def train() -> None:
    """One training, from data that are not prepared yet."""
    import torch

    from medseg_lab.data.cohort import load_cohort
    from medseg_lab.evaluation.judge import Judge
    from medseg_lab.training.budget import Budget
    from medseg_lab.training.fit import fit
    from medseg_lab.training.notation import parse
    from medseg_lab.training.recipe import recipe
    from medseg_lab.training.runs import run_store

    torch.set_num_threads(1)
    method = parse(
        "MCDropout(learner=Supervised(network=UNet(features=[4, 8], dropout=0.1), spatial_dims=2))"
    )
    spent = Budget(steps=150, voxels=3000, patch=8, checkpoint_seconds=0.02)
    judge = recipe(Judge, parts=["validation"])
    fit(method, load_cohort("data", mapped=True), spent, 0, store=run_store(), judge=judge, progress=False)


def prepare() -> None:
    """Data prepared on disk."""
    from medseg_lab.data.cohort import load_cohort

    for labelled in (None, 2):
        load_cohort("data", labelled=labelled, mapped=True)


def sweep() -> None:
    """A sweep on two workers."""
    medseg("sweep", "grid.toml", "--workers", "2")


def sweep_alone() -> None:
    """A sweep on one worker."""
    medseg("sweep", "grid.toml", "--workers", "1")


def add_card() -> None:
    """A card for a folder; a second one would be refused."""
    if Path("data/card.toml").exists():
        return
    try:
        medseg("data", "add", "data")
    except SystemExit:
        if not Path("data/card.toml").exists():
            raise


def record() -> None:
    """All runs on record, in two packs."""
    for line in GRID.strip().splitlines()[-2:]:
        medseg("record", "add", "--method", line.partition(" = ")[2].strip('"'))


def compare() -> None:
    """Comparisons as files."""
    outs = [f"--out={name}" for name in ("found.csv", "found.html", "found.tex")]
    medseg("compare", "--names", "grid.toml", "--figure", "found.png", *outs)


def runs_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Of each run what must be equal: name and digest."""
    import pandas as pd

    for path in sorted((folder / "runs").glob("[!.]*/*")):
        name = f"{path.parent.name}/{path.name}"
        if path.name == "run.json":
            facts = json.loads(path.read_text(encoding="utf-8"))
            same = {k: v for k, v in facts.items() if k not in VOLATILE}
            content = json.dumps(same).replace(str(folder), "here").encode()
            assert facts["files"].keys() == {p.name for p in path.parent.iterdir()} - {path.name}
        elif path.name == "curves.csv":
            content = pd.read_csv(path).drop(columns="seconds").to_csv().encode()
        else:
            content = path.read_bytes()
        yield name, hashlib.sha256(content).hexdigest()


def files_of(*names: str) -> Callable[[Path], Iterator[tuple[str, str]]]:
    """Digests of the files of these names, patterns included."""

    def found(folder: Path) -> Iterator[tuple[str, str]]:
        for path in sorted(path for name in names for path in folder.glob(name) if path.is_file()):
            if path.parent.suffix == ".part":  # what `left_in` counts
                continue
            yield str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()

    return found


def entries_of(folder: Path) -> Iterator[tuple[str, str]]:
    """What is on record: the runs, with their scores."""
    from medseg_lab.record.pack import read_pack

    for path in sorted((folder / "record").glob("[!.]*")):
        pack = read_pack(path)
        for run in pack.runs:
            curves = {name: values for name, values in run.curves.items() if name != "seconds"}
            yield str(run.facts["key"]), f"{run.digest} {run.scores} {curves} {pack.layouts[run.layout]}"


def left_in(folder: Path) -> list[str]:
    """What killed processes left, beside empty folders and locks."""
    patterns = ("**/.writing-*", "**/.sweep.*", "**/.*.json.xz.*", "**/.found.*", "**/.card.toml.*")
    patterns += ("runs/.partial/*/*", "runs/.failed/*", "runs/.broken/*", "**/*.part", "tmp/*")
    return sorted(str(path.relative_to(folder)) for one in patterns for path in folder.glob(one))


def may_stay(name: str) -> bool:
    """Whether it is removed by itself later: after an hour, or a day."""
    return name.startswith(("cache/medseg/prepared/", "tmp/")) or "/prepared/" in name


@dataclass(frozen=True)
class Part:
    """One command.

    Args:
        name: in the table.
        work: the command.
        found: what it leaves, as names and digests.
        victim: who is killed: the `process`, one of its `worker`s, the whole `group`.
        share: of all kills.
        needs: commands whose results are there before.
    """

    name: str
    work: Callable[[], None]
    found: Callable[[Path], Iterator[tuple[str, str]]]
    victim: str = "process"
    share: float = 0.1
    needs: tuple[Callable[[], None], ...] = ()


PREPARED = files_of("cache/**/prepared/*/*.npy")
PARTS = (
    Part("training", train, runs_of, share=0.25),
    Part("prepared data", prepare, PREPARED, share=0.1),
    Part("sweep: a worker", sweep, runs_of, "worker", 0.1),
    Part("sweep: the sweep's process", sweep_alone, runs_of, "process", 0.1),
    Part("sweep: all its processes", sweep, runs_of, "group", 0.1),
    Part("data add", add_card, files_of("data/*.toml"), share=0.1),
    Part("record add", record, entries_of, share=0.15, needs=(sweep,)),
    Part("compare --out", compare, files_of("found.*"), share=0.1, needs=(sweep,)),
)


@dataclass
class Row:
    """What became of a part."""

    part: Part
    kills: int = 0
    starts: int = 0
    rounds: int = 0
    seconds: float = 0.0
    differing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    for_a_while: int = 0

    @property
    def equal(self) -> bool:
        """Whether all is as it was without a kill, and nothing is left."""
        return not (self.differing or self.left)


def _child(works: tuple[Callable[[], None], ...], folder: Path, log: Path, begun: object) -> None:
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    use(folder)
    begun.set()  # type: ignore[attr-defined]
    try:
        for work in works:
            work()
    except (RuntimeError, ValueError) as error:  # as the command line does
        sys.exit(f"error: {error}")


class Killer:
    """Starts commands and kills them.

    Args:
        folder: of all that is made.
        seed: of the moments.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(IMPORTED)
        self.before: dict[tuple[Callable[[], None], ...], Path] = {}

    def start(self, folder: Path, *works: Callable[[], None]) -> BaseProcess:
        """A process that does the work, which has begun."""
        begun = self.context.Event()
        process = self.context.Process(target=_child, args=(works, folder, self.log(folder), begun))
        process.start()
        assert begun.wait(120), self.log(folder).read_text(encoding="utf-8")
        return process

    def log(self, folder: Path) -> Path:
        """What the processes in a folder print."""
        return self.folder / f"{folder.name}.log"

    def place(self, part: Part, name: str) -> Path:
        """A folder with what the part needs; made once, and copied."""
        if part.needs not in self.before:
            made = self.folder / f"given-{len(self.before)}"
            made.mkdir(parents=True)
            given(made)
            self.finish(made, *part.needs)
            self.before[part.needs] = made
        folder = self.folder / name.replace(" ", "-").replace(":", "")
        shutil.copytree(self.before[part.needs], folder)
        return folder

    def finish(self, folder: Path, *works: Callable[[], None]) -> float:
        """Do the work undisturbed; the seconds that it takes."""
        begin = time.monotonic()
        process = self.start(folder, *works)
        process.join(600)
        assert process.exitcode == 0, self.log(folder).read_text(encoding="utf-8")[-3000:]
        return time.monotonic() - begin

    def run(self, part: Part, kills: int) -> Row:
        """As many kills of a part, in as many rounds as they take, each compared with one without kills."""
        row = Row(part)
        whole = self.place(part, f"{part.name} whole")
        row.seconds = self.finish(whole, part.work)
        expected = dict(part.found(whole))
        assert expected, f"{part.name}: nothing to compare in {whole}"
        while row.kills < kills:
            folder = self.place(part, f"{part.name} {row.rounds}")
            self._round(row, folder, min(kills - row.kills, IN_A_ROUND))
            self._compare(row, folder, expected)
            row.rounds += 1
            if row.equal:
                shutil.rmtree(folder)
        shutil.rmtree(whole)
        return row

    def together(self, part: Part, processes: int) -> Row:
        """The same command by several processes at once, compared with one alone."""
        row = Row(part, rounds=1, starts=processes)
        whole, folder = (self.place(part, f"{part.name} {name}") for name in ("alone", "together"))
        row.seconds = self.finish(whole, part.work)
        expected = dict(part.found(whole))
        started = [self.start(folder, part.work) for _ in range(processes)]
        for process in started:
            process.join(600)
            if process.exitcode != 0:
                row.differing.append(f"{folder}: ended with {process.exitcode}, see its log")
        self._compare(row, folder, expected)
        return row

    def _compare(self, row: Row, folder: Path, expected: dict[str, str]) -> None:
        found = dict(row.part.found(folder))
        names = sorted(expected.keys() | found.keys())
        row.differing += [f"{folder}/{name}" for name in names if expected.get(name) != found.get(name)]
        left = left_in(folder)
        row.left += [f"{folder}/{name}" for name in left if not may_stay(name)]
        row.for_a_while += sum(map(may_stay, left))

    def _round(self, row: Row, folder: Path, kills: int) -> None:
        """The same command again and again until it is done, killed up to `kills` times."""
        seen: set[psutil.Process] = set()
        while True:
            process = self.start(folder, row.part.work)
            row.starts += 1
            killed = False
            while kills and not killed and psutil.pid_exists(process.pid):
                process.join(self.chance.uniform(0, OF_THE_WORK * row.seconds))
                if process.exitcode is not None:
                    break
                seen |= set(_children(process.pid))
                if self._kill(row.part.victim, process.pid):
                    row.kills, kills = row.kills + 1, kills - 1
                    killed = row.part.victim != "worker"
            process.join(600)
            if process.exitcode == 0:
                break
            if not killed and row.part.victim != "worker":
                row.differing.append(f"{folder}: ended with {process.exitcode}, see its log")
                break
            if process.exitcode is None:
                row.differing.append(f"{folder}: hangs")
                process.kill()
                break
        _, alive = psutil.wait_procs(list(seen), timeout=60)
        row.left += [f"process {one.pid} of {folder}" for one in alive]

    def _kill(self, victim: str, main: int) -> bool:
        """Kill; whether there was somebody to kill."""
        try:
            if victim == "group":
                os.killpg(main, signal.SIGKILL)
                return True
            workers = [one for one in _children(main) if "spawn_main" in " ".join(one.cmdline())]
            if victim == "worker" and not workers:
                return False
            (self.chance.choice(workers) if victim == "worker" else psutil.Process(main)).kill()
        except (psutil.Error, ProcessLookupError):
            return False
        return True


def _children(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.Error:
        return []


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    head = (
        "| what | kills | starts | rounds | equal | left for a while |\n| --- | --- | --- | --- | --- | --- |"
    )
    lines = [
        f"| {row.part.name} | {row.kills} | {row.starts} | {row.rounds} | {'yes' if row.equal else 'NO'} | "
        f"{row.for_a_while} |"
        for row in rows
    ]
    kills = sum(row.kills for row in rows)
    return "\n".join([head, *lines, f"| all | {kills} | {sum(row.starts for row in rows)} | | | |"])


def main() -> None:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--together", type=int, default=0, help="no kills, but so many processes at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="parts, by the beginning of their names")
    asked = parser.parse_args()
    parts = [one for one in PARTS if not asked.only or one.name.startswith(tuple(asked.only))]
    rows = []
    folder = Path(tempfile.mkdtemp(prefix="medseg-kills-"))
    killer = Killer(folder, asked.seed)
    for part in parts:
        begin = time.monotonic()
        if asked.together:
            row = killer.together(part, asked.together)
        else:
            row = killer.run(part, max(1, round(asked.kills * part.share / sum(p.share for p in parts))))
        rows.append(row)
        took = f"{time.monotonic() - begin:.0f} s; undisturbed {row.seconds:.1f} s"
        print(f"{part.name}: {row.kills} kills, {row.starts} starts in {took}", flush=True)
        for fault in (*row.differing, *row.left):
            print(f"  {fault}", flush=True)
    print(table(rows))
    if not all(row.equal for row in rows):
        print(f"what differs is kept in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
