"""Cases on disk are the cases in memory, to the bit; and what is damaged there is named."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medseg_lab.data import fingerprint, loading, prepared
from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batches import Batches
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.cohort import Cohort, load_cohort
from medseg_lab.data.mapped import MappedCase, image_arrays, readings_arrays
from medseg_lab.data.pool import Pool
from medseg_lab.data.readers.msd import MsdReader
from medseg_lab.data.sources import sources
from medseg_lab.data.task import Task
from medseg_lab.data.weight_maps import kept_on_disk

STRONG = Augmentation(resampled=0.5, gamma_share=0.5, noise_share=0.5)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch) -> Path:
    """Each test prepares its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own cache"))
    return tmp_path / "own cache"


@pytest.fixture
def toy(msd_folder) -> str:
    return str(msd_folder(12))


def case(
    i: int = 0, shape: tuple[int, ...] = (9, 12, 10), open_share: float = 0.0, known: bool = True
) -> Case:
    """Noise in two channels, two readings, a distribution."""
    rng = np.random.default_rng(i)
    labels = rng.choice(3, (2, *shape), p=(0.8, 0.15, 0.05)).astype(np.uint8)
    labels[rng.random(labels.shape) < open_share] = IGNORE
    image = torch.from_numpy(rng.normal(size=(2, *shape)).astype(np.float32))
    share = torch.from_numpy(rng.random((3, *shape), dtype=np.float32)) if known else None
    return Case(f"c{i}", f"p{i}", image, torch.from_numpy(labels), (1.0, 2.0, 1.5)[: len(shape)], share)


def kept(one: Case, front: int, withheld: bool = False) -> MappedCase:
    """The case on disk."""
    prepared.write(f"{one.id} image {front}", image_arrays(one, front))
    prepared.write(f"{one.id} labels {front}", readings_arrays(one, front))
    image, labels = (prepared.folder() / f"{one.id} {what} {front}" for what in ("image", "labels"))
    return MappedCase(one.id, one.patient, image, None if withheld else labels, front)


def pairs(cohort: Cohort) -> Iterator[Case]:
    yield from (*cohort.labelled, *cohort.unlabelled, *cohort.validation, *cohort.open_test("a test"))


@pytest.mark.parametrize("front", [0, 1, 2])
def test_a_case_on_disk_is_the_case_in_memory(front):
    one = case()
    twin = kept(one, front)
    assert (twin.id, twin.patient, twin.spacing) == (one.id, one.patient, one.spacing)
    assert (twin.channels, twin.shape) == (2, (9, 12, 10))
    for name in ("image", "labels", "label", "distribution"):
        held, mapped = getattr(one, name), getattr(twin, name)
        assert torch.equal(held, mapped)
        assert (held.dtype, held.stride()) == (mapped.dtype, mapped.stride())


def test_what_a_case_lacks_it_lacks_on_disk():
    one = Case("c", "p", torch.rand(1, 4, 5), torch.zeros(1, 4, 5, dtype=torch.uint8), None)
    twin = kept(one, 0)
    assert (twin.spacing, twin.distribution, twin.anchors) == (None, None, [])


def test_changes_to_what_was_opened_stay_in_memory():
    one = case()
    twin = kept(one, 0)
    twin.image.zero_()
    assert torch.equal(twin.image, one.image)


@pytest.mark.parametrize("slice_axis", [None, 0, 1, 2])
@pytest.mark.parametrize("front", [0, 2])
@pytest.mark.parametrize(("open_share", "reading"), [(0.0, "reference"), (0.5, "random"), (0.5, "consensus")])
def test_windows_are_the_same_bits_wherever_the_cases_are(slice_axis, front, open_share, reading):
    cases = [case(i, (9, 12 + i, 10), open_share) for i in range(3)]
    patch = (8, 8, 16) if slice_axis is None else (8, 16)
    held = Pool(cases, patch, slice_axis, "cpu", reading)
    mapped = Pool([kept(c, front) for c in cases], patch, slice_axis, "cpu", reading)
    order, margin = [0, 1, 2] * 4, (2,) * len(patch)
    draws = [np.random.default_rng(5) for _ in range(2)]
    starts = [[pool.start(c, rng) for c in order] for pool, rng in zip((held, mapped), draws, strict=True)]
    assert starts[0] == starts[1]
    assert np.array_equal(held.spacing, mapped.spacing)
    entries = [[pool.entry(c, rng) for c in order] for pool, rng in zip((held, mapped), draws, strict=True)]
    assert entries[0] == entries[1]
    assert (max(entries[0]) > 2) == (reading == "random")
    for grown in (None, margin):
        for a, b in zip(
            *(pool.windows(entries[0], starts[0], patch, grown) for pool in (held, mapped)), strict=True
        ):
            assert torch.equal(a, b)


def drawn(cohort: Cohort, dims: int) -> list[torch.Tensor]:
    """Some batches, in one row."""
    task = Task(1, cohort.task.classes, dims)
    source = Batches(cohort, task, 4 * 8**dims, 8, seed=3, unlabelled=True, augmentation=STRONG)
    batches = [source.batch(step) for step in (0, 1, 7)]
    return [t for b in batches for t in (b.image, b.label, b.unlabelled)]


@pytest.mark.parametrize(("dims", "axis"), [(3, 2), (2, 0), (2, 1), (2, 2)])
def test_batches_are_the_same_bits_whether_mapped_or_not(toy, dims, axis, monkeypatch):
    slice_along(axis, monkeypatch)
    held, mapped = (load_cohort(toy, labelled=4, mapped=how) for how in (False, True))
    assert all(isinstance(c, MappedCase) for c in pairs(mapped))
    assert not any(isinstance(c, MappedCase) for c in pairs(held))
    for a, b in zip(drawn(held, dims), drawn(mapped, dims), strict=True):
        assert torch.equal(a, b)
    assert (held.fingerprint, held.held_out) == (mapped.fingerprint, mapped.held_out)


def slice_along(axis: int, monkeypatch) -> None:
    """Folders of one's own are cut across their coarsest axis: here, across this one."""
    from medseg_lab.data.readers import folder

    monkeypatch.setattr(folder, "coarsest", lambda spacing: axis)


def test_of_an_unlabelled_case_no_label_is_reached(toy):
    cohort = load_cohort(toy, labelled=2, mapped=True)
    for one in cohort.unlabelled:
        assert one.labels.shape == (0, *one.image.shape[1:])
        assert one.distribution is None
        assert one.anchors == []
        paths = [v.path.parent for v in vars(one).values() if isinstance(v, prepared.Stored)]
        assert [sorted(file.name for file in p.iterdir()) for p in paths] == [
            ["digest.npy", "image.npy", "spacing.npy"]
        ]
    kept_labels = list(prepared.folder().glob("*/labels.npy"))
    assert len(kept_labels) == len(cohort.labelled) + len(cohort.validation) + cohort.test_size


def test_what_is_withheld_is_withheld_of_a_case_that_has_it():
    twin = kept(case(), 0, withheld=True)
    assert (len(twin.labels), twin.distribution, twin.anchors, twin.beyond) == (0, None, [], 0)


def test_a_case_is_prepared_once(toy, monkeypatch):
    cohort = load_cohort(toy, mapped=True)
    monkeypatch.setattr(MsdReader, "read", None)
    monkeypatch.setattr(fingerprint, "content_digest", None)  # nor is its content hashed again
    assert load_cohort(toy, mapped=True).fingerprint == cohort.fingerprint


def entries() -> set[str]:
    return {entry.name for entry in prepared.folder().iterdir()}


def test_an_entry_follows_files_preprocessing_and_code(toy, monkeypatch):
    changed = load_cohort(toy, mapped=True).labelled[0].id
    first = entries()
    path = f"{toy}/imagesTr/{changed}.nii.gz"
    volume = nib.load(path)
    nib.save(nib.Nifti1Image(volume.get_fdata(dtype=np.float32) ** 2, volume.affine), path)
    load_cohort(toy, mapped=True)
    assert len(entries() - first) == 2
    for entry in entries() - first:
        shutil.rmtree(prepared.folder() / entry)
    slice_along(0, monkeypatch)
    load_cohort(toy, mapped=True)
    assert len(entries()) == 2 * len(first)
    monkeypatch.setattr(prepared, "source_digest", lambda *names: "edited")
    load_cohort(toy, mapped=True)
    assert len(entries()) == 3 * len(first)


def test_a_large_cohort_goes_to_disk_and_says_so(toy, monkeypatch):
    # 12 cases of (9, 10, 11) voxels, more or less, at 5 bytes: some 60 kB. A share of a quarter is taken.
    monkeypatch.setattr(loading, "physical_memory", lambda: 300_000)
    small = load_cohort(toy)
    assert not isinstance(small.labelled[0], MappedCase)
    assert "disk" not in small.describe()
    monkeypatch.setattr(loading, "physical_memory", lambda: 200_000)
    large = load_cohort(toy)
    assert isinstance(large.labelled[0], MappedCase)
    assert "Prepared on disk: 0.1 MB in " in large.describe()
    assert isinstance(load_cohort(toy, mapped=False).labelled, tuple)
    assert not isinstance(load_cohort(toy, mapped=False).labelled[0], MappedCase)


def test_simulated_subjects_are_kept_once_prepared_and_not_before(monkeypatch, empty_cache):
    from medseg_lab.data import catalogue

    card = catalogue.load_card("virtual-brain")
    few = card.model_dump() | {"virtual": {"subjects": 8, "settings": {"resolution": 4}}}
    monkeypatch.setattr(catalogue, "load_card", lambda dataset: card.model_validate(few))
    mapped = load_cohort("virtual-brain", mapped=True)
    mapped.open_test("a test")
    assert not (empty_cache / "medseg" / "virtual").exists()
    for a, b in zip(pairs(load_cohort("virtual-brain", mapped=False)), pairs(mapped), strict=True):
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.labels, b.labels)


@pytest.fixture
def one_image(toy) -> Path:
    """A file of the only prepared cohort."""
    cohort = load_cohort(toy, mapped=True)
    return cohort.labelled[0]._image.path


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    path.unlink()
    if how == "pickled":
        np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    elif how == "other type":
        np.save(path, np.zeros((1, 9, 10, 11), np.int32))
    elif how != "missing":
        changed = {"cut": whole[:-9], "longer": whole + b"0", "empty": b"", "cut header": whole[:40]}
        changed |= {"header": whole.replace(b"<f4", b"<f?"), "no array": b"PK\x03\x04" + whole}
        changed |= {"bracket": whole.replace(b")", b" ", 1)}
        changed |= {"other shape": whole.replace(b"(1, ", b"(2, ")}
        path.write_bytes(changed[how])


DAMAGES = ["cut", "longer", "empty", "cut header", "header", "no array", "other shape", "missing", "bracket"]


@pytest.mark.parametrize("how", [*DAMAGES, "pickled", "other type"])
def test_a_damaged_file_is_named_and_deleting_its_entry_makes_it_anew(toy, one_image, how):
    damage(one_image, how)
    with pytest.raises(
        ValueError, match=r"expected a complete array, .*; delete .* to prepare it again"
    ) as error:
        load_cohort(toy, mapped=True)
    assert str(error.value).startswith(f"{Path(toy).name}: {one_image}: expected a complete array, got ")
    assert "\n" not in str(error.value)
    shutil.rmtree(one_image.parent)
    load_cohort(toy, mapped=True)


@pytest.mark.parametrize("how", ["cut", "pickled"])
@pytest.mark.parametrize("name", ["labels", "anchors", "facts", "digest"])
def test_damage_to_what_is_kept_of_the_labels_is_named(toy, how, name):
    path = load_cohort(toy, mapped=True).labelled[0]._labels.path.with_stem(name)
    damage(path, how)
    with pytest.raises(ValueError, match=f"{name}.npy: expected a complete array, got"):
        load_cohort(toy, mapped=True)


def test_damage_while_training_is_named(toy):
    cohort = load_cohort(toy, mapped=True)
    source = Batches(cohort, cohort.task, 8**3, 8)
    for one in cohort.labelled:
        damage(one._image.path, "cut")
    with pytest.raises(ValueError, match=r"image.npy: expected a complete array, got"):
        source.batch(0)


def test_an_entry_appears_when_all_of_it_is_written(monkeypatch):
    rename, seen = Path.rename, []

    def noted(aside: Path, target: Path) -> Path:
        seen.append((sorted(file.name for file in aside.iterdir()), target.exists()))
        return rename(aside, target)

    monkeypatch.setattr(Path, "rename", noted)
    prepared.write("key", image_arrays(case(), 0))
    assert seen == [(["digest.npy", "image.npy", "spacing.npy"], False)]
    assert entries() == {"key"}


def test_a_full_disk_leaves_nothing_behind(monkeypatch):
    save = np.save

    def full(stream, array, **how):
        if array.dtype == np.float64:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(stream, array, **how)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(RuntimeError, match=r"prepared: cannot write 0 MB there: .*No space left on device"):
        prepared.write("key", image_arrays(case(), 0))
    assert entries() == set()


def test_of_several_who_prepare_the_same_the_first_wins_and_nothing_is_left_over():
    arrays = [{"image": np.full((50, 50), i)} for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda a: prepared.write("key", a), arrays))
    assert entries() == {"key"}
    found = prepared.read_small(prepared.folder() / "key" / "image.npy")
    assert len(np.unique(found)) == 1


def test_one_who_comes_second_keeps_what_is_there(monkeypatch):
    """Both saw that there was no entry; the other was done while this one wrote."""
    is_dir = Path.is_dir
    prepared.write("key", {"image": np.zeros(3)})
    unseen = iter([False])
    monkeypatch.setattr(Path, "is_dir", lambda path: next(unseen, is_dir(path)))
    prepared.write("key", {"image": np.ones(3)})
    assert entries() == {"key"}
    assert prepared.read_small(prepared.folder() / "key" / "image.npy").tolist() == [0, 0, 0]


def test_what_a_killed_process_left_is_swept_when_the_entry_is_made(monkeypatch):
    for name in ("key.old.part", "key.new.part", "other.old.part"):
        (prepared.folder() / name).mkdir(parents=True)
    old = time.time() - 2 * prepared.ABANDONED_SECONDS
    for name in ("key.old.part", "other.old.part"):
        os.utime(prepared.folder() / name, (old, old))
    prepared.write("key", {"image": np.zeros(3)})
    assert entries() == {"key", "key.new.part", "other.old.part"}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell what is resident")
def test_what_was_read_is_let_go():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    image = torch.zeros(1, 256, 256, 160)  # 42 MB
    twin = kept(Case("c", "p", image, torch.zeros(1, 256, 256, 160, dtype=torch.uint8), None), 0)
    before = resident()
    opened = twin.open_image()
    assert float(opened.sum()) == 0
    assert resident() - before > 30e6
    del opened
    assert resident() - before < 10e6


@dataclass(frozen=True)
class Heavier:
    """A loss's weight map: the class times `factor`, and 1 more."""

    factor: float = 2.0

    def weight_map(self, label: np.ndarray, spacing: tuple[float, ...] | None) -> np.ndarray:
        CALLS.append(label.shape)
        return (1 + self.factor * (label != IGNORE) * label).astype(np.float32)


CALLS: list[tuple[int, ...]] = []


@pytest.mark.parametrize("dims", [2, 3])
def test_weights_are_those_in_memory_and_computed_once_for_each_map(toy, dims):
    found = {}
    for mapped in (False, True):
        cohort = load_cohort(toy, labelled=3, mapped=mapped)
        task = Task(cohort.task.channels, cohort.task.classes, dims)
        for factor in (2.0, 3.0, 2.0):
            CALLS.clear()
            source = Batches(cohort, task, 2000, 8, weight_map=Heavier(factor).weight_map)
            found[mapped, factor] = source.batch(1).weight
            again = len(CALLS)
    assert again == 0
    for factor in (2.0, 3.0):
        assert torch.equal(found[False, factor], found[True, factor])
    assert not torch.equal(found[True, 2.0], found[True, 3.0])


@pytest.mark.parametrize("mapped", [False, True])
def test_a_weight_map_is_given_the_spacing_of_the_axes_it_sees(mapped):
    """Of a case of 1 x 2 x 1.5 mm, slices across the second axis are 1 x 1.5 mm."""
    seen = []

    def asks(label: np.ndarray, spacing: tuple[float, ...] | None) -> np.ndarray:
        seen.append((label.shape, spacing))
        return np.ones(label.shape, np.float32)

    for front, flat in ((1, True), (0, False)):
        sources(kept(case(), front) if mapped else case(), front, "cpu", weight_map=asks, flat=flat)
    assert seen == [((9, 10), (1.0, 1.5))] * 12 + [((9, 12, 10), (1.0, 2.0, 1.5))]


def test_stored_weights_are_found_again_for_the_same_label_spacing_dimension_and_code_alone(tmp_path):
    def heavier(by: int) -> Callable[..., np.ndarray]:
        text = f"def weights(label, spacing):\n    return 1.0 + {by} * (label > 0)\n"
        (tmp_path / f"by_{by}.py").write_text(text)
        found: dict[str, Callable[..., np.ndarray]] = {}
        exec(compile(text, str(tmp_path / f"by_{by}.py"), "exec"), found)
        return found["weights"]

    label, other = case().labels
    asked = [
        (label, None, heavier(1), False),
        (other, None, heavier(1), False),
        (label, (1.0, 2.0, 1.5), heavier(1), False),
        (label, None, heavier(2), False),
        (label, None, heavier(1), True),
    ]
    assert len({kept_on_disk(*one).path for one in (*asked, *asked)}) == len(asked)
