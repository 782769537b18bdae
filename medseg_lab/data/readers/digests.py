"""What cases depend on, as hashes of their files."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from medseg_lab.data.readers.decode.claims import size_of, unreadable


def files_digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' bytes, in this order; their names and places do not count.

    Raises:
        ValueError: naming a file that is not there, empty or unreadable.
    """
    return hashlib.sha256(json.dumps([_sha256(path) for path in paths]).encode()).hexdigest()


def content_digest(paths: Iterable[Path]) -> str:
    """As `files_digest`, but for a gzip file of what is inside: its own checksum and length of that.

    So a volume that was packed anew is still the same. Those are 8 bytes: equal digests are a suspicion.
    """
    return hashlib.sha256(json.dumps([_content(path) for path in paths]).encode()).hexdigest()


def _content(path: Path) -> str:
    if not path.name.endswith(".gz"):
        return _sha256(path)
    size = size_of(path)
    with _opened(path) as stream:
        stream.seek(max(0, size - 8))
        return stream.read().hex()


def _sha256(path: Path) -> str:
    size_of(path)
    with _opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise unreadable(path, error, "a readable file") from None
