"""What failed, kept in the store until it succeeds: `<store>/.failed/<job>.json`."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medseg_lab.sweeps.jobs import Job, Outcome

FOLDER = ".failed"


@dataclass(frozen=True)
class Failure:
    """A job that failed: its title, the last line of its traceback, and the file with all of it."""

    title: str
    error: str
    path: Path


def record_failure(store: Path, job: Job, outcome: Outcome) -> Failure:
    """Write the job, its traceback, where and when."""
    path = store / FOLDER / f"{job.id}.json"
    said: dict[str, Any] = {
        "title": job.title,
        "error": outcome.error,
        "traceback": outcome.traceback,
        "host": outcome.host,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": type(job).__name__,
        "job": asdict(job),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(said, indent=1), encoding="utf-8")
    aside.replace(path)
    return Failure(job.title, outcome.error, path)


def forget_failure(store: Path, job: str) -> None:
    """Remove the record of a job that has succeeded since."""
    (store / FOLDER / f"{job}.json").unlink(missing_ok=True)
