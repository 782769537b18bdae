"""Downloading, from a server that misbehaves."""

import errno
import shutil
from pathlib import Path

import pytest
from served import BODY, Answer, below
from urllib3.util import Retry

from medseg_lab.data.obtain import download as downloading
from medseg_lab.data.obtain.download import download

pytestmark = pytest.mark.usefixtures("quick")

MOST = 10**6
SIZE = len(BODY)
OLD = BODY[::-1]
DATED = {"Last-Modified": "Mon, 01 Jan 2018 00:00:00 GMT"}
WEAK = {"ETag": 'W/"one"'}
NEW = {"ETag": '"two"'}
MOVED = Answer(b"", 302, {"Location": "/there"})
ONE_BYTE_MORE = {"ETag": '"one"', "Content-Length": str(SIZE + 1)}


def span(first: int, last: int, etag: str = '"one"') -> dict[str, str]:
    return {"Content-Range": f"bytes {first}-{last}/{SIZE}", "ETag": etag}


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "set.zip"


def get(url, target, **more) -> bytes:
    return download(url, target, MOST, **more).read_bytes()


def refused(url, target) -> str:
    with pytest.raises(RuntimeError) as error:
        get(url, target)
    assert url in str(error.value)
    assert not target.exists()
    return str(error.value)


def test_a_whole_answer_is_the_file_and_leaves_nothing_beside_it(server, target):
    told = []
    url = server.give(Answer())
    assert get(url, target, progress=lambda *step: told.append(step)) == BODY
    assert below(target.parent) == ["set.zip"]
    assert told[0] == ("download set.zip", 0, SIZE)
    assert told[-1] == ("download set.zip", SIZE, SIZE)
    assert server.asked[0]["Accept-Encoding"] == "identity"


ENDS_WELL = {
    "several cuts": (
        [Answer(cut=100_000), Answer(cut=50_000), Answer(cut=25_000)],
        [0, 100_000, 150_000, 175_000],
    ),
    "the version is a date": ([Answer(headers=DATED, cut=1000), Answer(headers=DATED)], [0, 1000]),
    "no version": ([Answer(headers={}, cut=1000)], [0, 0]),
    "a weak version": ([Answer(headers=WEAK, cut=1000)], [0, 0]),
    "ranges are ignored": ([Answer(cut=1000), Answer(ranges=False)], [0, 1000]),
    "the file changed": ([Answer(OLD, cut=1000), Answer(headers=NEW)], [0, 1000]),
    "it changed and If-Range is ignored": (
        [Answer(OLD, cut=1000), Answer(BODY[1000:], 206, span(1000, SIZE - 1, '"two"')), Answer(headers=NEW)],
        [0, 1000, 0],
    ),
    "less than the rest": (
        [Answer(cut=1000), Answer(BODY[1000:2000], 206, span(1000, 1999))],
        [0, 1000, 2000],
    ),
    "a piece from another place": (
        [Answer(cut=1000), Answer(BODY[:-1000], 206, span(0, SIZE - 1001))],
        [0, 1000, 0],
    ),
    "the part is whole": ([Answer(headers=ONE_BYTE_MORE, cut=SIZE)], [0, SIZE]),
    "no length": ([Answer(length=False)], [0]),
    "in chunks": ([Answer(chunked=True)], [0]),
    "in chunks that are cut": (
        [
            Answer(chunked=True, cut=140_002),
            Answer(chunked=True, cut=140_002),
            Answer(chunked=True, ranges=False),
        ],
        [0, 140_002, 280_004],
    ),
    "overloaded for a while": ([Answer(b"", 503), Answer(b"", 502)], [0, 0, 0]),
    "a wait that cannot be read": ([Answer(b"", 503, {"Retry-After": "soon"})], [0, 0]),
    "a cut behind a redirect": ([MOVED, Answer(cut=1000), MOVED, Answer()], [0, 0, 1000, 1000]),
}


@pytest.mark.parametrize(("answers", "starts"), ENDS_WELL.values(), ids=ENDS_WELL)
def test_what_was_cut_is_resumed_where_that_is_safe_and_begun_anew_where_not(server, target, answers, starts):
    # After these answers the server gives the file.
    assert get(server.give(*answers, Answer()), target) == BODY
    asked = [asked.get("Range") for asked in server.asked]
    assert asked == [f"bytes={start}-" if start else None for start in starts]
    assert [asked.get("If-Range") is None for asked in server.asked] == [start == 0 for start in starts]
    assert below(target.parent) == ["set.zip"]


def test_only_the_rest_is_sent(server, target):
    assert get(server.give(Answer(cut=100_000), Answer()), target) == BODY
    assert server.sent == [100_000, SIZE - 100_000]


def test_a_later_call_resumes_what_an_earlier_one_left(server, target):
    url = server.give(Answer(cut=1000), Answer(cut=0))
    assert "1,000 bytes are kept" in refused(url, target)
    assert below(target.parent) == ["set.zip.part", "set.zip.part.json"]
    server.give(Answer())
    assert get(url, target) == BODY
    assert server.sent == [SIZE - 1000]
    assert below(target.parent) == ["set.zip"]


def test_the_part_of_another_address_is_no_part_of_this_one(server, target):
    refused(server.give(Answer(OLD, cut=1000), Answer(cut=0)), target)
    server.give(Answer())
    assert get(f"{server.url}/other.zip", target) == BODY


@pytest.mark.parametrize("notes", ["", "[]", '{"url": 3}', '["URL", "ETag", 3]'])
def test_a_part_whose_notes_are_spoilt_is_not_trusted(server, target, notes):
    url = server.give(Answer())
    target.with_name("set.zip.part").write_bytes(b"x" * 1000)
    target.with_name("set.zip.part.json").write_text(notes.replace("URL", url))
    assert get(url, target) == BODY


REFUSED = {
    "shorter than it says": (Answer(headers={"Content-Length": "400000"}, cut=300_000), 5, "after 4 retries"),
    "always cut, in chunks": (Answer(chunked=True, cut=140_002, ranges=False), 5, "140,002 bytes are kept"),
    "overloaded for ever": (Answer(b"", 503), 5, "503"),
    "not allowed": (Answer(b"", 403), 1, "expected HTTP status 200, got 403"),
    "not there": (Answer(b"", 404), 1, "expected HTTP status 200, got 404"),
    "a redirect in a circle": (Answer(b"", 302, {"Location": "/set.zip"}), 11, "redirect"),
    "a redirect to a local file": (Answer(b"", 302, {"Location": "file:///etc/passwd"}), 1, "http or https"),
    "too large, it says": (Answer(headers={"Content-Length": "2000000"}, cut=10), 1, "got 2,000,000 bytes"),
    "too large, it turns out": (Answer(BODY * 5, length=False), 1, "at most 1,000,000 bytes"),
}


@pytest.mark.parametrize(("answer", "requests", "said"), REFUSED.values(), ids=REFUSED)
def test_what_never_becomes_the_file_ends_after_so_many_requests(server, target, answer, requests, said):
    assert said in refused(server.give(answer), target)
    assert len(server.asked) == requests
    if requests == 1:
        assert below(target.parent) == []


def test_the_server_says_how_long_to_wait_but_not_for_an_hour(server, target, monkeypatch):
    waits = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    busy = Answer(b"", 429, {"Retry-After": "1"}), Answer(b"", 503, {"Retry-After": "3600"})
    assert get(server.give(*busy, Answer()), target) == BODY
    assert waits == [1, 2]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(cut=1000, stall=True), r"after 1 retries: .*timed out"),
        (Answer(BODY[:60], drip=0.05), r"after 1 retries: too slow: \d+ bytes in \d s"),
    ],
    ids=["stalls", "drips"],
)
def test_a_server_that_stalls_or_drips_is_given_up(server, target, monkeypatch, answer, said):
    monkeypatch.setattr(downloading, "TIMEOUT", (10, 0.2))
    monkeypatch.setattr(downloading, "RETRY", Retry(1))
    with pytest.raises(RuntimeError, match=said):
        get(server.give(answer), target)
    assert not target.exists()


def test_an_attempt_that_brought_much_starts_the_count_anew(server, target, monkeypatch):
    monkeypatch.setattr(downloading, "RETRY", Retry(1))
    monkeypatch.setattr(downloading, "GAIN", 20_000)
    cuts = [Answer(cut=30_000)] * 4
    assert get(server.give(*cuts, Answer()), target) == BODY
    target.unlink()
    few = [Answer(cut=10_000)] * 2
    refused(server.give(*few, Answer()), target)


def test_nobody_at_the_address_is_said(target):
    assert "refused" in refused("http://127.0.0.1:9/set.zip", target)


def test_a_disk_without_room_is_said_before_anything_is_written(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    url = server.give(Answer())
    with pytest.raises(RuntimeError, match=r"set\.zip\.part: expected 32 MB free on its disk, got 0 MB"):
        get(url, target)
    assert not target.exists()


def test_a_disk_that_fills_up_keeps_what_was_downloaded(server, target, monkeypatch):
    url, real = server.give(Answer()), Path.open

    def narrow(path, mode="r", *more, **settings):
        stream = real(path, mode, *more, **settings)
        if mode != "ab":
            return stream
        write, room = stream.write, [100_000]

        class Full:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                stream.close()

            def write(self, data):
                write(data[: room[0]])
                if len(data) > room[0]:
                    raise OSError(errno.ENOSPC, "No space left on device")
                room[0] -= len(data)

        return Full()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", narrow)
        with pytest.raises(RuntimeError, match=r"set\.zip\.part: the disk is full"):
            get(url, target)
    assert not target.exists()
    server.give(Answer())
    assert get(url, target) == BODY
    assert server.asked[0]["Range"] == "bytes=100000-"


def test_a_file_that_is_there_is_not_downloaded_again(server, target):
    target.write_bytes(b"here")
    assert get(server.give(Answer()), target) == b"here"
    assert server.asked == []
