"""A sweep's own folder while it lasts: which of its jobs run, where, since when."""

import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.sweeps.jobs import Job, Place

RUNNING = ".running"
HERE = "here"


@dataclass(frozen=True)
class Marker:
    """A job at work: its id and title, the machine and process, and the time (seconds since 1970)."""

    job: str
    title: str
    host: str
    pid: int
    since: float


@contextmanager
def open_desk(store: Path) -> Iterator[Path]:
    """A new folder in the store, removed at the end. A file in it tells workers that they see the store.

    What a killed sweep of this machine left behind goes first.
    """
    for left in (store / RUNNING).glob(f"*/{HERE}"):
        if _is_over(left):
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = store / RUNNING / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    (folder / HERE).write_text(f"{socket.gethostname()} {os.getpid()}", encoding="utf-8")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_over(here: Path) -> bool:
    """Whether the sweep that wrote this file was of this machine, and its process is gone."""
    try:
        host, _, pid = here.read_text(encoding="utf-8").partition(" ")
        if host == socket.gethostname():
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # another user's, or half-written
        return False
    return False


def check_seen(place: Place) -> None:
    """Refuse to work where the sweep's store is not.

    Raises:
        RuntimeError: naming this machine and the folder.
    """
    if not (Path(place.desk) / HERE).is_file():
        raise RuntimeError(
            f"store: the worker on {socket.gethostname()} does not see {place.store} as it is where the "
            f"sweep was started, wanted a folder that all machines share (--store)"
        )


@contextmanager
def at_work(job: Job, place: Place) -> Iterator[None]:
    """Inside, a marker says that this process is at the job. A killed one leaves it to `clear`."""
    path = Path(place.desk) / f"{job.id}.json"
    said = {
        "job": job.id,
        "title": job.title,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.time(),
    }
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(said), encoding="utf-8")
    aside.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def markers(desk: Path) -> list[Marker]:
    """What runs, longest first; one that vanishes while it is read has ended."""
    found = []
    for path in desk.glob("*.json"):
        try:
            found.append(Marker(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            continue
    return sorted(found, key=lambda marker: marker.since)


def clear(desk: Path, job: str) -> None:
    """Remove the marker of a job whose worker was killed."""
    (desk / f"{job}.json").unlink(missing_ok=True)
