"""Inconsistent h5 files, and a decoder that fails."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from medseg_lab.data.readers.decode import h5
from tests.data.readers.layouts import save_h5
from tests.data.readers.refusals import pickled, refused


def h5_of(made, **volumes):
    image, label = made.images[made.first][0].T, made.labels[made.first][0].T
    save_h5(made.file("image"), **({"image": image, "label": label} | volumes))


def test_an_h5_without_the_key_names_those_that_are_there(make):
    made = make("acdc-h5")
    save_h5(made.file("image"), picture=np.zeros((5, 8, 9)), mask=np.zeros((5, 8, 9)))
    refused(made, "image", "expected the key image, got mask, picture")
    h5_of(made)
    refused(made, "image", "expected the key scribble, got image, label", "scribble")


def strings(file):
    file.create_dataset("label", data=np.array([["a"]], object), dtype=h5py.string_dtype())


def links(file):
    file["label"] = h5py.ExternalLink(Path(file.filename).with_name("patient002_frame01.h5"), "label")


def outside(file):
    file.create_dataset("label", (5, 8, 9), "u1", external=[("/etc/passwd", 0, 360)])


def virtual(file):
    layout = h5py.VirtualLayout((5, 8, 9), "u1")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "label", (5, 8, 9))
    file.create_virtual_dataset("label", layout)


H5 = {
    "strings": (strings, "expected whole or real numbers at label, got the type object"),
    "pickled": (
        lambda f: f.create_dataset("label", data=np.void(pickled())),
        r"numbers at label, got the type \|V\d+",
    ),
    "references": (
        lambda f: f.create_dataset("label", (1,), h5py.ref_dtype),
        "at label, got the type object",
    ),
    "a group": (lambda f: f.create_group("label"), "expected a volume at label, got Group and HardLink"),
    "a link to another file's volume": (links, "expected a volume at label, got Dataset and ExternalLink"),
    "another file": (outside, "expected a volume at label, got a reference to another file"),
    "another file's volume": (virtual, "expected a volume at label, got a reference to another file"),
    "a slice": (
        lambda f: f.create_dataset("label", (8, 9), "u1"),
        r"expected the shape \(Z, Y, X\) at label, got \(8, 9\)",
    ),
    "nothing": (lambda f: f.create_dataset("label", (5, 0, 9), "u1"), r"claims the shape \(5, 0, 9\)"),
    "an empty space": (lambda f: f.create_dataset("label", data=h5py.Empty("u1")), "at label, got None"),
    "no chunk": (
        lambda f: f.create_dataset("label", (5, 8, 9), "u1", chunks=(1, 8, 9)),
        "expected 5 chunks at label, got 0",
    ),
    "no bytes": (
        lambda f: f.create_dataset("label", (5, 8, 9), "u1"),
        "expected 360 bytes at label, .* got 0",
    ),
    "absurd dimensions": (
        lambda f: f.create_dataset("label", (60_000,) * 3, "u1", chunks=(1, 64, 64), compression="gzip"),
        r"claims the shape \(60000, 60000, 60000\)",
    ),
    "absurd chunks": (
        lambda f: f.create_dataset("label", (5, 8, 9), "u1", chunks=(1000, 1000, 1000), maxshape=(None,) * 3),
        r"claims the chunks \(1000, 1000, 1000\)",
    ),
}


@pytest.mark.parametrize("fault", H5)
def test_an_inconsistent_h5(make, fault):
    fill, message = H5[fault]
    made = make("acdc-h5")
    with h5py.File(made.file("image"), "w") as file:
        file["image"] = made.images[made.first][0].T
        fill(file)
    refused(made, "image", message)


def test_a_file_that_ends_its_decoder_does_not_end_the_session(make, monkeypatch, tmp_path):
    """A decoder that dies at every request stands for libhdf5; the next file gets a new one."""
    dying = tmp_path / "dying.py"
    dying.write_text("import os, sys\nsys.stdin.readline()\nos.abort()\n")
    made = make("acdc-h5")
    h5._decoder.stop()
    with monkeypatch.context() as patch:
        patch.setattr(h5.h5_child, "__file__", str(dying))
        with pytest.raises(ValueError, match="expected a readable h5 file, got one on which libhdf5 fails"):
            made.reader.read(made.first)
    made.reader.read(made.first)


def test_a_file_that_never_ends_is_given_up(make, monkeypatch, tmp_path):
    waiting = tmp_path / "waiting.py"
    waiting.write_text("import time\ntime.sleep(60)\n")
    made = make("acdc-h5")
    h5._decoder.stop()
    with monkeypatch.context() as patch:
        patch.setattr(h5.h5_child, "__file__", str(waiting))
        patch.setattr(h5, "TIMEOUT_S", 0.3)
        with pytest.raises(ValueError, match=r"timed out after 0\.3 s"):
            made.reader.read(made.first)
    made.reader.read(made.first)


def test_a_forked_process_has_a_decoder_of_its_own(make):
    made = make("acdc-h5")
    reader = made.reader
    reader.read(made.first)
    if (pid := os.fork()) == 0:
        signal.alarm(20)  # waiting for the other process's answers would never end
        try:
            good = np.array_equal(reader.read(made.first).image, made.images[made.first])
            h5._decoder.stop()
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    np.testing.assert_array_equal(reader.read(made.first).image, made.images[made.first])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_threads_share_the_decoder_without_mixing_answers(make):
    made = make("acdc-h5", cases=6)
    reader, names = made.reader, sorted(made.files) * 5
    with ThreadPoolExecutor(4) as pool:
        for name, raw in zip(names, pool.map(reader.read, names), strict=True):
            np.testing.assert_array_equal(raw.image, made.images[name])


def test_packed_chunks_that_forgot_their_packing_are_refused(make):
    """The header's message about gzip (11) gets an unknown number: libhdf5 2.0 then reads past the chunks."""
    made = make("acdc-h5")
    content = bytearray(made.file("image").read_bytes())
    at = content.index(b"\x0b\x00\x20\x00\x01")
    content[at] = 118
    made.file("image").write_bytes(content)
    refused(made, "image", "expected 1440 bytes at image, which is not compressed, got")
