"""Run a grid: what is missing, on whatever workers there are."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from medseg_lab.evaluation.wording import counted
from medseg_lab.sweeps.board import Lines, Table
from medseg_lab.sweeps.desk import markers, open_desk
from medseg_lab.sweeps.hands import hired
from medseg_lab.sweeps.jobs import Place
from medseg_lab.sweeps.plan import Plan, read_plan
from medseg_lab.sweeps.summary import Summary, homely
from medseg_lab.sweeps.work import Work
from medseg_lab.training.runs import run_store


def sweep(
    grid: Path | str,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    store: Path | str | None = None,
    dry_run: bool = False,
) -> Summary:
    """Do all that a grid file stands for and that is not done yet; prints how it is getting on.

    What fails is recorded, with its traceback, and the rest go on. A job whose worker was killed is tried
    once more (on a cluster, as often as its scheduler's `allowed-failures` says); its training goes on from
    its last checkpoint. Called again, it does only what is missing.

    In a script this belongs under `if __name__ == "__main__":`, as all that starts processes.

    Args:
        grid: the grid file (`grid.Grid`).
        workers: processes on this machine; None divides its cores among them: cores // threads, or one for
            each CUDA card where the grid takes them.
        scheduler: the address of a Dask scheduler, in place of processes.
        executor: any other `concurrent.futures.Executor` whose calls see the store and the data.
        store: the run store's folder, which all workers must see; None for the usual one.
        dry_run: only say what is there and what is to be done.

    Raises:
        ValueError: for a grid, or a number of workers, that cannot be; before anything runs.
        RuntimeError: if there are no workers, or they see another store.
        KeyboardInterrupt: on Ctrl-C, after the workers of this machine have ended.
    """
    start = time.monotonic()
    plan = read_plan(grid)
    root = (run_store().root if store is None else Path(store).expanduser()).resolve()
    with open_desk(root) as desk, _board(desk) as board:
        work, stood = Work(plan, root, board), ""
        try:
            with hired(plan.grid, desk, workers, scheduler, executor) as hands:
                place = Place(str(root), str(desk), _data(), _house(plan), hands.neighbours)
                jobs = counted(len(plan.jobs), "job")
                board.say(f"{plan.path.name}: {jobs} on {hands.description}; runs in {homely(root)}")
                try:
                    work.look(place, hands.executor)
                    if not dry_run:
                        work.do(place, hands.executor)
                except KeyboardInterrupt:
                    stood = work.stood([marker.job for marker in markers(desk)], hands.endless)
                    raise
        except KeyboardInterrupt:
            board.say(stood or "stopped before anything was begun.")
            raise
    return work.summary(time.monotonic() - start)


@contextmanager
def _board(desk: Path) -> Iterator[Lines]:
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.console import Console

    with Table(Console(), lambda: markers(desk)) as board:
        yield board


def _data() -> str:
    said = os.environ.get("MEDSEG_DATA")
    return str(Path(said).expanduser().resolve()) if said else ""


def _house(plan: Plan) -> str:
    if not plan.chapters:
        return ""
    from medseg_lab.publishing.house import find_house

    return str(find_house().root)
