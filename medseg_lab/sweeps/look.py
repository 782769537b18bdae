"""What a worker sees of trainings before they begin: their keys, and which are done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from medseg_lab.sweeps.cohorts import must_be_mapped, shared_cohort
from medseg_lab.sweeps.desk import check_seen
from medseg_lab.sweeps.jobs import Look, Place, Training
from medseg_lab.sweeps.setting import ONE_AT_A_TIME, fabric_of, parts_of, set_up
from medseg_lab.training.notation import parse
from medseg_lab.training.provenance import digest
from medseg_lab.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from medseg_lab.data.cohort import Cohort


class _Seen(NamedTuple):
    """What is the same for all seeds of a recipe: what its run's key and its innermost base's are made of."""

    parts: dict[str, Any]
    root: dict[str, Any]
    unfit: str


def look_at(jobs: Sequence[Training], place: Place) -> list[Look]:
    """What can be known of trainings on one cohort before they begin.

    Raises:
        ValueError: if the cohort cannot be loaded, or a method cannot be built for it.
        RuntimeError: if this worker does not see the store, or lacks the card that the grid wants.
    """
    from medseg_lab.training.key import key_of
    from medseg_lab.training.runs import RunStore

    with ONE_AT_A_TIME, set_up(jobs[0], place):
        check_seen(place)
        cohort, fabric = shared_cohort(jobs[0].cohort, None), fabric_of(jobs[0].gpus)
        mapped = must_be_mapped(cohort, place.neighbours)
        first = {job.recipe: job for job in reversed(jobs)}
        seen = {recipe: _seen(job, cohort, fabric) for recipe, job in first.items()}
        found = []
        for job in jobs:
            parts, root, unfit = seen[job.recipe]
            key, base = (key_of(one | {"seed": job.seed}) for one in (parts, root))
            done = RunStore(place.store).find(key) is not None
            found.append(Look(job.id, key, base, done, digests(parts), mapped, unfit))
        return found


def digests(parts: dict[str, Any]) -> dict[str, str]:
    """Of what a key is made of, by name."""
    return {name: digest(value)[:12] for name, value in parts.items() if name != "seed"}


def _seen(job: Training, cohort: "Cohort", fabric: "Fabric") -> _Seen:
    recipe = root = parse(job.recipe)
    while root.base is not None:
        root = root.base
    own, base = (parts_of(job, one, cohort, fabric) for one in (recipe, root))
    return _Seen(own, base, _unfit(job, recipe, cohort))


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
        return "wants cases without labels, of which there are none: labelled must be less than all"
    return ""
