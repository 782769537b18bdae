"""What a worker finds out about trainings before they begin: their keys, and which are done."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg_lab.sweeps.plan import Training
from medseg_lab.training.notation import parse
from medseg_lab.training.provenance import digest
from medseg_lab.training.recipe import Recipe
from medseg_lab.workers.jobs import conditions

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from medseg_lab.data.cohort import Cohort


@dataclass(frozen=True)
class Place:
    """Where a sweep works.

    Args:
        store: the run store's folder, which all workers must see.
        marker: a file in it, there as long as the sweep lasts.
        neighbours: how many workers share a machine's memory.
    """

    store: str
    marker: str
    neighbours: int = 1

    def check_seen(self) -> None:
        """Check that this worker sees the sweep's store.

        Raises:
            RuntimeError: naming this machine and the folder.
        """
        if not Path(self.marker).is_file():
            raise RuntimeError(
                f"store: the worker on {socket.gethostname()} does not see {self.store} as the sweep does; "
                f"all machines must share that folder (--store)"
            )


@dataclass(frozen=True)
class Check:
    """What is known of a training before it begins.

    Args:
        job: its id.
        key: of its run.
        root: the key of the run that is trained for it: its own, or that of its innermost base.
        done: whether the store holds the run.
        parts: digests of what the key is made of, by name.
        mapped: whether the cohort is to be read from disk, so that all workers' share fits the memory.
        unfit: why the method cannot be trained on this data; "" where it can.
    """

    job: str
    key: str = ""
    root: str = ""
    done: bool = False
    parts: dict[str, str] = field(default_factory=dict)
    mapped: bool | None = None
    unfit: str = ""


def precheck(jobs: Sequence[Training], place: Place, environment: Mapping[str, str]) -> list[Check]:
    """What can be known of trainings on one cohort before they begin.

    Raises:
        ValueError: if the cohort cannot be loaded, or a method cannot be built for it.
        RuntimeError: if this worker does not see the store, or lacks the card that the grid wants.
    """
    from medseg_lab.training.key import key_of
    from medseg_lab.training.runs import RunStore

    with conditions(jobs[0], environment):
        place.check_seen()
        cohort, fabric = shared_cohort(jobs[0].cohort, None), fabric_of(jobs[0].gpus)
        mapped = must_be_mapped(cohort, place.neighbours)
        seen: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {}
        checks = []
        for job in jobs:
            if job.recipe not in seen:  # what all seeds of a recipe share
                recipe = root = parse(job.recipe)
                while root.base is not None:
                    root = root.base
                own, base = (parts_of(job, one, cohort, fabric) for one in (recipe, root))
                seen[job.recipe] = own, base, _unfit(job, recipe, cohort)
            own, base, unfit = seen[job.recipe]
            key, trained = (key_of(parts | {"seed": job.seed}) for parts in (own, base))
            done = RunStore(place.store).find(key) is not None
            checks.append(Check(job.id, key, trained, done, digests(own), mapped, unfit))
        return checks


def digests(parts: dict[str, Any]) -> dict[str, str]:
    """Of what a key is made of, by name."""
    return {name: digest(value)[:12] for name, value in parts.items() if name != "seed"}


def _unfit(job: Training, recipe: Recipe, cohort: "Cohort") -> str:
    """Why the method cannot be trained on the cohort; "" where it can.

    Raises:
        ValueError: if it cannot be built.
    """
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            learner = recipe.build(cohort.task)
    except (ValueError, TypeError) as error:
        raise ValueError(f"recipe {job.recipe!r} on {cohort.id}: {error}") from error
    mine, its = learner.task.spatial_dims, cohort.task.spatial_dims
    if mine > its:
        return f"works in {mine} dimensions, the data has {its}"
    if learner.wants_unlabelled and not cohort.unlabelled:
        return "needs cases without labels, of which there are none: labelled must be less than all"
    return ""


@lru_cache(maxsize=1)
def shared_cohort(which: tuple[str, int | None, int | None], mapped: bool | None) -> "Cohort":
    """The cohort of (data set, most cases, labelled patients); a worker keeps the last for its next job.

    Args:
        which: the arguments of `load_cohort`.
        mapped: whether it is read from disk; None for where one process alone would do so.

    Raises:
        ValueError: as `load_cohort`.
    """
    from medseg_lab.data.cohort import load_cohort

    dataset, cases, labelled = which
    return load_cohort(dataset, cases=cases, labelled=labelled, mapped=mapped)


def must_be_mapped(cohort: "Cohort", neighbours: int) -> bool | None:
    """True where the cohort fits one process, but not as many as share the machine's memory; else None."""
    from medseg_lab.data.loading import SHARE
    from medseg_lab.data.mapped import MappedCase
    from medseg_lab.data.memory import physical_memory

    cases = (*cohort.labelled, *cohort.unlabelled, *cohort.validation)
    held = sum(case.image.nbytes + case.labels.nbytes for case in cases if not isinstance(case, MappedCase))
    return True if held * neighbours > SHARE * physical_memory() else None


def fabric_of(gpus: int) -> "Fabric":
    """A CUDA card, or the CPU.

    Raises:
        RuntimeError: if the grid wants a card and this worker sees none.
    """
    import torch

    from medseg_lab.training.device import make_fabric

    if gpus and not torch.cuda.is_available():
        raise RuntimeError(f"gpus: expected {gpus}, got no CUDA card on {socket.gethostname()}")
    return make_fabric(accelerator="cuda" if gpus else "cpu")


def parts_of(job: Training, recipe: Recipe, cohort: "Cohort", fabric: "Fabric") -> dict[str, Any]:
    """What the key of the training's run is made of, with this recipe in its recipe's place."""
    from medseg_lab.training.budget import Budget
    from medseg_lab.training.device import hardware
    from medseg_lab.training.key import key_parts

    return key_parts(recipe, cohort, Budget(**job.budget), job.seed, judge_of(job), hardware(fabric))


def judge_of(job: Training) -> Recipe:
    """How the training's run is scored."""
    from medseg_lab.evaluation.judge import Judge
    from medseg_lab.training.recipe import recipe

    return recipe(Judge, parts=list(job.parts))
