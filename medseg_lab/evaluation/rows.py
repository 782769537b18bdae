"""What the ledger says of one run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from medseg_lab.training.hardware import Hardware
from medseg_lab.training.names import names
from medseg_lab.training.notation import written
from medseg_lab.training.record import RunRecord

COLUMNS = (
    *("run", "method", "recipe", "dataset", "cohort", "held_out", "labelled", "unlabelled", "dims"),
    *("budget", "steps", "voxels", "patch", "seed", "judge", "parts", "seconds", "judge_seconds"),
    *("peak_memory_mb", "parameters", "device", "base", "started"),
)


@dataclass(frozen=True)
class Origin:
    """With what a run was made: what may change its numbers though its terms are the same.

    Args:
        hardware: on which it was trained.
        versions: of the packages that count, by name.
        sources: the library's files that it used, each with its hash.
    """

    hardware: Hardware
    versions: Mapping[str, str]
    sources: Mapping[str, str]


def origin(record: RunRecord, shared: dict[frozenset, Mapping[str, str]]) -> Origin:
    """With what the run was made; equal tables of files are one object, kept in `shared`."""
    sources = record.parts.get("sources", {})
    sources = shared.setdefault(frozenset(sources.items()), sources)
    return Origin(record.hardware, record.parts.get("versions", {}), sources)


def row(record: RunRecord, parts: tuple[str, ...]) -> tuple[Any, ...]:
    """The run's line in the ledger, in the order of `COLUMNS`; `parts` are those that its judge scored."""
    return (
        record.key[:16],
        names().get(record.method, record.method),
        record.method,
        record.cohort.id,
        record.cohort.fingerprint,
        record.cohort.held_out,
        record.cohort.labelled_patients,
        record.cohort.unlabelled,
        record.task.spatial_dims,
        record.budget.name,
        record.budget.steps,
        record.budget.voxels,
        record.budget.patch,
        record.seed,
        _judge(json.dumps(record.judge)),
        parts,
        record.seconds,
        record.judge_seconds,
        record.peak_memory_mb,
        record.parameters,
        record.hardware.device,
        " ".join(key[:16] for key in record.bases),
        record.started,
    )


@cache
def _judge(judge: str) -> str:
    """How cases were scored, as text, whichever parts were; empty for a run without a judge (as JSON)."""
    plain = json.loads(judge)
    if plain is None:
        return ""
    arguments = {name: value for name, value in plain["arguments"].items() if name != "parts"}
    return written({"target": plain["target"], "arguments": arguments})
