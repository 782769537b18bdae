"""What a run is known by: all that can change it."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from medseg_lab.training.budget import Budget
from medseg_lab.training.hardware import Hardware
from medseg_lab.training.provenance import PACKAGE, digest, note_own, sources
from medseg_lab.training.recipe import Recipe

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

LOOP = ("medseg_lab.training.begin", "medseg_lab.training.loop")
VERSIONS = ("torch", "numpy")


def key_parts(
    recipe: Recipe, cohort: "Cohort", budget: Budget, seed: int, judge: Recipe | None, hardware: Hardware
) -> dict[str, Any]:
    """All that can change a run, as plain data: two runs with equal parts have equal bits on one machine.

    Of the budget only what training sees counts: not its name, nor how often it saves, nor the seeds of a
    comparison; the cap on cases is in the cohort's fingerprint, and so is all that makes its cases. The
    sources are those of the learner, the loop and the batches, with what they import, and apart from them
    what the judge adds (`training_key`); of each file counts what it computes, not its wording
    (`provenance.code_hash`).

    Raises:
        RuntimeError: for a file of the user's own that was edited after it was imported.
    """
    packages = (*VERSIONS, "monai") if recipe.uses_monai else VERSIONS  # its files are not followed
    files = sources({*LOOP, *recipe.modules})
    judging = sources(judge.modules) if judge else {}
    for module in recipe.modules:
        if not module.startswith(f"{PACKAGE}."):
            note_own(module)
    return {
        "recipe": recipe.to_dict(),
        "judge": judge.to_dict() if judge else None,
        "cohort": cohort.fingerprint,
        "budget": budget.model_dump(include={"steps", "voxels", "patch"}),
        "seed": seed,
        "hardware": hardware.model_dump(exclude={"name"}),
        "versions": {name: version(name) for name in packages},
        "sources": files,
        "judge_sources": {name: found for name, found in judging.items() if name not in files},
    }


def key_of(parts: dict[str, Any]) -> str:
    """The key: 64 hexadecimal digits."""
    return digest(parts)


def training_key(parts: dict[str, Any]) -> str:
    """The key of the training alone: runs that have it in common differ in how they are judged."""
    return digest({name: part for name, part in parts.items() if name not in ("judge", "judge_sources")})
