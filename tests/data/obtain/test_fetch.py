"""Fetching, against a server that misbehaves."""

import errno
import shutil
import time
from pathlib import Path

import pytest
from served import BODY, Answer, below

from medseg_lab.data.obtain.fetch import fetch
from medseg_lab.data.obtain.patience import Patience
from tests.data.obtain.conftest import QUICK

MOST = 10**6


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "set.zip"


def get(url, target, **more):
    return fetch(url, target, MOST, patience=QUICK, **more).read_bytes()


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
    assert told[0] == ("fetch set.zip", 0, len(BODY))
    assert told[-1] == ("fetch set.zip", len(BODY), len(BODY))
    assert server.asked[0]["Accept-Encoding"] == "identity"


def test_several_cut_connections_are_resumed_and_only_the_rest_is_sent(server, target):
    cuts = [Answer(cut=100_000), Answer(cut=50_000), Answer(cut=25_000)]
    assert get(server.give(*cuts, Answer()), target) == BODY
    ranges = [asked.get("Range") for asked in server.asked]
    assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=175000-"]
    assert [asked.get("If-Range") for asked in server.asked] == [None, *['"one"'] * 3]
    assert server.sent == [100_000, 50_000, 25_000, 125_000]


def test_a_later_call_resumes_what_an_earlier_one_left(server, target):
    url = server.give(Answer(cut=1000), Answer(cut=0))
    said = refused(url, target)
    assert "1,000 bytes are kept" in said
    assert below(target.parent) == ["set.zip.part", "set.zip.part.json"]
    server.give(Answer())
    assert get(url, target) == BODY
    assert server.sent == [len(BODY) - 1000]
    assert below(target.parent) == ["set.zip"]


def test_a_server_that_knows_dates_only_is_resumed_too(server, target):
    dated = {"Last-Modified": "Mon, 01 Jan 2018 00:00:00 GMT"}
    assert get(server.give(Answer(headers=dated, cut=1000), Answer(headers=dated)), target) == BODY
    assert server.sent == [1000, len(BODY) - 1000]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"'}], ids=["no version", "a weak version"])
def test_without_a_sure_version_nothing_is_added_to_a_part(server, target, headers):
    assert get(server.give(Answer(headers=headers, cut=1000), Answer(headers=headers)), target) == BODY
    assert [asked.get("Range") for asked in server.asked] == [None, None]


def test_a_server_that_ignores_ranges_sends_all_of_it_again(server, target):
    assert get(server.give(Answer(cut=1000), Answer(ranges=False)), target) == BODY
    assert server.asked[1]["Range"] == "bytes=1000-"
    assert server.sent == [1000, len(BODY)]


def test_a_file_that_changed_between_tries_starts_from_zero(server, target):
    other = BODY[::-1]
    assert get(server.give(Answer(cut=1000), Answer(other, headers={"ETag": '"two"'})), target) == other


def test_a_changed_file_from_a_server_that_ignores_if_range_starts_from_zero(server, target):
    other = BODY[::-1]
    span = {"Content-Range": f"bytes 1000-{len(BODY) - 1}/{len(BODY)}", "ETag": '"two"'}
    answers = Answer(cut=1000), Answer(other[1000:], 206, span), Answer(other, headers={"ETag": '"two"'})
    assert get(server.give(*answers), target) == other


def test_a_server_that_gives_less_than_the_rest_is_asked_again(server, target):
    span = {"Content-Range": f"bytes 1000-1999/{len(BODY)}", "ETag": '"one"'}
    assert get(server.give(Answer(cut=1000), Answer(BODY[1000:2000], 206, span), Answer()), target) == BODY
    assert server.asked[2]["Range"] == "bytes=2000-"


def test_a_piece_from_another_place_is_not_added(server, target):
    span = {"Content-Range": f"bytes 0-{len(BODY) - 1001}/{len(BODY)}", "ETag": '"one"'}
    assert get(server.give(Answer(cut=1000), Answer(BODY[:-1000], 206, span), Answer()), target) == BODY


def test_the_part_of_another_address_is_no_part_of_this_one(server, target):
    refused(server.give(Answer(cut=1000), Answer(cut=0)), target)
    server.give(Answer(BODY[::-1]))
    assert get(f"{server.url}/other.zip", target) == BODY[::-1]


@pytest.mark.parametrize("notes", ["", "[]", '{"url": 3}'])
def test_a_part_whose_notes_are_spoilt_is_not_trusted(server, target, notes):
    url = server.give(Answer())
    target.with_name("set.zip.part").write_bytes(b"x" * 1000)
    target.with_name("set.zip.part.json").write_text(notes)
    assert get(url, target) == BODY


def test_a_part_that_is_whole_is_recognised(server, target):
    lying = Answer(headers={"ETag": '"one"', "Content-Length": str(len(BODY) + 1)}, cut=len(BODY))
    assert get(server.give(lying, Answer()), target) == BODY
    assert server.sent == [len(BODY), 0]


def test_an_answer_that_is_shorter_than_it_says_is_never_the_file(server, target):
    said = refused(server.give(Answer(headers={"Content-Length": "400000"}, cut=300_000)), target)
    assert "4 more tries" in said
    assert len(server.asked) == 5


def test_an_answer_that_says_to_be_too_large_is_not_taken(server, target):
    said = refused(server.give(Answer(headers={"Content-Length": "2000000"}, cut=10)), target)
    assert "2,000,000 bytes" in said
    assert "at most 1,000,000" in said
    assert below(target.parent) == []


def test_an_answer_that_turns_out_too_large_is_dropped(server, target):
    said = refused(server.give(Answer(BODY * 5, length=False)), target)
    assert "at most 1,000,000" in said
    assert below(target.parent) == []


def test_an_answer_without_a_length_ends_where_the_server_ends(server, target):
    assert get(server.give(Answer(length=False)), target) == BODY


def test_an_answer_in_chunks_is_read_to_its_end(server, target):
    assert get(server.give(Answer(chunked=True)), target) == BODY


def test_an_answer_in_chunks_that_is_cut_is_not_the_file(server, target):
    cut = Answer(chunked=True, cut=140_002)
    endless = Answer(chunked=True, cut=140_002, ranges=False)
    assert get(server.give(cut, cut, Answer(chunked=True, ranges=False)), target) == BODY
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=140002-", "bytes=280004-"]
    target.unlink()
    assert "140,002 bytes are kept" in refused(server.give(endless), target)


def test_503_then_success(server, target):
    assert get(server.give(Answer(b"", 503), Answer(b"", 502), Answer()), target) == BODY


def test_429_waits_as_long_as_it_is_told(server, target):
    start = time.monotonic()
    url = server.give(Answer(b"", 429, {"Retry-After": "1"}), Answer())
    assert get(url, target) == BODY
    assert time.monotonic() - start >= 1


def test_nobody_is_made_to_wait_for_an_hour(server, target):
    start = time.monotonic()
    url = server.give(Answer(b"", 503, {"Retry-After": "3600"}), Answer())
    assert get(url, target) == BODY
    assert time.monotonic() - start < 60


def test_a_wait_that_cannot_be_read_is_no_error(server, target):
    assert get(server.give(Answer(b"", 503, {"Retry-After": "soon"}), Answer()), target) == BODY


def test_503_for_ever_ends(server, target):
    said = refused(server.give(Answer(b"", 503)), target)
    assert "503" in said


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_will_not_change_is_not_tried_again(server, target, status):
    assert f"{status}" in refused(server.give(Answer(b"", status)), target)
    assert len(server.asked) == 1


def test_a_redirect_is_followed(server, target):
    moved = Answer(b"", 302, {"Location": f"{server.url}/there"})
    assert get(server.give(moved, Answer()), target) == BODY


def test_a_cut_behind_a_redirect_is_resumed(server, target):
    moved = Answer(b"", 302, {"Location": f"{server.url}/there"})
    assert get(server.give(moved, Answer(cut=1000), moved, Answer()), target) == BODY
    assert server.asked[3]["Range"] == "bytes=1000-"


def test_a_redirect_in_a_circle_ends(server, target):
    said = refused(server.give(Answer(b"", 302, {"Location": f"{server.url}/set.zip"})), target)
    assert "redirect" in said


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(server, target, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    said = refused(server.give(Answer(b"", 302, {"Location": secret.as_uri()})), target)
    assert "http or https" in said
    assert below(tmp_path) == ["secret"]


def test_a_server_that_stalls_is_given_up(server, target):
    patience, start = Patience(connect=10, read=0.2, tries=1, backoff=0), time.monotonic()
    url = server.give(Answer(cut=1000, stall=True))
    with pytest.raises(RuntimeError, match=r"timed out.* after 1 more tries"):
        fetch(url, target, MOST, patience=patience)
    assert time.monotonic() - start < 9
    assert not target.exists()


def test_a_server_that_drips_is_given_up(server, target):
    patience = Patience(connect=10, read=0.2, tries=1, backoff=0)
    url = server.give(Answer(drip=0.05))
    with pytest.raises(RuntimeError, match=r"bytes in \d s after 1 more tries"):
        fetch(url, target, MOST, patience=patience)


def test_nobody_at_the_address_is_said(target):
    said = refused("http://127.0.0.1:9/set.zip", target)
    assert "refused" in said


def test_a_disk_without_room_is_said_before_anything_is_written(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    url = server.give(Answer())
    with pytest.raises(RuntimeError, match=r"set\.zip\.part: got 0 MB free on its disk, wanted 32 MB"):
        get(url, target)
    assert not target.exists()


def test_a_disk_that_fills_up_keeps_what_was_fetched(server, target, monkeypatch):
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
        with pytest.raises(RuntimeError, match=r"set\.zip\.part: got a full disk"):
            get(url, target)
    assert not target.exists()
    server.give(Answer())
    assert get(url, target) == BODY
    assert server.asked[0]["Range"] == "bytes=100000-"


def test_a_file_that_is_there_is_not_fetched_again(server, target):
    target.write_bytes(b"here")
    assert get(server.give(Answer()), target) == b"here"
    assert server.asked == []
