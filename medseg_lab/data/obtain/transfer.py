"""One request for a file, or for the rest of it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medseg_lab.data.obtain.disk import require_room, writing
from medseg_lab.data.obtain.part import Part
from medseg_lab.data.obtain.patience import Patience
from medseg_lab.data.obtain.progress import Progress

CHUNK = 1 << 16
AGAIN = (408, 429, 500, 502, 503, 504)
"""What a server answers that may answer otherwise in a while."""


class Cut(Exception):
    """A try that came to nothing, or not to the end; another may."""

    def __init__(self, seen: str, response: Any = None) -> None:
        super().__init__(seen)
        self.response = response


def transfer(session: Any, part: Part, most: int, progress: Progress, patience: Patience) -> Path:
    """Bring `part` to its end with one request of this `requests.Session`; the file under its final name.

    Raises:
        Cut: if another try may bring the rest.
        RuntimeError: if none will, or for the disk.
    """
    import requests

    # `identity`: lengths and ranges are then those of the file itself.
    headers = {"User-Agent": "medseg-lab", "Accept-Encoding": "identity", **part.ask()}
    wait = (patience.connect, patience.read)
    try:
        with session.get(part.url, headers=headers, stream=True, timeout=wait) as response:
            total = _start(response, part)
            if total is None:
                return part.finish()
            return _rest(response, part, total, most, progress, patience)
    except requests.exceptions.SSLError as error:
        raise RuntimeError(f"{part.url}: got {error}, wanted a server with a valid certificate") from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise Cut(_plain(error)) from error
    except requests.RequestException as error:
        # Redirects in a circle, or to what is neither http nor https.
        raise RuntimeError(f"{part.url}: got {error}, wanted a file over http or https") from error


def _start(response: Any, part: Part) -> int | None:
    """Bytes of the whole file (-1: not said), `part` being ready for the rest; None if it has them all."""
    status, said = response.status_code, response.headers
    if status in AGAIN:
        raise Cut(f"HTTP status {status} ({response.reason})", response)
    have = part.size
    if status == 200:
        part.restart(said)
        return int(said["Content-Length"]) if said.get("Content-Length", "").isdigit() else -1
    _, _, span = said.get("Content-Range", "").partition("bytes ")
    first, _, whole = span.partition("/")
    if status == 206 and part.fits(said) and first.startswith(f"{have}-") and whole.isdigit():
        return int(whole)
    if status == 416 and part.fits(said) and whole == str(have) and have:
        return None
    if status in (206, 416):
        part.restart({})
        raise Cut(f"HTTP status {status} with {said.get('Content-Range')!r}, not what was asked for")
    raise RuntimeError(f"{part.url}: got HTTP status {status} ({response.reason}), wanted 200")


def _rest(response: Any, part: Part, total: int, most: int, progress: Progress, patience: Patience) -> Path:
    """Append the body to `part`."""
    have = part.path.stat().st_size
    step = f"fetch {part.target.name}"
    if total > most:
        raise _too_large(part, total, most)
    require_room(part.path, max(0, total - have))
    with writing(part.path), part.path.open("ab") as out:
        progress(step, have, total if total >= 0 else None)
        for chunk in _chunks(response, patience):
            have += len(chunk)
            if have > most:
                raise _too_large(part, have, most)
            out.write(chunk)
            progress(step, have, total if total >= 0 else None)
    if 0 <= total != have:
        raise Cut(f"{have:,} bytes of {total:,}")
    return part.finish()


def _chunks(response: Any, patience: Patience) -> Iterator[bytes]:
    """The body as it comes in, undecoded.

    A timeout is for the next byte; a server that sends one a minute would keep it from ever running out, so
    that the pace is watched, too.
    """
    from urllib3.exceptions import HTTPError

    since, came = time.monotonic(), 0
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            yield chunk
            came += len(chunk)
            if (waited := time.monotonic() - since) > patience.read:
                if came < patience.slowest * waited:
                    raise Cut(f"{came:,} bytes in {waited:.0f} s")
                since, came = time.monotonic(), 0
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise Cut(_plain(error)) from error


def _too_large(part: Part, size: int, most: int) -> RuntimeError:
    """Nothing of a file that cannot be the one wanted is kept."""
    part.path.unlink(missing_ok=True)
    part.notes.unlink(missing_ok=True)
    return RuntimeError(f"{part.url}: got {size:,} bytes, wanted a file of at most {most:,}")


def _plain(error: BaseException) -> str:
    """A network error without its wrappings."""
    while isinstance(inner := getattr(error, "reason", None) or next(iter(error.args), None), Exception):
        error = inner
    return f"{type(error).__name__} ({error})"
