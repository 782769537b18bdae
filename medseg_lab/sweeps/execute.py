"""What a worker does: one training or one chapter."""

import socket

from medseg_lab.sweeps.plan import ChapterRun, Training
from medseg_lab.sweeps.precheck import Check, Place, digests, fabric_of, judge_of, parts_of, shared_cohort
from medseg_lab.training.budget import Budget
from medseg_lab.training.notation import parse
from medseg_lab.workers.jobs import Job, variables


def execute(job: Job, place: Place, check: Check | None) -> tuple[str, bool]:
    """The key of the run or executed chapter, and whether it was there already.

    Args:
        job: a training or a chapter.
        place: where the sweep works.
        check: what was found before the training began; None for a chapter.

    Raises:
        RuntimeError: if this worker sees another store, or would train another run than was checked.
    """
    place.check_seen()
    if isinstance(job, ChapterRun):
        from medseg_lab.publishing.execute import run_chapter

        with variables({} if job.gpus else {"CUDA_VISIBLE_DEVICES": "-1"}):
            executed = run_chapter(job.section, job.parameters)
        return executed.record.key, executed.replayed
    assert isinstance(job, Training)
    assert check is not None
    from medseg_lab.training.fit import fit
    from medseg_lab.training.runs import RunStore

    cohort, fabric, recipe = shared_cohort(job.cohort, check.mapped), fabric_of(job.gpus), parse(job.recipe)
    parts = digests(parts_of(job, recipe, cohort, fabric))
    if other := [name for name, value in parts.items() if value != check.parts[name]]:
        raise RuntimeError(
            f"run: {' and '.join(other)} on {socket.gethostname()} changed since the sweep began; code, data, "
            f"versions and kind of device must be the same on all workers, until the end"
        )
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
