"""Each public set, packed as its publisher packs it, obtained and opened; part of each, to be quick."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import Answer, below, zipped

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.choose import choose
from medseg_lab.data.obtain import listing, nuclei
from medseg_lab.data.obtain.obtain import obtain


@pytest.fixture
def shared(root) -> Path:
    folder = root.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data beside the checkout")
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


@pytest.fixture
def listed(monkeypatch) -> Callable[[str, Callable[[str], bool]], None]:
    """`listed(file, wanted)` cuts a list that comes with the library down to some of its files."""

    def cut(name: str, wanted: Callable[[str], bool]) -> None:
        lines = [line for line in listing._text(name).splitlines() if wanted(line.partition("  ")[2])]
        assert lines
        monkeypatch.setattr(listing, "_text", {name: "\n".join(lines)}.get)

    return cut


def at_server(card, server):
    archive = card.download.archives[0].model_copy(update={"url": f"{server.url}/archive"})
    return card.model_copy(update={"download": card.download.model_copy(update={"archives": (archive,)})})


def test_chase_db1_from_its_zip(shared, place, server, quick):
    source = shared / "chase-db1" / "CHASEDB1"
    server.give(Answer(zipped({p.name: p.read_bytes() for p in sorted(source.iterdir())}, level=0)))
    card = at_server(load_card("chase-db1"), server)
    got = obtain(card, accept_licence=True)
    assert str(got.verdict) == "files: 84 match"
    reader = choose("chase-db1").reader
    assert len(reader.patients()) == 28
    assert reader.read("Image_01L").image.shape == (3, 960, 999)


def test_msd_hippocampus_from_its_tar(shared, place, server, quick, listed):
    source = shared / "msd-hippocampus" / "Task04_Hippocampus"
    cases = [f"hippocampus_{n:03d}.nii.gz" for n in (1, 3, 4)]
    listed("msd-hippocampus.sha256", lambda name: name.rpartition("/")[2] in cases)
    said = '{"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Anterior", "2": "Posterior"}}'
    files = {"dataset.json": said.encode(), "imagesTs/hippocampus_002.nii.gz": b"not kept"}
    for kind in ("imagesTr", "labelsTr"):
        files |= {f"{kind}/{name}": (source / kind / name).read_bytes() for name in cases}
        files |= {f"{kind}/._{name}": b"\x00\x05\x16\x07 twin" for name in cases}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"Task04_Hippocampus/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    server.give(Answer(stream.getvalue(), cut=100_000), Answer(stream.getvalue()))
    got = obtain(at_server(load_card("msd-hippocampus"), server), accept_licence=True)
    assert str(got.verdict) == "files: 6 match, 1 not on the list"
    assert [p for p in below(got.folder) if "imagesTs" in p or "._" in p] == []
    assert len(choose("msd-hippocampus").reader.patients()) == 3


@pytest.mark.parametrize("top", ["", "LIDC-IDRI-slices/"])
def test_lidc_4rater_from_what_kaggle_gives(shared, place, tmp_path, top):
    source = shared / "lidc-4rater" / "LIDC-IDRI-slices"
    patients = sorted(p.name for p in source.iterdir())[:3]
    files = [p for name in patients for p in sorted((source / name).rglob("*.png"))]
    (tmp_path / "archive.zip").write_bytes(
        zipped({top + p.relative_to(source).as_posix(): p.read_bytes() for p in files})
    )
    got = obtain(load_card("lidc-4rater"), source=tmp_path / "archive.zip")
    assert got.verdict.good
    assert len(got.verdict.matching) == len(files)
    assert len(got.verdict.absent) == 3290 - len(files)
    reader = choose("lidc-4rater").reader
    assert set(reader.patients().values()) == set(patients)
    assert reader.read(next(iter(reader.patients()))).labels.shape == (4, 128, 128)


def test_acdc_from_the_h5_volumes_in_their_repository(shared, place, tmp_path):
    source = shared / "acdc" / "ACDC_training_volumes"
    given = tmp_path / "WSL4MIS" / "data" / "ACDC"
    (given / "ACDC_training_slices").mkdir(parents=True)
    (given / "ACDC_training_volumes").mkdir()
    for path in sorted(source.iterdir())[:4]:
        shutil.copy(path, given / "ACDC_training_volumes")
    (given / "ACDC_training_slices" / "patient001_frame01_slice_1.h5").write_bytes(b"a slice")
    got = obtain(load_card("acdc"), source=tmp_path / "WSL4MIS")
    assert len(got.verdict.matching) == 4
    assert got.verdict.unlisted == ()
    assert len(choose("acdc").reader.patients()) == 4


def test_acdc_from_the_publishers_archive_leaves_out_whole_beats_and_the_testing_part(place, tmp_path):
    files = {}
    for part, patient in (("training", 1), ("testing", 101), ("testing", 102)):
        stem = f"ACDC/database/{part}/patient{patient:03d}/patient{patient:03d}"
        files[f"{stem}_4d.nii.gz"] = b"a whole beat"
        files[f"{stem.rpartition('/')[0]}/Info.cfg"] = b"ED: 1"
        for frame in ("01", "12"):
            files |= {f"{stem}_frame{frame}{end}.nii.gz": b"x" for end in ("", "_gt")}
    (tmp_path / "ACDC.zip").write_bytes(zipped(files))
    got = obtain(load_card("acdc"), source=tmp_path / "ACDC.zip")
    assert [p.name for p in got.folder.iterdir()] == ["patient001"]
    assert "patient001/patient001_4d.nii.gz" not in below(got.folder)
    assert len(got.verdict.unlisted) == 5
    assert got.verdict.matching == ()
    assert got.verdict.good


@pytest.fixture
def dozen(shared, monkeypatch, listed) -> list[str]:
    """The first twelve nuclei images stand for the 160."""
    names = sorted(p.stem for p in (shared / "dsb2018-nuclei" / "images").iterdir())[:12]
    monkeypatch.setattr(nuclei, "IMAGES", 12)
    listed("dsb2018-nuclei.pixel-digests", lambda name: Path(name).stem in names)
    return names


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def test_dsb2018_nuclei_from_the_repository_of_fixes(shared, place, server, quick, dozen):
    source, top = shared / "dsb2018-nuclei", "kaggle-dsbowl-2018-dataset-fixes-3035/stage1_train"
    # One more id, the last: it would qualify, but comes after those that are kept.
    files = {f"{top}/zzz/images/zzz.png": png(np.zeros((256, 256, 4), np.uint8))}
    for name in dozen:
        grey = np.asarray(Image.open(source / "images" / f"{name}.png"))
        labels = np.asarray(Image.open(source / "labels" / f"{name}.png"))
        files[f"{top}/{name}/images/{name}.png"] = png(np.dstack([grey] * 3 + [np.full_like(grey, 255)]))
        for number in range(1, labels.max() + 1):
            mask = np.where(labels == number, np.uint8(255), np.uint8(0))
            files[f"{top}/{name}/masks/{number:05d}.png"] = png(mask)
    server.give(Answer(zipped(files)))
    got = obtain(at_server(load_card("dsb2018-nuclei"), server), accept_licence=True)
    assert str(got.verdict) == "files: 24 match"
    assert sorted(p.stem for p in (got.folder / "labels").iterdir()) == dozen
    assert list(choose("dsb2018-nuclei").reader.patients()) == dozen


def test_dsb2018_nuclei_from_pictures_that_were_converted_and_packed_anew(shared, place, tmp_path, dozen):
    source = shared / "dsb2018-nuclei"
    files = {}
    for kind in ("images", "labels"):
        for name in dozen:
            stream = io.BytesIO()
            Image.open(source / kind / f"{name}.png").save(stream, "PNG", compress_level=1)
            files[f"{kind}/{name}.png"] = stream.getvalue()
            assert files[f"{kind}/{name}.png"] != (source / kind / f"{name}.png").read_bytes()
    (tmp_path / "mine.zip").write_bytes(zipped(files))
    assert str(obtain(load_card("dsb2018-nuclei"), source=tmp_path / "mine.zip").verdict) == "files: 24 match"
