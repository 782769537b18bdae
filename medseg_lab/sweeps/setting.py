"""What every job finds in its worker: threads, an environment, a device, and no other job."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from medseg_lab.sweeps.jobs import ChapterRun, Job, Place, Training
from medseg_lab.training.budget import Budget
from medseg_lab.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from medseg_lab.data.cohort import Cohort

ONE_AT_A_TIME = threading.Lock()
"""PyTorch's generators belong to the process: two trainings in one would share their chance."""


@contextmanager
def set_up(job: Job, place: Place) -> Iterator[None]:
    """Threads, and the environment that a chapter's own process inherits; put back afterwards."""
    import torch

    said = {
        "OMP_NUM_THREADS": str(job.threads),
        "MEDSEG_RUNS": place.store,
        "MEDSEG_DATA": place.data,
        "MEDSEG_HOME": place.house,
        "MEDSEG_PROGRESS": "0",
    }
    if not job.gpus and isinstance(job, ChapterRun):
        said["CUDA_VISIBLE_DEVICES"] = "-1"
    said = {name: value for name, value in said.items() if value}
    before, threads = {name: os.environ.get(name) for name in said}, torch.get_num_threads()
    os.environ.update(said)
    torch.set_num_threads(job.threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def fabric_of(gpus: int) -> "Fabric":
    """A CUDA card for itself, or the CPU.

    Raises:
        RuntimeError: if the grid wants a card and this worker sees none.
    """
    import torch

    from medseg_lab.training.device import make_fabric

    if gpus and not torch.cuda.is_available():
        raise RuntimeError(f"gpus: the worker on {socket.gethostname()} sees no CUDA card, wanted {gpus}")
    return make_fabric(accelerator="cuda" if gpus else "cpu")


def parts_of(job: Training, recipe: Recipe, cohort: "Cohort", fabric: "Fabric") -> dict[str, Any]:
    """What the key of the training's run is made of, with this recipe in its recipe's place."""
    from medseg_lab.training.device import hardware
    from medseg_lab.training.key import key_parts

    return key_parts(recipe, cohort, Budget(**job.budget), job.seed, judge_of(job), hardware(fabric))


def judge_of(job: Training) -> Recipe:
    """How the training's run is scored."""
    from medseg_lab.evaluation.judge import Judge
    from medseg_lab.training.recipe import recipe

    return recipe(Judge, parts=list(job.parts))
