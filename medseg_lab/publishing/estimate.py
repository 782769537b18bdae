"""What executing chapters will take on this machine, before it is begun.

A chapter that was executed here costs what it cost, less the runs that will be replayed. Of others,
`costs.toml` has what they took on another machine, which is scaled by the cores of both, and the time of a
training step. The table is written from the records of a built book:
`python -m medseg_lab.publishing.estimate`.
"""

import time
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import tomlkit

from medseg_lab.data.wording import counted
from medseg_lab.publishing.execute import RECORD, Executed, Record, Waiting, read_record
from medseg_lab.publishing.house import House, find_house
from medseg_lab.publishing.inputs import ROOT
from medseg_lab.publishing.waiting import Page
from medseg_lab.training.provenance import code_hash
from medseg_lab.training.runs import Run, RunStore, run_store
from medseg_lab.workers.cluster import cores
from medseg_lab.workers.progress import spelled

COSTS = Path(__file__).with_name("costs.toml")
HEAD = """\
What chapters take when nothing is replayed, in seconds by the clock, at each budget, and where: the cores of
the machine, and its seconds for a training step. Written by `python -m medseg_lab.publishing.estimate`."""


@cache
def step_seconds() -> float:
    """Processor time of a training step of a small U-Net on one thread: the shortest of three seconds."""
    import torch

    from medseg_lab.networks.unet import UNet

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = UNet(1, 3, spatial_dims=2)
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
        images, began = torch.zeros(3, 1, 64, 64), time.perf_counter()
        taken: list[float] = []
        while len(taken) < 4 or time.perf_counter() - began < 3:
            start = time.process_time()  # whatever else the machine does at this moment
            optimiser.zero_grad()
            network(images).square().mean().backward()
            optimiser.step()
            taken.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    return min(taken)


def cost(chapter: Waiting) -> float | None:
    """The seconds by the clock that a chapter will take; None if nothing is known of it."""
    if chapter.last is not None:
        return recorded_cost(chapter.last, run_store())
    known = tomllib.loads(COSTS.read_text(encoding="utf-8"))
    there = known.get(str(chapter.parameters.get("budget")), {})
    seconds = there.get("seconds", {}).get(chapter.chapter.section)
    if seconds is None:
        return None
    return seconds * there["cores"] / cores() * step_seconds() / there["step"]


def recorded_cost(record: Record, store: RunStore | None = None) -> float:
    """What the same execution would take now, in seconds by the clock.

    Trainings share the cores. Runs of the store whose code is unchanged will be replayed; without a store,
    none will.
    """
    trained = sum(lesson.get("seconds_trained", 0) for lesson in record.lessons)
    replayed = sum(lesson.get("seconds_replayed", 0) for lesson in record.lessons)
    runs = [name for lesson in record.lessons for name in lesson.get("runs", ())]
    anew = sum(store is None or not _is_replayed(store, name) for name in runs) / len(runs) if runs else 0
    return max(0.0, record.seconds - trained / cores()) + anew * (trained + replayed) / cores()


def _is_replayed(store: RunStore, name: str) -> bool:
    """Whether a run is in the store, and the library's files that it used compute the same today."""
    try:
        sources = Run(store.root / name).record.parts["sources"]
        return all(code_hash(ROOT.parent / file) == value for file, value in sources.items())
    except (OSError, ValueError):
        return False


def sentence(pages: Sequence[Page], costs: Sequence[float | None]) -> str:
    """What the book will take: "6 chapters at class on auto: 4 replayed, 2 to execute: about 12 min ...".

    Args:
        pages: the chapters.
        costs: of those that wait, in seconds; None where it is not known.
    """
    waiting = [page for page in pages if isinstance(page, Waiting)]
    given = [page.record.parameters if isinstance(page, Executed) else page.parameters for page in pages]
    budgets, data = (
        " and ".join(dict.fromkeys(str(values[name]) for values in given if values.get(name)))
        for name in ("budget", "dataset")
    )
    said = f"{counted(len(pages), 'chapter')} at {budgets or 'no budget'} on {data or 'no data set'}: "
    said += f"{len(pages) - len(waiting)} replayed, {len(waiting)} to execute"
    if not waiting:
        return said
    known = [seconds for seconds in costs if seconds is not None]
    if not known:
        return f"{said}: their cost is not known yet (measured on no machine)"
    more = (
        f", and {counted(len(costs) - len(known), 'chapter')} of unknown cost"
        if len(known) < len(costs)
        else ""
    )
    return f"{said}: about {spelled(sum(known))} on this machine ({counted(cores(), 'core')}){more}"


def write_costs(house: House, path: Path = COSTS) -> list[str]:
    """Write into the table what the chapters took on this machine; the budgets that were written."""
    head = "".join(f"# {line}\n" for line in HEAD.splitlines())
    table = tomlkit.parse(path.read_text(encoding="utf-8").removeprefix(head))
    found: dict[str, dict[str, int]] = {}
    for chapter in house.chapters():
        records = [
            read_record(file.parent) for file in (house.executed / chapter.section).glob(f"*/{RECORD}")
        ]
        for record in sorted(records, key=lambda record: record.date):
            budget = str(record.parameters.get("budget"))
            found.setdefault(budget, {})[chapter.section] = round(recorded_cost(record))
    for budget, seconds in found.items():
        table[budget] = {"cores": cores(), "step": round(step_seconds(), 4), "seconds": seconds}
    path.write_text(f"{head}\n{tomlkit.dumps(table).strip()}\n", encoding="utf-8")
    return list(found)


if __name__ == "__main__":
    print(
        f"{COSTS}: written at {' and '.join(write_costs(find_house())) or 'no budget: nothing was executed'}"
    )
