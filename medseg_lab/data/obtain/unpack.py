"""Unpacking what nobody has looked at yet: a zip, a tar, or a folder."""

from collections.abc import Sequence
from pathlib import Path

from medseg_lab.data.obtain.members import Sink
from medseg_lab.data.obtain.progress import Progress, quiet

RATIO = 100
"""Unpacked bytes for each of the archive's: pictures and volumes shrink by ten at most."""
LEAST = 16 * 10**6
"""Bytes that even the smallest archive may unpack to."""


def unpack(
    archive: Path, into: Path, keep: Sequence[str], most: int, progress: Progress = quiet
) -> tuple[str, ...]:
    """Write the wanted files of `archive` below `into`, under the archive's own folders.

    Args:
        archive: a zip, a tar, a tar.gz, or a folder that holds what such an archive would.
        into: an empty folder.
        keep: patterns of the files that are wanted, wherever the data set's folder is in the archive.
        most: bytes above which this cannot be the data set that is wanted.

    Returns:
        The first few names in the archive, for a message about an archive that is another one.

    Raises:
        ValueError: naming the archive, the member, what was seen and what was wanted: no archive, truncated,
            encrypted; a member that leaves the target, is a link, a device or there twice; more unpacked than
            `most` or `RATIO` allow. Bytes are counted as they are written, whatever a header says.
        RuntimeError: for the disk.
    """
    from medseg_lab.data.obtain.folders import unpack_folder
    from medseg_lab.data.obtain.tars import is_tar, unpack_tar
    from medseg_lab.data.obtain.zips import is_zip, unpack_zip

    if archive.is_dir():
        sink = Sink(archive, into, tuple(keep), most, progress)
        unpack_folder(archive, sink)
        return tuple(sink.seen)
    if not archive.is_file():
        raise ValueError(f"{archive}: got no such file or folder, wanted an archive or what it unpacks to")
    allowed = max(LEAST, RATIO * archive.stat().st_size)
    sink = Sink(archive, into, tuple(keep), min(most, allowed), progress)
    if is_zip(archive):
        unpack_zip(archive, sink)
    elif is_tar(archive):
        unpack_tar(archive, sink, allowed)
    else:
        with archive.open("rb") as stream:
            start = stream.read(16)
        raise ValueError(f"{archive}: got a file that starts with {start!r}, wanted a zip, tar or tar.gz")
    return tuple(sink.seen)
