"""Real files of all five sets, damaged at random: each is read right, or refused by name.

Files made in the same layouts are damaged alike, for where the sets are not at hand. `-s` prints what came
of it.
"""

import json
import random
import resource
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.readers.decode import h5
from medseg_lab.data.readers.folder import folder_card
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.reader import Files
from tests.data.readers.damage import damaged, inside_gzip, inside_png
from tests.data.readers.layouts import Made, build

SECONDS = 8
"""No file is so bad that it may take longer; good ones take hundredths."""

MEMORY_KB = 700_000
"""What reading bad files may add to the peak of this process, or its decoder have in all."""

REAL = {
    "acdc-h5": ("acdc", "ACDC_training_volumes", "patient056_frame*.h5"),
    "chase": ("chase-db1", "CHASEDB1", "Image_01?*"),
    "lidc": ("lidc-4rater", "LIDC-IDRI-slices", "LIDC-IDRI-0001/nodule-[01]/*/*.png"),
    "msd-3d": ("msd-hippocampus", "Task04_Hippocampus", "*/hippocampus_00[13].nii.gz"),
    "nuclei": ("dsb2018-nuclei", ".", "*/00[0a]*.png"),
}
PLANS = [  # layout, part of the case, how it is damaged, the head where claims are, mutants
    ("acdc-h5", "image", damaged, 8192, 200),
    ("acdc-nifti", "image", damaged, 64, 30),
    ("acdc-nifti", "scribble", inside_gzip, 352, 60),
    ("chase", "image", damaged, 700, 60),
    ("chase", "label", damaged, 64, 20),
    ("chase", "label", inside_png, 64, 30),
    ("lidc", "image", damaged, 64, 40),
    ("lidc", "label", inside_png, 64, 80),
    ("msd-2d", "label", inside_gzip, 352, 60),
    ("msd-3d", "image", damaged, 64, 40),
    ("msd-3d", "image", inside_gzip, 352, 100),
    ("msd-3d", "label", inside_gzip, 352, 100),
    ("nuclei", "image", inside_png, 64, 60),
    ("nuclei", "label", damaged, 64, 30),
    ("nuclei", "label", inside_png, 64, 80),
]


def real(layout: str, root: Path, target: Path) -> Made | None:
    """A few cases of the real set, copied; None where it has none or is not at hand."""
    if layout not in REAL:
        return None
    dataset, folder, pattern = REAL[layout]
    source = root.parent / "shared" / "data" / dataset / folder
    files = sorted(source.glob(pattern)) if source.is_dir() else []
    if not files:
        return None
    for path in [*files, *source.glob("dataset.json")]:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if (listing := target / "dataset.json").is_file():
        kept = {path.name for path in files}
        said = json.loads(listing.read_text())
        said["training"] = [pair for pair in said["training"] if Path(pair["label"]).name in kept]
        listing.write_text(json.dumps(said))
    made = Made(load_card(dataset), target)
    for case in made.reader.patients():
        made.files[case] = _parts(made.reader.files[case])
    return made


def _parts(files: Files) -> dict[str, Path]:
    """The image and one of the labels, which in h5 are in the same file."""
    return {"image": files.image[0], "label": (files.labels or files.image)[-1]}


@pytest.fixture(scope="module", params=["real", "made"])
def sets(request, root, tmp_path_factory) -> dict[str, Made]:
    """Every layout, with the real files where they are at hand."""
    folder = tmp_path_factory.mktemp(request.param)
    found = {}
    for layout in {layout for layout, *_ in PLANS}:
        files = real(layout, root, folder / layout) if request.param == "real" else None
        if request.param == "made" or files:
            found[layout] = files or build(layout, folder / layout)
    if not found:
        pytest.skip("shared/data is not at hand: only files made here are damaged")
    return found


def outcome(made: Made, annotation: str, good) -> str:
    """What became of reading the first case: "refused", "as before" or "other values"; all else fails."""
    source, case = made.reader, made.first
    start = time.monotonic()
    try:
        raw = source.read(case, annotation)
    except ValueError as error:
        said = str(error)
        assert any(str(path) in said for path in made.files[case].values()), said
        assert said.count("\n") == 0, said
        assert "expected" in said, said
        assert "got" in said, said
        assert "timed out" not in said, said
        assert time.monotonic() - start < SECONDS
        return "refused"
    assert time.monotonic() - start < SECONDS
    assert (raw.image.dtype, raw.labels.dtype) == (np.float32, np.uint8)
    assert raw.image.ndim == 1 + made.card.spatial_dims
    assert len(raw.image) == len(made.card.modality)
    assert raw.labels.shape == (made.card.raters, *raw.image.shape[1:])
    assert np.isfinite(raw.image).all()
    assert np.isin(raw.labels, [*range(len(made.card.classes)), IGNORE]).all()
    assert (raw.labels != IGNORE).all() or annotation == "scribble"
    assert raw.spacing is None or all(0 < edge < np.inf for edge in raw.spacing)
    same = np.array_equal(raw.image, good.image) and np.array_equal(raw.labels, good.labels)
    return "as before" if same and raw.spacing == good.spacing else "other values"


def peak_kb(who: int) -> int:
    return resource.getrusage(who).ru_maxrss


def test_a_damaged_file_is_read_right_or_refused_by_name(sets, monkeypatch):
    monkeypatch.setattr(h5, "TIMEOUT_S", SECONDS)
    before, tried = peak_kb(resource.RUSAGE_SELF), Counter()
    others = peak_kb(resource.RUSAGE_CHILDREN)  # the children of earlier tests
    for seed, (layout, part, harm, head, mutants) in enumerate(PLANS):
        if layout not in sets:
            continue
        made, rng, counts = sets[layout], random.Random(seed), Counter()
        annotation = part if part == "scribble" else "dense"
        path = made.file(part)
        whole, good = path.read_bytes(), made.reader.read(made.first, annotation)
        for _ in range(mutants):
            path.write_bytes(harm(whole, rng, head) if harm is damaged else harm(whole, rng))
            counts[outcome(made, annotation, good)] += 1
        path.write_bytes(whole)
        assert outcome(made, annotation, good) == "as before"
        tried.update(counts)
        print(f"{layout:11} {part:9} {harm.__name__:12} {path.suffix:5} {dict(sorted(counts.items()))}")
    assert sum(tried.values()) >= 500
    assert min(tried["refused"], tried["other values"] + tried["as before"]) >= 50
    assert peak_kb(resource.RUSAGE_SELF) - before < MEMORY_KB
    h5._decoder.stop()  # its peak is known once it has ended
    forked = peak_kb(resource.RUSAGE_SELF)  # a child is as large as this process until it runs its program
    assert peak_kb(resource.RUSAGE_CHILDREN) < max(others + 1, forked + 1, MEMORY_KB)


def opening(folder: Path) -> str | None:
    """What is said of a folder of one's own that cannot be opened."""
    try:
        open_reader(folder_card(folder), folder)
    except ValueError as error:
        return str(error)
    return None


def test_a_damaged_listing_is_refused_by_name(sets):
    made, rng, counts = sets["msd-3d"], random.Random(99), Counter()
    path = made.folder / "dataset.json"
    whole = path.read_bytes()
    for _ in range(150):
        path.write_bytes(damaged(whole, rng, 600))
        said = opening(made.folder)
        counts["refused" if said else "opened"] += 1
        assert said is None or said.startswith(str(made.folder)), said
        assert said is None or "missing" in said or ("expected" in said and "got" in said), said
    path.write_bytes(whole)
    print("dataset.json", dict(counts))
    assert min(counts.values()) > 5
