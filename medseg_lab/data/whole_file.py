"""Files that appear whole or not at all, and what killed processes left of them."""

import os
import secrets
import socket
from glob import escape
from pathlib import Path

import psutil

from medseg_lab.data.obtain.disk import writing


def write_whole(target: Path, content: bytes, replace: bool = True) -> None:
    """Write a hidden file beside its place, then put it there: nobody reads half of it, whatever happens.

    What processes of this machine that were killed left of it is removed.

    Args:
        target: the file.
        content: what is to be in it.
        replace: whether a file that is there is replaced.

    Raises:
        ValueError: if there is one, and it is not to be replaced.
        RuntimeError: if it cannot be written, for a full disk perhaps; then nothing has changed.
    """
    with writing(target):
        stem = f".{target.name}"
        remove_abandoned(target.parent, escape(stem))
        aside = target.parent / own_name(stem)
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                aside.replace(target)
            elif not _put(aside, target):
                raise ValueError(f"{target}: expected no such file yet, got one")
        finally:
            aside.unlink(missing_ok=True)


def own_name(stem: str) -> str:
    """A name that no other process uses, and that tells which one did."""
    return f"{stem}.{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove files with an `own_name` whose process, of this machine, is no more.

    Args:
        folder: where they are.
        pattern: of their stems, as `Path.glob` reads it.
    """
    here = f".{socket.gethostname()}-"
    for left in folder.glob(f"{pattern}{escape(here)}*"):
        owner = left.name.rpartition(here)[2].partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            left.unlink(missing_ok=True)


def _put(aside: Path, target: Path) -> bool:
    """Give the file its name, unless the name is taken."""
    try:
        os.link(aside, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if target.exists():
            return False
        aside.replace(target)
    return True
