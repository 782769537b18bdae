"""Downloading one file: resumed where it was cut, never incomplete under its final name."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from medseg_lab.data.obtain import Progress, quiet
from medseg_lab.data.obtain.disk import require_space, writing

RETRY = Retry(5, backoff_factor=1, backoff_max=120, retry_after_max=120)
"""How often a download is tried again, and after how many seconds: as the server says, else ever more."""
GAIN = 1 << 20
"""An attempt that brought more bytes than this starts the count of retries anew."""
TIMEOUT = (15, 60)
"""Seconds to wait for a connection, and for the next byte."""
SLOWEST = 1000
"""Bytes per second, over as many seconds as one waits for a byte; slower counts as a cut connection."""
TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
"""HTTP statuses after which another attempt may succeed."""
TRANSIENT_ERRORS = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
CHUNK = 1 << 16


class Interrupted(Exception):
    """An attempt failed, or ended too early; another one may succeed."""

    def __init__(self, reason: str, response: requests.Response | None = None) -> None:
        super().__init__(reason)
        self.response = response


class Part:
    """A partly downloaded file, `<name>.part`; `<name>.part.json` says which version of which address it is.

    Args:
        target: the file's final name.
        url: its address; the part of another address is not continued.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.target, self.url = target, url
        self.path = target.with_name(f"{target.name}.part")
        self.notes = target.with_name(f"{target.name}.part.json")

    @property
    def validator(self) -> tuple[str, str] | None:
        """The header, and its value, by which versions of the file can be told apart; None if unknown."""
        try:
            url, header, value = json.loads(self.notes.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return None
        return (header, value) if url == self.url and isinstance(value, str) else None

    @property
    def size(self) -> int:
        """Bytes that are there; 0 if nobody can tell whether the rest would fit."""
        return self.path.stat().st_size if self.path.is_file() and self.validator else 0

    def restart(self, headers: Mapping[str, str]) -> None:
        """Empty the part, and note the version that an answer is of.

        A weak ETag (`W/"..."`) does not promise the same bytes, so nothing may be appended by it.
        """
        found = [(name, headers[name]) for name in ("ETag", "Last-Modified") if name in headers]
        strong = [(name, value) for name, value in found if not value.startswith("W/")]
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.notes.unlink(missing_ok=True)
            self.path.write_bytes(b"")
            if strong:
                self.notes.write_text(json.dumps([self.url, *strong[0]]), encoding="utf-8")

    def discard(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def download(url: str, target: Path, most: int, progress: Progress = quiet) -> Path:
    """Download `url` to `target`; what an earlier call left beside it as `.part` is not downloaded again.

    Args:
        url: http or https; redirects are followed to these only.
        target: the file's final name, which it gets once it is complete; a file of that name stays as it is.
        most: bytes; a larger file cannot be the one that is wanted.

    Raises:
        RuntimeError: naming the address and what went wrong, or for the disk (`disk.writing`). What was
            downloaded stays as `.part` for the next call, unless it is too large.
    """
    if target.is_file():
        return target
    part, left = Part(target, url), RETRY
    with requests.Session() as session:
        session.max_redirects = 10
        while True:
            before = part.size
            try:
                _attempt(session, part, most, progress)
                with writing(target):
                    part.path.replace(target)
                    part.notes.unlink(missing_ok=True)
                return target
            except Interrupted as error:
                # The retries of requests itself end where the body begins; this count covers both.
                left = RETRY if part.size - before > GAIN else left
                if not left.total:
                    kept = f"{part.size:,} bytes are kept for the next try"
                    raise RuntimeError(
                        f"{url}: failed after {RETRY.total} retries: {error} ({kept})"
                    ) from error
                left = left.increment("GET", url)
                try:
                    left.sleep(error.response.raw if error.response is not None else None)
                except InvalidHeader:
                    left.sleep()


def _attempt(session: requests.Session, part: Part, most: int, progress: Progress) -> None:
    """Complete `part` with one request.

    Raises:
        Interrupted: if another attempt may bring the rest.
        RuntimeError: if none will, or for the disk.
    """
    # `identity`: lengths and ranges are then those of the file itself.
    headers = {"User-Agent": "medseg-lab", "Accept-Encoding": "identity"}
    if part.size and part.validator:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator[1]}
    try:
        with session.get(part.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            total = _begin(response, part)
            if total != part.size:
                _append(response, part, total, most, progress)
    except requests.RequestException as error:
        lasting = not isinstance(error, TRANSIENT_ERRORS) or isinstance(error, requests.exceptions.SSLError)
        if lasting:  # an invalid certificate, redirects in a circle, or to what is neither http nor https
            raise RuntimeError(f"{part.url}: cannot be downloaded over http or https: {error}") from error
        raise Interrupted(_innermost(error)) from error


def _begin(response: requests.Response, part: Part) -> int | None:
    """Bytes of the whole file, None if unknown; `part` is then ready for the body of the answer."""
    status, headers, have = response.status_code, response.headers, part.size
    if status in TRANSIENT_STATUSES:
        raise Interrupted(f"HTTP status {status} ({response.reason})", response)
    if status == 200:
        part.restart(headers)
        length = re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", ""))
        return int(length[0]) if length else None
    if status not in (206, 416):
        raise RuntimeError(f"{part.url}: expected HTTP status 200, got {status} ({response.reason})")
    # 206 is the rest; 416 says that nothing is left to send.
    span = f"bytes {have}-[0-9]+/([0-9]{{1,18}})" if status == 206 else rf"bytes \*/({have})"
    match = re.fullmatch(span, headers.get("Content-Range", ""))
    same = part.validator is not None and headers.get(*part.validator) == part.validator[1]
    if not (have and match and same):
        part.discard()
        raise Interrupted(f"HTTP status {status} with another range, {headers.get('Content-Range')!r}")
    return int(match[1])


def _append(
    response: requests.Response, part: Part, total: int | None, most: int, progress: Progress
) -> None:
    have, step = part.path.stat().st_size, f"download {part.target.name}"
    _require_at_most(most, total or 0, part)
    require_space(part.path, max(0, (total or 0) - have))
    with writing(part.path), part.path.open("ab") as out:
        progress(step, have, total)
        for chunk in _body(response):
            have += len(chunk)
            _require_at_most(most, have, part)
            out.write(chunk)
            progress(step, have, total)
    if total is not None and total != have:
        raise Interrupted(f"{have:,} bytes of {total:,}")


def _require_at_most(most: int, size: int, part: Part) -> None:
    if size > most:
        part.discard()
        raise RuntimeError(f"{part.url}: expected a file of at most {most:,} bytes, got {size:,} bytes")


def _body(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives, undecoded.

    The timeout is for the next byte. A server that sends one byte a minute would never reach it, so that the
    speed is watched as well.
    """
    since, received, stretch = time.monotonic(), 0, TIMEOUT[1]
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            yield chunk
            received += len(chunk)
            if (waited := time.monotonic() - since) > stretch:
                if received < SLOWEST * waited:
                    raise Interrupted(f"too slow: {received:,} bytes in {waited:.0f} s")
                since, received = time.monotonic(), 0
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise Interrupted(_innermost(error)) from error


def _innermost(error: BaseException) -> str:
    """A network error without the errors it is wrapped in."""
    while isinstance(inner := getattr(error, "reason", None) or next(iter(error.args), None), Exception):
        error = inner
    return f"{type(error).__name__} ({error})"
