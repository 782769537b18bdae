"""Checksums of files, and of what is in them."""

import gzip
import hashlib
import zlib
from pathlib import Path

BLOCK = 1 << 20
LARGEST = 1 << 30
"""Bytes that a gzipped volume may hold."""


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """SHA-256 of what is in a gzipped file; no digest where it is broken, or swells beyond `LARGEST`."""
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as stream:
            while (chunk := stream.read(BLOCK)) and size <= LARGEST:
                digest.update(chunk)
                size += len(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"not unzipped: {error}"
    return digest.hexdigest() if size <= LARGEST else f"not unzipped: more than {LARGEST} bytes"


def md5(path: Path) -> str:
    """MD5 of a file's bytes: against accidents, not against malice."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
