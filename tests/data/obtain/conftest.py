import hashlib
from collections.abc import Callable, Iterator

import pytest
from served import Server, serving, zipped
from urllib3.util import Retry

from medseg_lab.data.card import Card
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.obtain import download, listing


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as state:
        yield state


@pytest.fixture
def quick(monkeypatch) -> None:
    """Downloads are tried again at once, and four times at most."""
    monkeypatch.setattr(download, "RETRY", Retry(4, backoff_factor=0.001, backoff_max=2, retry_after_max=2))


@pytest.fixture
def files() -> dict[str, bytes]:
    """A small data set as its publisher packs it."""
    ends = (".jpg", "_1stHO.png", "_2ndHO.png")
    return {f"CHASEDB1/Image_{n:02d}L{end}": f"{n}{end}".encode() * 99 for n in (1, 2) for end in ends}


@pytest.fixture
def toy(server, quick, files, monkeypatch) -> Callable[..., Card]:
    """`toy()` is the card of `files`, whose checksums are on its list and whose archive the server gives out.

    Keyword arguments change its [download].
    """
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name.split('/')[1]}" for name, data in files.items()]
    texts = {"toy.sha256": "\n".join(lines)}
    monkeypatch.setattr(listing, "_text", lambda name: texts.get(name))
    chase = load_card("chase-db1")

    def build(**changes: object) -> Card:
        archive = chase.download.archives[0].model_copy(update={"url": f"{server.url}/set.zip"})
        download = chase.download.model_copy(update={"archives": (archive,), **changes})
        return chase.model_copy(update={"id": "toy", "download": download})

    return build


@pytest.fixture
def archive(files) -> bytes:
    return zipped(files)
