"""From a card to a data set in its place, or to one clear error and a place as it was."""

import io
import os
import tarfile
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import Answer, below, zipped

from medseg_lab.data import locate
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.obtain import obtain as obtaining
from medseg_lab.data.obtain import quiet
from medseg_lab.data.obtain.obtain import obtain
from medseg_lab.data.obtain.staging import staging


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Where data sets are looked for."""
    folder = tmp_path / "sets"
    folder.mkdir()
    monkeypatch.setenv("MEDSEG_DATA", str(folder))
    return folder


@pytest.fixture
def names(files) -> list[str]:
    return sorted(name.split("/")[1] for name in files)


def refused(card, place, *said: str, error=ValueError, leaves=(), **settings) -> None:
    settings.setdefault("accept_licence", True)
    with pytest.raises(error) as caught:
        obtain(card, **settings)
    assert "\n" not in str(caught.value)
    for words in said:
        assert words in str(caught.value)
    assert below(place) == sorted(leaves)


def test_a_data_set_is_downloaded_verified_and_laid_out_and_nothing_else_is_left(
    server, toy, archive, place, names
):
    server.give(Answer(archive))
    told = []
    got = obtain(toy(), accept_licence=True, progress=lambda *step: told.append(step[0]))
    assert got.fresh
    assert got.folder == place / "toy"
    assert got.verdict.good
    assert list(got.verdict.matching) == names
    assert below(place) == ["toy", *(f"toy/{name}" for name in names)]
    assert list(dict.fromkeys(told)) == ["download CHASEDB1.zip", "unpack CHASEDB1.zip", "verify"]


def test_what_is_there_is_verified_and_neither_downloaded_again_nor_overwritten(server, toy, archive, place):
    server.give(Answer(archive))
    obtain(toy(), accept_licence=True)
    server.asked.clear()
    got = obtain(toy())
    assert not got.fresh
    assert got.verdict.good
    spoilt = place / "toy" / "Image_01L.jpg"
    spoilt.write_bytes(b"mine")
    refused(toy(), place, f"{place / 'toy'}: ", "got others for Image_01L.jpg", leaves=below(place))
    assert spoilt.read_bytes() == b"mine"
    assert server.asked == []


def test_nothing_is_downloaded_before_the_licence_is_accepted(server, toy, archive, place):
    server.give(Answer(archive))
    refused(toy(), place, "--accept-licence", "CC BY 4.0", "medseg data get toy", accept_licence=False)
    assert server.asked == []


def test_an_archive_at_hand_is_taken_and_left_alone(server, toy, archive, place, tmp_path):
    given = tmp_path / "mine.zip"
    given.write_bytes(archive)
    assert obtain(toy(), source=given).fresh
    assert given.read_bytes() == archive
    assert server.asked == []


def test_a_set_to_be_got_by_hand_or_generated_says_so(toy, place):
    refused(toy(archives=(), by_hand="ask"), place, "register", "medseg data get toy --from PATH")
    refused(load_card("virtual-brain"), place, "virtual-brain: it has no files to get")


def test_an_archive_packed_anew_verifies(server, toy, files, place):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./elsewhere/{name}")
            info.size, info.mtime, info.uid, info.mode = len(content), 1234.5, 4711, 0o600
            archive.addfile(info, io.BytesIO(content))
    for form, packed in (("zip", zipped(dict(reversed(files.items())), level=1)), ("tar", stream.getvalue())):
        server.give(Answer(packed))
        assert obtain(toy(), place / form, accept_licence=True).verdict.good


def test_a_cut_download_is_resumed_by_the_next_call(server, toy, archive, place):
    server.give(Answer(archive, cut=500), Answer(archive, cut=0))
    left = [".toy.part", ".toy.part/CHASEDB1.zip.part", ".toy.part/CHASEDB1.zip.part.json"]
    refused(toy(), place, "500 bytes are kept", error=RuntimeError, leaves=left)
    server.give(Answer(archive))
    assert obtain(toy(), accept_licence=True).fresh
    assert server.sent == [len(archive) - 500]
    assert not (place / ".toy.part").exists()


CHANGED = "CHASEDB1/Image_02L.jpg"
FAULTS = {
    "no archive": (lambda files: b"<html>moved</html>", "CHASEDB1.zip: expected a zip, tar or tar.gz, got"),
    "another archive": (
        lambda files: zipped({"other/file.txt": b"x"}),
        "Image_*_1stHO.png inside, got 'other/file.txt'",
    ),
    "another checksum": (
        lambda files: zipped({**files, CHANGED: files[CHANGED][:-1] + b"!"}),
        "CHASEDB1.zip: expected the published checksums, got others for Image_02L.jpg",
    ),
    "a file is missing": (
        lambda files: zipped(dict(list(files.items())[1:])),
        "expected all 6 files of the list, got no Image_01L.jpg",
    ),
    "a member leaves the target": (
        lambda files: zipped({**files, "../../../Image_03L.jpg": b"evil"}),
        "leaves the target folder",
    ),
}


@pytest.mark.parametrize(("content", "said"), FAULTS.values(), ids=FAULTS)
def test_an_archive_at_fault_leaves_nothing(server, toy, files, place, content, said):
    server.give(Answer(content(files)))
    refused(toy(), place, said)


def test_a_full_disk_keeps_the_archive_for_the_next_try(server, toy, archive, place, monkeypatch):
    server.give(Answer(archive))

    def full(*_):
        raise RuntimeError("x: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("medseg_lab.data.obtain.unpack._write", full)
        left = [".toy.part", ".toy.part/CHASEDB1.zip"]
        refused(toy(), place, "full", error=RuntimeError, leaves=left)
    server.asked.clear()
    assert obtain(toy(), accept_licence=True).fresh
    assert server.asked == []
    assert not (place / ".toy.part").exists()


def test_what_a_killed_process_left_is_cleared(server, toy, archive, place, names):
    half = place / ".toy.part" / "unpacked" / "0" / "CHASEDB1" / "Image_01L.jpg"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    (place / ".toy.lock").touch()
    server.give(Answer(archive))
    assert list(obtain(toy(), accept_licence=True).verdict.matching) == names
    assert below(place) == ["toy", *(f"toy/{name}" for name in names)]


def test_a_target_in_use_or_inside_of_its_source_is_refused(toy, place, tmp_path):
    taken = place / "toy"
    taken.write_text("mine")
    refused(toy(), place, str(taken), "got a file", leaves=["toy"])
    taken.unlink()
    (taken / "mine").mkdir(parents=True)
    refused(toy(), place, str(taken), "other files", leaves=["toy", "toy/mine"])
    refused(toy(), place, "inside", source=tmp_path, target=place / "new", leaves=["toy", "toy/mine"])


def test_an_empty_target_and_one_in_folders_to_be_made_are_fine(server, toy, archive, place):
    server.give(Answer(archive))
    (place / "toy").mkdir()
    assert obtain(toy(), accept_licence=True).folder == place / "toy"
    deep = place / "a" / "b" / "c"
    assert obtain(toy(), target=deep, accept_licence=True).folder == deep
    assert locate.is_at(deep, toy())


def test_a_failed_download_leaves_nothing_and_no_folder_that_was_made_for_it(server, toy, place):
    more_than_the_card_says = Answer(headers={"Content-Length": "9000000000"}, cut=0)
    for answer, said in ((Answer(b"", 404), "404"), (more_than_the_card_says, "9,000,000,000 bytes")):
        server.give(answer)
        refused(toy(), place, said, error=RuntimeError, target=place / "a" / "b" / "c")


@contextmanager
def nobody() -> "os._Environ":
    """Without root's right to write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_write_permission_is_said(server, toy, archive, tmp_path):
    # pytest's own folder is closed to others; what is looked at must not be, for a process that was root.
    server.give(Answer(archive))
    with tempfile.TemporaryDirectory(prefix="medseg-test-") as name:
        place = Path(name)
        place.chmod(0o555)
        with nobody():
            told = str(place), "this user may not write there"
            refused(toy(), place, *told, error=RuntimeError, target=place / "toy")
        place.chmod(0o755)


def test_two_at_once_bring_it_once(server, toy, archive, place):
    server.give(Answer(archive))
    got, card = [], toy()
    threads = [
        threading.Thread(target=lambda: got.append(obtain(card, accept_licence=True))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(g.fresh for g in got) == [False, False, False, True]
    assert len(server.asked) == 1
    assert [p.name for p in place.iterdir()] == ["toy"]


def test_what_another_brings_between_two_looks_is_found(server, toy, archive, place, monkeypatch):
    server.give(Answer(archive))
    card, look = toy(), obtaining._at_hand

    def look_too_early(*asked):
        monkeypatch.setattr(obtaining, "_at_hand", look)
        seen = look(*asked)
        assert obtain(card, accept_licence=True).fresh
        return seen

    monkeypatch.setattr(obtaining, "_at_hand", look_too_early)
    assert not obtain(card, accept_licence=True).fresh
    assert len(server.asked) == 1


def test_who_waits_says_so_and_finds_it_there(server, toy, archive, place):
    server.give(Answer(archive))
    told, card, waiting = [], toy(), threading.Event()

    def tell(step, *_):
        told.append(step)
        waiting.set()

    with staging(place / "toy", quiet) as folder:
        other = threading.Thread(target=lambda: obtain(card, accept_licence=True, progress=tell))
        other.start()
        assert waiting.wait(10)
        obtaining._bring(card, place / "toy", folder, None, quiet)
    other.join()
    assert told[0] == "wait for another process that gets toy"
    assert told[-1] == "verify"
    assert len(server.asked) == 1
    assert [p.name for p in place.iterdir()] == ["toy"]


def test_an_archive_without_a_list_is_compared_by_its_own_checksum(server, toy, archive, place, monkeypatch):
    card = toy().model_copy(update={"id": "unlisted"})
    texts = {"archives.md5": f"{'0' * 32}  CHASEDB1.zip\n"}
    monkeypatch.setattr("medseg_lab.data.obtain.listing._text", texts.get)
    server.give(Answer(archive))
    refused(card, place, f"CHASEDB1.zip: expected MD5 {'0' * 32}, got ")
    texts.clear()
    got = obtain(card, accept_licence=True)
    assert str(got.verdict) == "no checksums are known for this set: 6 files, none compared"
