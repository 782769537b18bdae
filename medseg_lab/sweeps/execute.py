"""What a worker does: one job, whatever comes of it."""

import socket
import time
import traceback
from typing import Any

from medseg_lab.sweeps.cohorts import shared_cohort
from medseg_lab.sweeps.desk import at_work, check_seen
from medseg_lab.sweeps.jobs import ChapterRun, Job, Look, Outcome, Place, Training
from medseg_lab.sweeps.look import digests
from medseg_lab.sweeps.setting import ONE_AT_A_TIME, fabric_of, judge_of, parts_of, set_up
from medseg_lab.training.budget import Budget
from medseg_lab.training.notation import parse


def execute(job: Job, place: Place, look: Look) -> Outcome:
    """Do a job; what it raises is in the outcome.

    Args:
        job: a training or a chapter.
        place: store and data.
        look: what was seen of the job before the sweep began it.
    """
    host, start = socket.gethostname(), time.perf_counter()
    with ONE_AT_A_TIME:
        try:
            check_seen(place)
            with at_work(job, place), set_up(job, place):
                key, replayed = _do(job, place, look)
        except Exception:
            return Outcome(job.id, host=host, traceback=traceback.format_exc())
    return Outcome(job.id, key, round(time.perf_counter() - start, 3), replayed, host)


def _do(job: Job, place: Place, look: Look) -> tuple[str, bool]:
    """The run's or the executed chapter's key, and whether it was there already."""
    if isinstance(job, ChapterRun):
        from medseg_lab.publishing.execute import run_chapter

        executed = run_chapter(job.section, job.parameters)
        return executed.record.key, executed.replayed
    assert isinstance(job, Training)
    from medseg_lab.training.fit import fit
    from medseg_lab.training.runs import RunStore

    cohort, fabric, recipe = shared_cohort(job.cohort, look.mapped), fabric_of(job.gpus), parse(job.recipe)
    _check_same(parts_of(job, recipe, cohort, fabric), look)
    run = fit(
        recipe,
        cohort,
        Budget(**job.budget),
        job.seed,
        store=RunStore(place.store),
        judge=judge_of(job),
        progress=False,
        fabric=fabric,
    )
    return run.record.key, run.replayed


def _check_same(parts: dict[str, Any], look: Look) -> None:
    """Refuse to train what would not be the run that was looked up.

    Raises:
        RuntimeError: naming what differs.
    """
    other = [name for name, value in digests(parts).items() if value != look.parts[name]]
    if other:
        raise RuntimeError(
            f"run: got other {' and '.join(other)} on {socket.gethostname()} than when the sweep began, "
            f"wanted the same code, data, versions and kind of device on all workers, all the time"
        )
