"""What a worker does: one training or one chapter."""

import socket

from medseg_lab.sweeps.plan import ChapterRun, Training
from medseg_lab.sweeps.precheck import Check, check_store, digests, fit_arguments, key_parts_of
from medseg_lab.workers.jobs import Job, variables


def execute(job: Job, check: Check) -> tuple[str, bool]:
    """The key of the run or executed chapter, and whether it was there already.

    Args:
        job: a training or a chapter.
        check: what was found before a training began.

    Raises:
        RuntimeError: if this worker sees another store, or would train another run than was checked.
    """
    check_store()
    if isinstance(job, ChapterRun):
        from medseg_lab.publishing.execute import run_chapter

        with variables({} if job.gpus else {"CUDA_VISIBLE_DEVICES": "-1"}):
            executed = run_chapter(job.section, job.parameters)
        return executed.record.key, executed.replayed
    assert isinstance(job, Training)
    from medseg_lab.training.fit import fit
    from medseg_lab.training.runs import run_store

    given = fit_arguments(job, check.mapped)
    now = digests(key_parts_of(given))
    if other := [name for name, value in now.items() if value != check.parts[name]]:
        raise RuntimeError(
            f"run: {' and '.join(other)} on {socket.gethostname()} changed since the sweep began; code, "
            f"data, versions and kind of device must be the same on all workers, until the end"
        )
    run = fit(**given, store=run_store(), progress=False)
    return run.record.key, run.replayed
