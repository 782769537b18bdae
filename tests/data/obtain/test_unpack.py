"""Archives as publishers make them, and as nobody should."""

import errno
import io
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from served import below, zipped

from medseg_lab.data.obtain import unpack

KEEP = ("images/*.png", "readme.txt")
GOOD = {"set/images/a.png": b"a" * 1000, "set/readme.txt": b"read me", "set/images/b.png": b"b" * 2000}
MOST = 10**6
NOISE = np.random.default_rng(0).bytes(5000)


@pytest.fixture
def into(tmp_path) -> Path:
    folder = tmp_path / "deep" / "target"
    folder.mkdir(parents=True)
    return folder


def put(tmp_path: Path, content: bytes, name: str = "set.archive") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def tarred(files: dict[str, bytes], mode: str = "w", more: tarfile.TarInfo | None = None) -> bytes:
    """A tar of these files; one more member, without content, at its end."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if more is not None:
            archive.addfile(more)
    return stream.getvalue()


def refused(archive: Path, into: Path, *said: str, most: int = MOST) -> None:
    """The error names the archive, in one line; nothing is outside of `into`."""
    top = archive.parent
    outside = {p for p in top.rglob("*") if not p.is_relative_to(into)}
    with pytest.raises(ValueError, match=re.escape(str(archive))) as error:
        unpack.unpack(archive, into, KEEP, most)
    for words in said:
        assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert {p for p in top.rglob("*") if not p.is_relative_to(into)} == outside


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "folder"])
def test_wanted_files_come_out_whole_and_others_do_not(tmp_path, into, form):
    files = {**GOOD, "set/4d.nii.gz": b"large", "set/images/deep/c.png": b"c"}
    if form == "folder":
        archive = tmp_path / "given"
        for name, content in files.items():
            (archive / name).parent.mkdir(parents=True, exist_ok=True)
            (archive / name).write_bytes(content)
    else:
        content = zipped(files) if form == "zip" else tarred(files, "w:gz" if form == "tar.gz" else "w")
        archive = put(tmp_path, content)
    told = []
    seen = unpack.unpack(archive, into, KEEP, MOST, lambda *step: told.append(step))
    assert {name: (into / name).read_bytes() for name in GOOD} == GOOD
    assert sorted(p for p in below(into) if (into / p).is_file()) == sorted(GOOD)
    assert told[-1] == (f"unpack {archive.name}", 3007, None)
    assert len(seen) == 3
    if form == "folder":
        # They are copies.
        (into / "set" / "readme.txt").write_bytes(b"changed")
        assert (archive / "set" / "readme.txt").read_bytes() == b"read me"


def test_macos_twins_are_left_out(tmp_path, into):
    twins = {"__MACOSX/images/a.png": b"twin", "images/._a.png": b"twin", "images/a.png": b"a"}
    unpack.unpack(put(tmp_path, zipped(twins)), into, KEEP, MOST)
    assert below(into) == ["images", "images/a.png"]


OUTSIDE = {
    "../images/a.png": "leaves the target",
    "x/../../images/a.png": "leaves the target",
    "../../unwanted": "leaves the target",
    "/images/a.png": "got an absolute one",
    "C:images/a.png": "got an absolute one",
    "c:/images/a.png": "got an absolute one",
    "..\\images\\a.png": "got a backslash",
    "images\\a.png": "got a backslash",
}


@pytest.mark.parametrize(("name", "said"), OUTSIDE.items())
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_that_leaves_the_target_is_refused(tmp_path, into, pack, name, said):
    refused(put(tmp_path, pack({**GOOD, name: b"evil"})), into, repr(name), said)


TAR_KINDS = {
    tarfile.SYMTYPE: "a link to '../../outside'",
    tarfile.LNKTYPE: "a link to '../../outside'",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a device",
}


@pytest.mark.parametrize(("kind", "said"), TAR_KINDS.items())
def test_a_link_or_device_in_a_tar_is_refused(tmp_path, into, kind, said):
    link = tarfile.TarInfo("images/l.png")
    link.type, link.linkname = kind, "../../outside"
    refused(put(tmp_path, tarred(GOOD, more=link)), into, "'images/l.png'", said)


def test_a_link_to_a_wanted_member_is_refused_too(tmp_path, into):
    link = tarfile.TarInfo("images/l.png")
    link.type, link.linkname = tarfile.SYMTYPE, "a.png"
    refused(put(tmp_path, tarred({"images/a.png": b"a"}, more=link)), into, "a link to 'a.png'")


@pytest.mark.parametrize(
    ("mode", "word"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")]
)
def test_a_link_or_device_in_a_zip_is_refused(tmp_path, into, mode, word):
    info = zipfile.ZipInfo("images/a.png")
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(put(tmp_path, stream.getvalue()), into, "'images/a.png'", word)


def test_a_link_out_of_a_folder_is_refused_and_one_within_is_its_file(tmp_path, into):
    (tmp_path / "secret").write_bytes(b"secret")
    given = tmp_path / "given" / "images"
    given.mkdir(parents=True)
    (given / "a.png").write_bytes(b"a")
    (given / "b.png").symlink_to("a.png")
    unpack.unpack(given.parent, into, KEEP, MOST)
    assert (into / "images" / "b.png").read_bytes() == b"a"
    assert not (into / "images" / "b.png").is_symlink()
    (given / "c.png").symlink_to(tmp_path / "secret")
    shutil.rmtree(into)
    refused(given.parent, into, "images/c.png", "a link to")


def test_a_linked_folder_and_a_pipe_in_a_folder_are_refused(tmp_path, into):
    given = tmp_path / "given"
    (given / "images").mkdir(parents=True)
    (given / "more").symlink_to("images", target_is_directory=True)
    refused(given, into, "a link to a folder")
    (given / "more").unlink()
    os.mkfifo(given / "images" / "a.png")
    refused(given, into, "a device")


TWICE = [
    ("images/a.png", "./images//a.png"),
    ("images/a.png", "images/a.png/readme.txt"),
    ("images/a.png", "images/a.png/images/a.png"),
    ("images/a.png/readme.txt", "images/a.png"),
]


@pytest.mark.parametrize("names", TWICE)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_two_members_of_one_name_or_a_file_that_is_a_folder_are_refused(tmp_path, into, pack, names):
    archive = put(tmp_path, pack(dict.fromkeys(names, b"a")))
    refused(archive, into, f"member {names[1]!r}: another member has this name")


@pytest.mark.parametrize("pack", [zipped, lambda files: tarred(files, "w:gz")], ids=["zip", "tar.gz"])
def test_a_bomb_is_stopped_by_what_the_archive_s_size_allows(tmp_path, into, pack, monkeypatch):
    monkeypatch.setattr(unpack, "LEAST", 0)
    archive = put(tmp_path, pack({"images/a.png": bytes(20_000_000)}))
    assert archive.stat().st_size * unpack.RATIO < 20_000_000
    refused(archive, into, "bytes", most=10**9)
    assert sum(p.stat().st_size for p in into.rglob("*.png")) <= archive.stat().st_size * unpack.RATIO


def test_a_bomb_that_is_not_wanted_costs_no_reading(tmp_path, into, monkeypatch):
    # A gzip is read to skip a member: how far is counted, too.
    monkeypatch.setattr(unpack, "LEAST", 0)
    archive = put(tmp_path, tarred({"unwanted": bytes(40_000_000), "images/a.png": b"a"}, "w:gz"))
    refused(archive, into, "which its size does not allow")


def test_more_than_the_card_allows_is_stopped(tmp_path, into):
    refused(put(tmp_path, zipped(GOOD)), into, "'set/images/b.png': expected at most 2,500 bytes", most=2500)


def test_a_zip_whose_headers_claim_little_is_counted_as_written(tmp_path, into):
    content = bytearray(zipped({"images/a.png": b"x" * 5000}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(mark) + offset, 10)
    refused(put(tmp_path, bytes(content)), into, "images/a.png", most=1000)
    assert sum(p.stat().st_size for p in into.rglob("*.png")) <= 1000


def test_tar_headers_that_want_much_memory_or_never_end_are_refused(tmp_path, into):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**40
    header = info.tobuf(tarfile.GNU_FORMAT)
    start = tarred({"images/a.png": b"a"})[:1024]
    refused(put(tmp_path, start + header + bytes(2048)), into / "memory", "header of")
    info.size = 0
    refused(
        put(tmp_path, start + 2000 * info.tobuf(tarfile.GNU_FORMAT)), into / "recursion", "not a whole tar"
    )


def test_too_many_members_are_refused(tmp_path, into, monkeypatch):
    monkeypatch.setattr(unpack, "MEMBERS", 2)
    refused(put(tmp_path, zipped(GOOD)), into, "expected at most 2 members")


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_a_truncated_archive_is_refused(tmp_path, into, form):
    noise = {f"images/{n}.png": NOISE for n in range(4)}
    whole = zipped(noise) if form == "zip" else tarred(noise, "w:gz" if form == "tar.gz" else "w")
    # The end of a tar is its mark and zeros up to 10,240 bytes: cut before.
    end = len(whole) if form != "tar" else 4 * (512 + 5120)
    for share in (0.1, 0.5, 0.9, 0.99):
        refused(put(tmp_path, whole[: int(end * share)]), into / str(share))


def test_a_tar_cut_between_members_or_with_a_damaged_header_is_refused(tmp_path, into):
    content = bytearray(tarred(GOOD))
    refused(put(tmp_path, content[: 512 + 1024]), into / "cut", "no mark at its end")
    content[512 + 1024 : 512 + 1024 + 100] = b"?" * 100
    refused(put(tmp_path, bytes(content)), into / "damaged", "no mark at its end")


def test_spoilt_content_is_refused(tmp_path, into):
    content = bytearray(zipped({"images/a.png": NOISE}))
    content[2000] ^= 1
    refused(put(tmp_path, bytes(content)), into, "images/a.png")
    content = bytearray(tarred({"images/b.png": NOISE}, "w:gz"))
    content[2000] ^= 1
    refused(put(tmp_path, bytes(content)), into)


def test_an_encrypted_zip_is_refused(tmp_path, into):
    content = bytearray(zipped(GOOD))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    refused(put(tmp_path, bytes(content)), into, "an encrypted member")


def test_a_page_in_place_of_an_archive_is_refused(tmp_path, into):
    for content in (b"<!DOCTYPE html><html>Sign in", b""):
        refused(put(tmp_path, content), into, "expected a zip, tar or tar.gz", repr(content[:15])[:-1])
    refused(tmp_path / "absent.zip", into, "no such file")


def named(raw: bytes) -> bytes:
    """A zip with one member, whose name is these bytes, without the mark for UTF-8."""
    stand_in = "x" * (len(raw) - len(b"/images/a.png")) + "/images/a.png"
    return zipped({stand_in: b"a"}).replace(stand_in.encode(), raw)


def test_names_in_chinese_come_out_in_each_encoding(tmp_path, into):
    # The second byte of this character in GBK is that of a backslash.
    backslash = next(c for c in map(chr, range(0x4E00, 0x9FFF)) if b"\\" in c.encode("gbk", "ignore"))
    archives = {"诚誠": tarred({"诚誠/images/a.png": b"a"}), "資料": zipped({"資料/images/a.png": b"a"})}
    for encoding, name in (("gbk", "数据"), ("gb18030", "資"), ("utf-8", "é"), ("gbk", backslash)):
        archives[name] = named(f"{name}/images/a.png".encode(encoding))
    for name, content in archives.items():
        unpack.unpack(put(tmp_path, content), into, KEEP, MOST)
        assert (into / name / "images" / "a.png").read_bytes() == b"a"


def test_a_full_disk_is_said(tmp_path, into, monkeypatch):
    real = Path.open

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        Path, "open", lambda p, mode="r", *a, **k: Full() if mode == "xb" else real(p, mode, *a, **k)
    )
    with pytest.raises(RuntimeError, match=r"a\.png: the disk is full"):
        unpack.unpack(put(tmp_path, zipped(GOOD)), into, KEEP, MOST)
