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
        limit: bytes that a volume may claim to have, by the file's size.
        voxels: those that it may have at all.

    Raises:
        ValueError: what was seen and what was wanted.
    """
    import h5py

    with h5py.File(path, "r") as file:
        return [volume(file, key, limit, voxels) for key in keys]


def volume(file: Any, key: str, limit: int, voxels: int) -> Any:
    """One volume, once its header is found to be plausible."""
    import h5py

    if key not in file:
        raise ValueError(f"got the keys {', '.join(sorted(file)) or '(none)'}, wanted {key}")
    link, data = file.get(key, getlink=True), file.get(key)
    if not isinstance(link, h5py.HardLink) or not isinstance(data, h5py.Dataset):
        raise ValueError(f"got {type(data).__name__} and {type(link).__name__} at {key}, wanted a volume")
    if data.external or data.is_virtual:
        raise ValueError(f"got a reference to another file at {key}, wanted a volume")
    if data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
        raise ValueError(f"got the type {data.dtype} at {key}, wanted whole or real numbers")
    if data.shape is None or len(data.shape) != 3:
        raise ValueError(f"got the shape {data.shape} at {key}, wanted (Z, Y, X)")
    for what, shape in (("shape", data.shape), ("chunks", data.chunks or data.shape)):
        claimed = math.prod(shape)
        if not (0 < claimed <= voxels and claimed * data.dtype.itemsize <= limit):
            raise ValueError(
                f"got a header that claims the {what} {shape} of {data.dtype} at {key}, "
                f"wanted 1 to {voxels} voxels and at most {limit} bytes, as the file's size allows"
            )
    require_stored(data, key)
    return data[()]


def require_stored(data: Any, key: str) -> None:
    """See that every chunk is there, and as long as it must be where nothing packs it.

    libhdf5 fills absent chunks in silence, and reads past the end of short ones.

    Raises:
        ValueError: what was seen and what was wanted.
    """
    stored, whole = data.id.get_storage_size(), data.nbytes
    if data.chunks is not None:
        wanted = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
        if (there := data.id.get_num_chunks()) != wanted:
            raise ValueError(f"got {there} chunks at {key}, wanted {wanted}")
        whole = wanted * math.prod(data.chunks) * data.dtype.itemsize
    if data.id.get_create_plist().get_nfilters() == 0 and stored != whole:
        raise ValueError(f"got {stored} bytes at {key}, which nothing packs, wanted {whole}")


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted session ends its child itself
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin.buffer:
        path, *how = json.loads(line)
        try:
            volumes = decode(Path(path), *how)
        except Exception as error:  # what h5py raises for a damaged file is not bounded
            said = " ".join(str(error).replace(path, "").split()) or type(error).__name__
            plain = type(error) is ValueError and said.startswith("got ")
            answer = said if plain else f"got {said}, wanted a whole, readable h5 file"
            out.write(json.dumps(answer).encode() + b"\n")
        else:
            said_of = [(v.shape, v.dtype.str, v.nbytes) for v in volumes]
            out.write(json.dumps(said_of).encode() + b"\n")
            for v in volumes:
                out.write(v.tobytes())
        out.flush()


if __name__ == "__main__":
    main()
