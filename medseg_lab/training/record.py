"""What is written down of a run."""

import json
import math
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from medseg_lab.data.card import Preprocessing
from medseg_lab.data.task import Task
from medseg_lab.data.wording import one_line
from medseg_lab.training.budget import Budget
from medseg_lab.training.hardware import Hardware

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

SCHEMA: Literal[4] = 4
"""The version of `run.json` that is written, and read."""
NOTED_VERSIONS = ("torch", "numpy", "lightning-fabric", "safetensors", "medseg-lab")


Whole = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CohortFacts(_Part):
    """Which data, how many cases in each part, how many patients' labels were used, and in which draw.

    Attributes:
        preprocessing, channels, values, voxel_mm: the card's, by which other images are prepared like those
            of the training (`medseg_lab.inference.apply`); nothing in records older than these fields.
        thinned: of how many voxels along each axis one was kept (`medseg_lab.data.coarser`); empty for all.
    """

    id: str
    fingerprint: str
    held_out: str
    description: str
    virtual: bool
    labelled: Whole
    unlabelled: Whole
    validation: Whole
    test: Whole
    labelled_patients: Whole
    draw: Whole = 0
    preprocessing: Preprocessing | None = None
    channels: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    voxel_mm: tuple[float, ...] | None = None
    thinned: tuple[int, ...] = ()


class TaskFacts(_Part):
    """The cohort's task, from which the learner is built again."""

    channels: int
    classes: tuple[str, ...]
    spatial_dims: int
    order: tuple[int, ...] = ()
    slice_axis: int = 2
    mirror: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    patch: tuple[int, ...] = ()
    slice_patch: tuple[int, ...] = ()


class RunRecord(_Part):
    """`run.json`.

    Attributes:
        key: digest of `parts`.
        parts: all that can change the run, by name (`key.key_parts`).
        recipe, judge: as `Recipe.to_dict`.
        method: the recipe as text (`medseg_lab.training.notation`).
        scoring: the judge as text, without the parts that it scored; empty for a run without a judge.
        bases: keys of the runs that this one rests on: those whose trained learners it changed or joined, or
            the rounds before it, from which it learned. Then `seconds`, with those of making pseudo-labels,
            and `step_flops`, per step of the budget, are those of all of them together.
        test_opened: the reasons for which this run read the sealed test part; empty when it did not.
        patch: the training patch in voxels.
        batch_size: patches a step.
        parameters: of the learner, all that are trained.
        step_flops: floating point operations of a training step, forward and backward
            (`training.step_flops`).
        activity: what the learner noted of its idea at work: the mean of each number over the second half of
            the training (`Learner.note`), or over the cases that were judged (`Segmenter.note_case`).
        seconds: of training, over all resumptions.
        judge_seconds: of the judge.
        peak_memory_mb: the training process's high-water mark (on a GPU: PyTorch's on the card), in 1e6
            bytes.
        started: date and time in UTC, ISO 8601, of the process that finished the run.
        files: SHA-256 of each file of the run but this one, by its name; empty where none were noted.
    """

    schema_version: Literal[4] = SCHEMA
    key: str
    parts: dict[str, Any]
    recipe: dict[str, Any]
    judge: dict[str, Any] | None
    method: str
    scoring: str
    bases: tuple[str, ...] = ()
    budget: Budget
    seed: Whole
    cohort: CohortFacts
    task: TaskFacts
    hardware: Hardware
    test_opened: tuple[str, ...]
    patch: tuple[int, ...]
    batch_size: Whole
    parameters: Whole
    step_flops: Whole
    activity: dict[str, float] = {}
    seconds: Amount
    judge_seconds: Amount
    peak_memory_mb: Amount
    versions: dict[str, str]
    started: str
    files: dict[str, str] = {}

    @field_validator("recipe", "judge")
    @classmethod
    def _is_a_recipe(cls, value: Any) -> Any:
        if value is not None:
            _require_recipe(value)
        return value

    @field_validator("parts")
    @classmethod
    def _has_tables(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("sources", "judge_sources", "versions"):
            table = value.get(name, {})
            if not isinstance(table, dict) or not all(isinstance(one, str) for one in table.values()):
                raise ValueError(f"{name}: expected a table of text, got {str(table)[:40]}")
        return value

    @property
    def changed(self) -> bool:
        """Whether it changed or joined trained learners, and trained nothing itself."""
        return bool(self.bases) and not {"learner", "learners"}.isdisjoint(self.recipe["arguments"])

    @property
    def seen(self) -> int:
        """Voxels (pixels in 2D) that a training step saw: whole patches, at least one."""
        return self.batch_size * math.prod(self.patch)


class OtherVersion(ValueError):
    """A record of another version of this library.

    Args:
        version: its `schema_version`.
    """

    def __init__(self, version: int) -> None:
        super().__init__(f"record: expected schema_version {SCHEMA}, got {version}")
        self.version = version


def read_record(text: str | bytes) -> RunRecord:
    """The record in a `run.json`.

    Raises:
        OtherVersion: for a record of another version.
        ValueError: for anything else that is none, with the first of the reasons in one line.
    """
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        version = _version(text)
        if isinstance(version, int) and version != SCHEMA:
            raise OtherVersion(version) from error
        first = error.errors(include_url=False)[0]
        where = one_line(".".join(map(str, first["loc"])))
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        said = one_line(str(first["msg"]).removeprefix("Value error, "))
        raise ValueError(f"record: {f'{where}: ' if where else ''}{said}{more}") from error


def _require_recipe(value: Any) -> None:
    """Check that plain data is a recipe, as of `Recipe.to_dict`, and so are those in it."""
    if not isinstance(value, dict) or value.keys() != {"target", "arguments"}:
        raise ValueError(f"expected a recipe, as target and arguments, got {str(value)[:40]}")
    target, arguments = value["target"], value["arguments"]
    if not isinstance(target, str) or not isinstance(arguments, dict):
        raise ValueError(f"expected a recipe's target as text, its arguments as a table, got {target!r:.40}")
    for one in arguments.values():
        _require_recipes(one)


def _require_recipes(value: Any) -> None:
    if isinstance(value, dict):
        _require_recipe(value)
    for one in value if isinstance(value, list) else ():
        _require_recipes(one)


def _version(text: str | bytes) -> object:
    """What stands there as `schema_version`; None where that cannot be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found.get("schema_version") if isinstance(found, dict) else None


def cohort_facts(cohort: "Cohort") -> CohortFacts:
    """The facts of a cohort; its test part stays sealed."""
    return CohortFacts(
        id=cohort.id,
        fingerprint=cohort.fingerprint,
        held_out=cohort.held_out,
        description=cohort.describe(),
        virtual=cohort.is_virtual,
        labelled=len(cohort.labelled),
        unlabelled=len(cohort.unlabelled),
        validation=len(cohort.validation),
        test=cohort.test_size,
        labelled_patients=len({case.patient for case in cohort.labelled}),
        draw=cohort.draw,
        preprocessing=cohort.card.preprocessing,
        channels=cohort.card.modality,
        values=cohort.card.values,
        voxel_mm=cohort.card.voxel_mm,
        thinned=cohort.thinned,
    )


def task_facts(task: Task) -> TaskFacts:
    """The facts of a task."""
    return TaskFacts(**asdict(task))


def versions() -> dict[str, str]:
    """Of the packages that a run leans on most."""
    return {name: version(name) for name in NOTED_VERSIONS}


def title(recipe: dict[str, Any]) -> str:
    """A recipe in a few words: `Supervised(UNet)`."""
    inner = [title(value) for value in recipe["arguments"].values() if isinstance(value, dict)]
    name = recipe["target"].rpartition(".")[2]
    return f"{name}({', '.join(inner)})" if inner else name
