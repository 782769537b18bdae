"""Fetching one address into a file: resumed where it was cut, never half there under its final name."""

from pathlib import Path
from typing import TYPE_CHECKING

from medseg_lab.data.obtain.part import Part
from medseg_lab.data.obtain.patience import Patience
from medseg_lab.data.obtain.progress import Progress, quiet
from medseg_lab.data.obtain.transfer import Cut, transfer

if TYPE_CHECKING:
    from urllib3.util import Retry


def fetch(
    url: str, target: Path, most: int, progress: Progress = quiet, patience: Patience | None = None
) -> Path:
    """Fetch `url` into `target`; what an earlier try left beside it as `.part` is not fetched again.

    Args:
        url: http or https; redirects are followed to these only.
        target: the file's final name, which it has once it is whole; what has it is not fetched again.
        most: bytes above which this cannot be the file that is wanted.

    Raises:
        RuntimeError: naming the address, what was seen and what was wanted; or for the disk (`disk.writing`).
            What was fetched stays as `.part` for the next try.
    """
    import requests
    from urllib3.exceptions import MaxRetryError
    from urllib3.util import Retry

    if target.is_file():
        return target
    patience = patience or Patience()
    part = Part(target, url)
    fresh = Retry(
        patience.tries,
        backoff_factor=patience.backoff,
        backoff_max=patience.longest,
        retry_after_max=patience.longest,
    )
    # requests' own use of Retry ends where the body begins; one count for all is kept here.
    count = fresh
    with requests.Session() as session:
        session.max_redirects = 10
        while True:
            before = part.size
            try:
                return transfer(session, part, most, progress, patience)
            except Cut as cut:
                if part.size - before > patience.gain:
                    count = fresh
                try:
                    count = count.increment("GET", url)
                except MaxRetryError:
                    wanted = f"wanted the whole file ({part.size:,} bytes are kept for the next try)"
                    raise RuntimeError(
                        f"{url}: got {cut} after {patience.tries} more tries, {wanted}"
                    ) from cut
                _wait(count, cut)


def _wait(count: "Retry", cut: Cut) -> None:
    """Wait as the server says, else longer each time."""
    from urllib3.exceptions import InvalidHeader

    try:
        count.sleep(cut.response.raw if cut.response is not None else None)
    except InvalidHeader:
        count.sleep()
