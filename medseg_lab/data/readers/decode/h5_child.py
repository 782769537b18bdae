"""What runs in the child process of `h5`: requests come in as lines of JSON, volumes go out as bytes.

It is run as a script, and so imports nothing of this library.
"""

import contextlib
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY = 8 * 2**30
"""Bytes of address space, where the system can limit them: more than any volume of the largest size."""


def decode(path: Path, keys: list[str], limit: int, voxels: int) -> list[Any]:
    """The volumes under `keys`.

    Args:
        path: the file.
        keys: of the volumes.
        limit: bytes that a volume may claim to have, by the file's size.
        voxels: the most that a volume may have.

    Raises:
        ValueError: what was expected and what the file holds.
    """
    import h5py

    with h5py.File(path, "r") as file:
        return [volume(file, key, limit, voxels) for key in keys]


def volume(file: Any, key: str, limit: int, voxels: int) -> Any:
    """One volume, once its header is checked."""
    import h5py

    if key not in file:
        raise ValueError(f"expected the key {key}, got {', '.join(sorted(file)) or '(none)'}")
    link, data = file.get(key, getlink=True), file.get(key)
    if not isinstance(link, h5py.HardLink) or not isinstance(data, h5py.Dataset):
        raise ValueError(f"expected a volume at {key}, got {type(data).__name__} and {type(link).__name__}")
    if data.external or data.is_virtual:
        raise ValueError(f"expected a volume at {key}, got a reference to another file")
    if data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
        raise ValueError(f"expected whole or real numbers at {key}, got the type {data.dtype}")
    if data.shape is None or len(data.shape) != 3:
        raise ValueError(f"expected the shape (Z, Y, X) at {key}, got {data.shape}")
    for what, shape in (("shape", data.shape), ("chunks", data.chunks or data.shape)):
        claimed = math.prod(shape)
        if not (0 < claimed <= voxels and claimed * data.dtype.itemsize <= limit):
            raise ValueError(
                f"expected 1 to {voxels} voxels and at most {limit} bytes for a file of this size, "
                f"got a header that claims the {what} {shape} of {data.dtype} at {key}"
            )
    require_stored(data, key)
    return data[()]


def require_stored(data: Any, key: str) -> None:
    """Check that every chunk exists and, where it is not compressed, has its full length.

    libhdf5 silently fills missing chunks, and reads past the end of short ones.

    Raises:
        ValueError: what was expected and what the file holds.
    """
    stored, whole = data.id.get_storage_size(), data.nbytes
    if data.chunks is not None:
        expected = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
        if (there := data.id.get_num_chunks()) != expected:
            raise ValueError(f"expected {expected} chunks at {key}, got {there}")
        whole = expected * math.prod(data.chunks) * data.dtype.itemsize
    if data.id.get_create_plist().get_nfilters() == 0 and stored != whole:
        raise ValueError(f"expected {whole} bytes at {key}, which is not compressed, got {stored}")


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted session ends its child by itself
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin.buffer:
        path, *how = json.loads(line)
        try:
            volumes = decode(Path(path), *how)
        except Exception as error:  # h5py raises many kinds for a damaged file
            message = " ".join(str(error).replace(path, "").split()) or type(error).__name__
            checked = type(error) is ValueError and message.startswith("expected ")
            answer = (
                message if checked else f"expected a complete, readable h5 file, got the error: {message}"
            )
            out.write(json.dumps(answer).encode() + b"\n")
        else:
            headers = [(v.shape, v.dtype.str, v.nbytes) for v in volumes]
            out.write(json.dumps(headers).encode() + b"\n")
            for v in volumes:
                out.write(v.tobytes())
        out.flush()


if __name__ == "__main__":
    main()
