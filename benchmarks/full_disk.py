"""A full disk: each command runs where there is room for a part of what it writes, then where there is room.

    unshare -m python benchmarks/full_disk.py     (as root, on Linux: it mounts a small file system)

Without room a command must end in one line that names the place, leave nothing half-written, and go on when
there is room again, to the same bits. Prints a row for each; ends with 1 if one did not.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kills

SIZE = 64 * 2**20
"""Bytes of the file system."""
SHARES = (0.0, 0.3, 0.6, 0.9)
"""Room for so much of what a command writes."""
TOLD = (": the disk is full", "No space left on device")
GOES_ON = ("runs/.partial/", "runs/.failed/")
"""What a command that failed may leave: checkpoints, and what is known of the failure."""


@contextmanager
def small_disk(size: int = SIZE) -> Iterator[Path]:
    """A folder on a file system of so many bytes.

    Raises:
        OSError: where this process may not mount one.
    """
    folder = Path(tempfile.mkdtemp(prefix="medseg-small-"))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "medseg", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        folder.rmdir()
        raise OSError(done.stderr.strip())
    try:
        yield folder
    finally:
        os.chdir("/")
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def used(folder: Path) -> int:
    """Bytes that are taken on the disk of a folder."""
    return shutil.disk_usage(folder).used


def without_room(killer: kills.Killer, part: kills.Part, disk: Path, share: float) -> Iterator[str]:
    """What is wrong after a command met a full disk; the command goes on afterwards."""
    whole, folder = disk / "whole", disk / "place"
    for one in (whole, folder):
        shutil.copytree(killer.before[part.needs], one)
    before = used(disk)
    killer.finish(whole, part.work)
    expected, takes = dict(part.found(whole)), used(disk) - before
    shutil.rmtree(whole)
    log = killer.log(folder)
    log.write_text("")
    (folder / "tmp").mkdir(exist_ok=True)
    room = shutil.disk_usage(disk).free - int(share * takes)
    with (disk / "filling").open("wb") as filling:
        os.posix_fallocate(filling.fileno(), 0, max(1, room))
    process = killer.start(folder, part.work)
    process.join(300)
    said = log.read_text(encoding="utf-8")
    last = said.strip().splitlines()[-1:] or ["nothing is said"]
    (disk / "filling").unlink()
    if process.exitcode is None:
        process.kill()
        yield "hangs"
    if process.exitcode == 0 and share < 0.5 and dict(part.found(folder)) != expected:
        yield "it says that all is well"
    if process.exitcode:
        if "Traceback" in said:
            yield f"a traceback: {last[0][:300]}"
        elif not any(word in said for word in TOLD):
            yield f"no disk is named: {last[0][:300]}"
    halves = (name for name in kills.left_in(folder) if not name.startswith(GOES_ON))
    yield from (f"left: {name}" for name in halves if not kills.may_stay(name))
    killer.finish(folder, part.work)
    found = dict(part.found(folder))
    differing = (name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    yield from (f"differs: {name}" for name in differing)
    yield from (f"left at the end: {name}" for name in kills.left_in(folder) if not kills.may_stay(name))
    shutil.rmtree(folder)


def main() -> None:
    """Fill, run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[""], help="parts, by the beginning of their names")
    parser.add_argument("--shares", nargs="*", type=float, default=SHARES, help="of what a command writes")
    asked = parser.parse_args()
    killer = kills.Killer(Path(tempfile.mkdtemp(prefix="medseg-full-")), 0)
    faults = []
    print("| what | room for | outcome |\n| --- | --- | --- |")
    for part in (
        one for one in kills.PARTS if one.victim == "process" and one.name.startswith(tuple(asked.only))
    ):
        killer.place(part, f"{part.name} given")
        for share in asked.shares:
            with small_disk() as disk:
                found = list(without_room(killer, part, disk, share))
                faults += found
                said = "; ".join(found) or "as it should be"
                print(f"| {part.name} | {100 * share:.0f}% | {said} |", flush=True)
    shutil.rmtree(killer.folder)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
