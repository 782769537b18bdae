"""What a worker finds out about trainings before they begin: their keys, and which are done."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg_lab.sweeps.plan import Training
from medseg_lab.training.notation import add_own_modules, parse
from medseg_lab.training.provenance import digest
from medseg_lab.workers.fits import unfit
from medseg_lab.workers.jobs import conditions

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

MARKER = "MEDSEG_SWEEP"
"""Variable with a file in the store that is there as long as the sweep: who sees it sees the store."""


@dataclass(frozen=True)
class Check:
    """What is known of a training before it begins.

    Args:
        key: of its run.
        root: the key of the run that is trained for it: its own, or that of the first of its innermost bases.
        done: whether the store holds the run.
        parts: digests of what the key is made of, by name.
        mapped: whether the cohort is to be read from disk, so that all workers' share fits the memory.
        unfit: why the method cannot be trained on this data; "" where it can.
        failed: why the data cannot be loaded, or the method cannot be built for them; "" where they can.
        of_data: whether that is the data's fault, so that it holds for all methods.
    """

    key: str = ""
    root: str = ""
    done: bool = False
    parts: dict[str, str] = field(default_factory=dict)
    mapped: bool | None = None
    unfit: str = ""
    failed: str = ""
    of_data: bool = False


def precheck(jobs: Sequence[Training], environment: Mapping[str, str], neighbours: int) -> dict[str, Check]:
    """By job, what can be known of trainings on one cohort before they begin.

    A cohort that cannot be loaded, and a method that cannot be built for it, are noted: others can.

    Args:
        jobs: the trainings.
        environment: the variables of all jobs.
        neighbours: how many workers share a machine's memory.

    Raises:
        RuntimeError: if this worker does not see the store, or lacks the card that the grid needs.
    """
    from medseg_lab.training.key import key_of
    from medseg_lab.training.runs import run_store

    with conditions(jobs[0], environment):
        check_store()
        check_card(jobs[0])
        try:
            mapped = must_be_mapped(shared_cohort(jobs[0].cohort, None), neighbours)
        except Exception as error:  # whatever is in a folder of a user's own
            return {job.id: Check(failed=in_words(error), of_data=True) for job in jobs}
        seen: dict[str, tuple[dict[str, Any], dict[str, Any], str] | Check] = {}
        checks = {}
        for job in jobs:
            if job.recipe not in seen:  # all seeds of a recipe share the rest
                try:
                    given = fit_arguments(job, None)
                    recipe = root = given["recipe"]
                    while root.changes:
                        root = root.bases[0]
                    reason = unfit(recipe, given["cohort"])
                    seen[job.recipe] = key_parts_of(given), key_parts_of(given | {"recipe": root}), reason
                except Exception as error:  # whatever is in a class of a user's own
                    seen[job.recipe] = Check(failed=in_words(error))
            found = seen[job.recipe]
            if isinstance(found, Check):
                checks[job.id] = found
                continue
            own, base, reason = found
            key, trained = (key_of(parts | {"seed": job.seed}) for parts in (own, base))
            done = run_store().find(key) is not None
            checks[job.id] = Check(key, trained, done, digests(own), mapped, reason)
        return checks


def check_store() -> None:
    """Check that this worker sees the sweep's store.

    Raises:
        RuntimeError: naming this machine and the folder.
    """
    if not Path(os.environ[MARKER]).is_file():
        raise RuntimeError(
            f"store: the worker on {socket.gethostname()} does not see {os.environ['MEDSEG_RUNS']} as the "
            f"sweep does; all machines must share that folder (--store)"
        )


def check_card(job: Training) -> None:
    """Check that this worker has the card that the grid needs.

    Raises:
        RuntimeError: naming this machine.
    """
    import torch

    if job.gpus and not torch.cuda.is_available():
        raise RuntimeError(f"gpus: expected {job.gpus}, got no CUDA card on {socket.gethostname()}")


def in_words(error: Exception) -> str:
    """An error in one line; a sentence of this library needs no type."""
    said = " ".join(str(error).split())
    return said if type(error) in (ValueError, RuntimeError) else f"{type(error).__name__}: {said}"


def fit_arguments(job: Training, mapped: bool | None) -> dict[str, Any]:
    """What `fit` is called with for a training.

    Raises:
        ValueError: if the cohort cannot be loaded.
        RuntimeError: if the grid needs a card and this worker sees none.
    """
    from medseg_lab.evaluation.protocol import judge_of
    from medseg_lab.training.budget import Budget
    from medseg_lab.training.device import make_fabric

    check_card(job)
    if job.modules:
        add_own_modules(job.modules)
    cohort = shared_cohort(job.cohort, mapped)
    return {
        "recipe": parse(job.recipe),
        "cohort": cohort,
        "budget": Budget(**job.budget),
        "seed": job.seed,
        "judge": judge_of(job.parts, job.samples, job.attack, job.thin, cohort.card.scored_regions),
        "fabric": make_fabric(accelerator="cuda" if job.gpus else "cpu"),
        "threads": job.threads,
    }


def key_parts_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """What the key of the run is made of that `fit` makes of these arguments."""
    from medseg_lab.training.device import hardware
    from medseg_lab.training.key import key_parts

    own = {name: value for name, value in arguments.items() if name not in ("fabric", "threads")}
    return key_parts(**own, hardware=hardware(arguments["fabric"], arguments["threads"]))


def digests(parts: dict[str, Any]) -> dict[str, str]:
    """Of what a key is made of, by name."""
    return {name: digest(value)[:12] for name, value in parts.items() if name != "seed"}


@lru_cache(maxsize=1)
def shared_cohort(which: tuple[str, int | None, int | None, int], mapped: bool | None) -> "Cohort":
    """The cohort of (data set, most cases, labelled patients, draw); a worker keeps the last one it had.

    Args:
        which: the arguments of `load_cohort`.
        mapped: whether it is read from disk; None for where one process alone would do so.

    Raises:
        ValueError: as `load_cohort`.
    """
    from medseg_lab.data.cohort import load_cohort

    dataset, cases, labelled, draw = which
    return load_cohort(dataset, cases=cases, labelled=labelled, draw=draw, mapped=mapped)


def must_be_mapped(cohort: "Cohort", neighbours: int) -> bool | None:
    """True where the cohort fits one process, but not as many as share the machine's memory; else None."""
    from medseg_lab.data.loading import SHARE
    from medseg_lab.data.mapped import MappedCase
    from medseg_lab.data.memory import physical_memory

    cases = (*cohort.labelled, *cohort.unlabelled, *cohort.validation)
    held = sum(case.image.nbytes + case.labels.nbytes for case in cases if not isinstance(case, MappedCase))
    return True if held * neighbours > SHARE * physical_memory() else None
