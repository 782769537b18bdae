import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from medseg_lab.data import catalogue
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.readers.virtual import VirtualReader
from medseg_lab.data.virtual.settings import VirtualSettings
from medseg_lab.data.virtual.subject import subject


def reader(name: str = "virtual-brain", keep: bool = True, seed: int = 0, **settings) -> VirtualReader:
    card = load_card(name)
    table = {**card.virtual.settings, "resolution": 4, **settings}
    population = {"subjects": 3, "seed": seed, "settings": table}
    return VirtualReader.open(card.model_validate(card.model_dump() | {"virtual": population}), keep)


@pytest.fixture
def kept(tmp_path, monkeypatch, own_cache) -> Path:
    """The one file in the cache that a reader of its own leaves for subject 0."""
    reader(keep=False).read("subject-0000")
    templates = own_cache / "medseg" / "templates"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "medseg").mkdir()
    (tmp_path / "medseg" / "templates").symlink_to(templates)
    reader().read("subject-0000")
    (path,) = (tmp_path / "medseg" / "virtual").iterdir()
    return path


def test_a_cached_subject_equals_a_fresh_one_to_the_bit(own_cache):
    source = reader(bias=[0.1, 0.2])
    fresh, cached = source.read("subject-0001"), source.read("subject-0001")
    wanted = subject(0, 1, VirtualSettings(resolution=4, bias=(0.1, 0.2)))
    for raw in (fresh, cached):
        assert raw.image.tobytes() == wanted.image.numpy().tobytes()
        assert raw.labels.tobytes() == wanted.labels.numpy().tobytes()
    assert not list(own_cache.rglob("*.part"))


def test_raters_and_their_distribution_come_back_from_the_cache():
    source = reader("virtual-brain+lesion+raters")
    fresh, cached = source.read("subject-0001"), source.read("subject-0001")
    assert fresh.image.shape == (4, 40, 48, 40)
    assert fresh.labels.shape == fresh.distribution.shape == (4, 40, 48, 40)
    for name in ("image", "labels", "distribution"):
        assert getattr(fresh, name).tobytes() == getattr(cached, name).tobytes()
        assert getattr(fresh, name).dtype == getattr(cached, name).dtype
    assert fresh.spacing == (4.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("variants", "channels", "raters", "classes"),
    [
        ("", 1, 1, "white matter"),
        ("+raters", 1, 4, "white matter"),
        ("+lesion", 4, 1, "enhancing tumour"),
        ("+lesion+raters+shift-noise", 4, 4, "enhancing tumour"),
    ],
)
def test_a_reader_knows_what_it_will_give(variants, channels, raters, classes):
    source = reader(f"virtual-brain{variants}")
    assert (source.channels, source.raters, source.classes[3]) == (channels, raters, classes)


def test_without_keep_nothing_is_left_and_the_bits_are_the_same(kept):
    before = sorted(kept.parent.iterdir())
    passing = reader(keep=False).read("subject-0001")
    assert sorted(kept.parent.iterdir()) == before
    assert passing.image.tobytes() == reader().read("subject-0001").image.tobytes()


def test_the_digest_follows_seed_index_settings_and_variants():
    sources = [
        reader(),
        reader(texture=0.1),
        reader(seed=1),
        reader("virtual-brain+raters"),
        reader("virtual-brain+shift-noise"),
    ]
    digests = [source.digest("subject-0000") for source in sources] + [reader().digest("subject-0001")]
    assert len(set(digests)) == 6


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def archive(**arrays: np.ndarray):
    """Writes these arrays instead."""

    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **arrays)

    return write


def bare(*values: object):
    """Writes one array that is in no archive instead."""

    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.save(stream, np.array(values), allow_pickle=True)

    return write


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-2000]),
    "empty": lambda path: path.write_bytes(b""),
    "a flipped byte": flip,
    "pickled": lambda path: path.write_bytes(pickle.dumps(np.zeros(3))),
    "a pickled array": bare({}),
    "a pickled member": archive(image=np.array([{}], dtype=object), labels=np.zeros(3, np.uint8)),
    "other shapes": archive(
        image=np.zeros((1, 2, 2, 2), np.float32), labels=np.zeros((1, 2, 2, 2), np.uint8)
    ),
    "no labels": archive(image=np.zeros((1, 40, 48, 40), np.float32)),
    "no archive": bare(0.0, 1.0),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_in_the_cache_is_named(damage, kept):
    DAMAGES[damage](kept)
    with pytest.raises(ValueError, match=r"expected .+, got .+; delete it to make it again") as caught:
        reader().read("subject-0000")
    assert str(caught.value).startswith(f"{kept}: expected ")
    assert "\n" not in str(caught.value)


def test_a_deleted_file_is_made_again(kept):
    before = reader().read("subject-0000")
    kept.unlink()
    assert reader().read("subject-0000").image.tobytes() == before.image.tobytes()
    assert kept.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_named(kept):
    kept.parent.chmod(0o500)
    try:
        with pytest.raises(RuntimeError, match="cannot write to the cache: Permission denied"):
            reader().read("subject-0001")
    finally:
        kept.parent.chmod(0o700)


def test_a_full_disk_leaves_nothing_behind(kept, monkeypatch):
    def full(*_, **__) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(
        RuntimeError, match=f"{kept.parent}.+: cannot write to the cache: No space left on device"
    ):
        reader().read("subject-0001")
    assert list(kept.parent.iterdir()) == [kept]


def test_an_unknown_setting_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"settings\.colour: unknown; the known ones are bias, .*velocity_mm"
    ):
        reader(colour=1)
    with pytest.raises(ValueError, match=r"settings\.raters\.mood: unknown; the known ones are disagreement"):
        reader(raters={"mood": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"texture": "much"}, "settings.texture: expected a valid number, got 'much'"),
        ({"texture": True}, "settings.texture: expected a valid number, got True"),
        ({"texture": float("nan")}, "settings.texture: expected a finite number, got nan"),
        ({"noise": [0.2, 0.1]}, r"settings.noise: expected the lower end first, got \(0.2, 0.1\)"),
        ({"noise": [-0.2, 0.1]}, r"settings.noise.0: expected greater than or equal to 0, got -0.2"),
        ({"lesion": {"size_mm": [0, 1]}}, "settings.lesion.size_mm.0: expected greater than 0, got 0"),
        ({"lesion": {"push": 1}}, "settings.lesion.push: expected less than 1, got 1"),
        ({"raters": {"number": 0}}, "settings.raters.number: expected greater than 0, got 0"),
        ({"velocity_mm": [1.0]}, "settings.velocity_mm: expected as many as velocity_scale_mm"),
        ({"resolution": 8, "lesion": {}}, "settings.resolution: expected 1, 2 or 4 mm with tumours, got 8"),
        ({"contrasts": {"t2": [[0, 1]]}}, "settings.contrasts.t2: expected at least 6 items.*, got "),
    ],
)
def test_an_ill_typed_setting_is_one_clear_error(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        reader(**settings)
    assert str(caught.value).startswith("card virtual-brain")
    assert "\n" not in str(caught.value)


def test_a_card_that_says_other_than_its_settings_make_is_refused():
    with pytest.raises(ValueError, match=r"expected \(4, .*\) as channels, classes and raters, got \(1, "):
        reader(lesion={})
    with pytest.raises(ValueError, match=r"expected a seed of 0 to 2\^32 - 1, got -1"):
        reader(seed=-1)


def test_an_unknown_annotation_or_case_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="expected an annotation of dense, got 'scribble'"):
        reader().read("subject-0000", "scribble")
    for case in ("subject-0003", "subject-1", "patient"):
        with pytest.raises(ValueError, match=f"expected subject-0000 to subject-0002, got '{case}'"):
            reader().read(case)


def test_a_cohort_carries_readings_and_distribution_of_its_labelled_cases(monkeypatch):
    name = "virtual-brain+lesion+raters"
    card = load_card(name)
    table = card.virtual.model_dump() | {"settings": {**card.virtual.settings, "resolution": 4}}
    coarse = card.model_validate(card.model_dump() | {"virtual": table})
    monkeypatch.setattr(catalogue, "load_card", lambda dataset: coarse)
    cohort = load_cohort(name, cases=5, labelled=1)
    assert cohort.task.channels == 4
    for case in cohort.labelled:
        assert case.labels.shape == case.distribution.shape == (4, 40, 48, 40)
    assert all(case.distribution is None for case in cohort.unlabelled)
