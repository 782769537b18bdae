from dataclasses import replace

import numpy as np
import pytest
import torch

from medseg_lab.data.anchors import anchors, beyond
from medseg_lab.data.augment import Augmentation, turned
from medseg_lab.data.batches import Batches
from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.cohort import Cohort, load_cohort
from medseg_lab.data.pool import Pool
from medseg_lab.data.task import Task

CLASSES = ("background", "a", "b")
PLAIN = Augmentation(spatial=False, intensity=False)


def case(i: int, shape: tuple[int, ...] = (20, 24, 18), labelled: bool = True) -> Case:
    """An image that says where it is: label = class, image = 10 x class + a little of the case's number."""
    label = torch.zeros(shape, dtype=torch.uint8)
    label[(slice(4, 8),) * len(shape)] = 1
    label[(slice(8, 11),) * len(shape)] = 2
    image = 10 * label.float() + 1 + i / 100
    labels = label[None] if labelled else label[None][:0]
    return Case(f"c{i}", f"c{i}", image[None], labels, (1.0,) * len(shape))


def toy(n: int = 5, unlabelled: int = 0, dims: int = 3, **preprocessing) -> Cohort:
    base = load_card("msd-hippocampus")
    how = {"patch": (16, 16, 16)[:dims], "mirror": (0,)} | preprocessing
    said = {"classes": CLASSES, "spatial_dims": dims, "preprocessing": how}
    shape = (20, 24, 18)[:dims]
    return Cohort(
        card=Card.model_validate(base.model_dump() | said),
        labelled=tuple(case(i, shape) for i in range(n)),
        unlabelled=tuple(case(50 + i, shape, labelled=False) for i in range(unlabelled)),
        validation=(),
        fingerprint="",
        total=n,
        test_size=0,
        sealed=lambda: (),
    )


def batches(cohort: Cohort, dims: int = 3, voxels: int = 2 * 16**3, limit: int = 16, **how) -> Batches:
    return Batches(cohort, Task(1, CLASSES, dims), voxels, limit, **how)


def test_two_and_three_dimensions_see_the_same_number_of_voxels():
    cohort = toy()
    cube, squares = batches(cohort), batches(cohort, dims=2)
    assert (cube.patch, cube.batch_size) == ((16, 16, 16), 2)
    assert (squares.patch, squares.batch_size) == ((16, 16), 32)
    assert cube.batch(0).image.shape == (2, 1, 16, 16, 16)
    assert squares.batch(0).image.shape == (32, 1, 16, 16)
    assert squares.batch(0).label.shape == (32, 16, 16)
    assert squares.batch(0).label.dtype == torch.int64


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_lose_the_slice_axis(axis):
    cohort = toy(patch=(8, 10, 12), slice_axis=axis)
    assert batches(cohort, dims=2).patch == tuple(e for a, e in enumerate((8, 10, 12)) if a != axis)


def test_a_patch_is_no_longer_than_the_limit_and_a_batch_never_empty():
    small = batches(toy(), limit=8, voxels=1)
    assert (small.patch, small.batch_size) == ((8, 8, 8), 1)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_a_function_of_seed_and_step(dims):
    cohort = toy(unlabelled=3)
    first, other = (batches(cohort, dims, seed=1, unlabelled=True) for _ in range(2))
    for step in (9, 2, 5):
        other.batch(step)
    a, b = first.batch(5), other.batch(5)
    assert torch.equal(a.image, b.image)
    assert torch.equal(a.label, b.label)
    assert torch.equal(a.unlabelled, b.unlabelled)
    assert not torch.equal(a.image, first.batch(6).image)
    assert not torch.equal(a.image, batches(cohort, dims, seed=2).batch(5).image)


@pytest.mark.parametrize("dims", [2, 3])
def test_asking_does_not_change_the_cohort(dims):
    cohort = toy()
    before = [c.image.clone() for c in cohort.labelled]
    source = batches(cohort, dims, augmentation=Augmentation(resampled=0.5, gamma_share=1, noise_share=1))
    for step in range(5):
        source.batch(step)
    assert all(torch.equal(c.image, b) for c, b in zip(cohort.labelled, before, strict=True))


@pytest.mark.parametrize("dims", [2, 3])
def test_plain_crops_hold_the_image_of_their_label(dims):
    batch = batches(toy(), dims, augmentation=PLAIN).batch(3)
    assert torch.equal(((batch.image[:, 0] - 1) / 10).round().long(), batch.label)


@pytest.mark.parametrize("dims", [2, 3])
def test_augmented_image_and_label_stay_aligned(dims):
    """Without changes of intensity, the image still says which class it shows, except on blurred borders.

    Halfway from class 0 to class 2 the image passes through class 1: a few voxels there may disagree.
    """
    spatial = Augmentation(resampled=1, intensity=False)
    source = batches(toy(), dims, augmentation=spatial)
    for step in range(4):
        batch = source.batch(step)
        values = batch.image[:, 0]
        shown = (values / 10).floor().long()
        foreground = ((values % 10) > 0.9) & ((values % 10) < 1.1) & ((shown > 0) | (batch.label > 0))
        assert foreground.sum() > 20
        assert (shown == batch.label)[foreground].float().mean() > 0.9


def test_each_case_is_seen_once_before_any_is_seen_again():
    source = batches(toy(6), augmentation=PLAIN)
    numbers = [
        round((float(v) - 1) * 100) % 10 for s in range(3) for v in source.batch(s).image.amin((1, 2, 3, 4))
    ]
    assert sorted(numbers) == list(range(6))


def test_half_of_the_patches_are_centred_on_foreground():
    """Patches of one voxel hit the foreground (under 2% of the volume) about as often as they are made to."""
    tiny = batches(toy(), limit=1, voxels=3000, augmentation=PLAIN)
    share = float((tiny.batch(0).label > 0).float().mean())
    assert 0.46 < share < 0.56
    classes = torch.bincount(tiny.batch(0).label.flatten(), minlength=3)
    assert 0.7 < float(classes[1] / classes[2]) < 1.4


def test_a_case_smaller_than_the_patch_lies_whole_inside_it():
    cohort = toy(patch=(32, 32, 32))
    batch = batches(cohort, limit=32, voxels=4 * 32**3, augmentation=PLAIN).batch(0)
    for label, image in zip(batch.label, batch.image, strict=True):
        assert torch.bincount(label.flatten(), minlength=3)[1:].tolist() == [64, 27]
        assert int((image == 0).sum()) == 32**3 - 20 * 24 * 18


def test_unlabelled_patches_come_from_unlabelled_cases_only():
    source = batches(toy(unlabelled=3), augmentation=PLAIN, unlabelled=True)
    batch = source.batch(0)
    assert batch.unlabelled.shape == batch.image.shape
    assert float(batch.unlabelled.amin()) >= 1.5
    assert batches(toy(unlabelled=3)).batch(0).unlabelled is None


@pytest.mark.parametrize(("of", "dims", "axis"), [(2, 2, None), (3, 3, None), (3, 2, 2), (3, 2, 0)])
def test_the_view_of_an_unlabelled_patch_says_where_it_was_cut_and_how_it_was_turned(of, dims, axis):
    """What it shows of the cases is the patch, where intensities are left alone."""
    spatial = Augmentation(resampled=0.5, intensity=False)
    cohort = toy(unlabelled=3, dims=of, mirror=(1,), **({} if axis is None else {"slice_axis": axis}))
    source = batches(cohort, dims, voxels=6 * 16**dims, augmentation=spatial, unlabelled=True)
    batch = source.batch(2)
    views = batch.views
    assert (views.patch, len(views.cases), len(views.starts)) == ((16,) * dims, 6, 6)
    assert sorted(views.cases) == [0, 0, 1, 1, 2, 2]
    assert views.mirrored.any()
    assert 0 < len(turned(views.matrix)) < 6
    pool = Pool(cohort.unlabelled, source.patch, axis, "cpu")
    assert torch.equal(views.of(pool)[0], batch.unlabelled)
    for i in set(range(6)) - set(turned(views.matrix)):
        volume = cohort.unlabelled[views.cases[i]].image[0]
        moved = volume if axis is None else volume.movedim(axis, 0)
        edges = views.patch if axis is None else (1, *views.patch)
        window = moved[tuple(slice(s, s + e) for s, e in zip(views.starts[i], edges, strict=True))]
        flips = [a - dims for a in np.flatnonzero(views.mirrored[i])]
        assert torch.equal(batch.unlabelled[i, 0], window.reshape(views.patch).flip(flips))


@pytest.mark.parametrize(("intensity", "gain", "shift"), [(False, 1, 0), (True, 2, 0.5)])
@pytest.mark.parametrize(("dims", "axis"), [(3, None), (2, 1)])
def test_without_spatial_changes_patches_are_the_raw_windows(dims, axis, intensity, gain, shift):
    """The same bits, or 2 x + 0.5 of them where intensities are changed in that way."""
    how = {"gain": (2.0, 2.0), "shift": (0.5, 0.5), "gamma_share": 0.0, "noise_share": 0.0}
    changed = Augmentation(spatial=False, intensity=intensity, **how)
    cohort = toy(unlabelled=3, mirror=(0, 1), **({} if axis is None else {"slice_axis": axis}))
    batch = batches(cohort, dims, voxels=6 * 16**dims, augmentation=changed, unlabelled=True).batch(2)
    views = batch.views
    assert np.array_equal(views.matrix, np.broadcast_to(np.eye(dims), (6, dims, dims)))
    assert not views.mirrored.any()
    for i in range(6):
        volume = cohort.unlabelled[views.cases[i]].image[0]
        moved = volume if axis is None else volume.movedim(axis, 0)
        edges = views.patch if axis is None else (1, *views.patch)
        window = moved[tuple(slice(s, s + e) for s, e in zip(views.starts[i], edges, strict=True))]
        assert torch.equal(batch.unlabelled[i, 0], gain * window.reshape(views.patch) + shift)
    assert batches(toy(unlabelled=3)).batch(0).views is None


def test_the_labelled_patches_are_the_same_with_unlabelled_ones_beside_them():
    cohort = toy(unlabelled=3)
    alone, beside = (batches(cohort, seed=1, unlabelled=there) for there in (False, True))
    for step in range(3):
        assert torch.equal(alone.batch(step).image, beside.batch(step).image)
        assert torch.equal(alone.batch(step).label, beside.batch(step).label)


def test_places_come_back_and_are_changed_in_another_way_each_time():
    of = {"unlabelled": True, "back_after": 3}
    source, always_new = batches(toy(unlabelled=2), **of), batches(toy(unlabelled=2), unlabelled=True)
    first, again = (source.batch(step) for step in (1, 4))
    places = [(one.views.cases, one.views.starts) for one in (first, again)]
    assert places[0] == places[1] != (source.batch(2).views.cases, source.batch(2).views.starts)
    assert not torch.equal(first.unlabelled, again.unlabelled)
    for step in (1, 4):  # labelled patches do not come back
        assert torch.equal(source.batch(step).image, always_new.batch(step).image)
    assert torch.equal(first.unlabelled, always_new.batch(1).unlabelled)


def test_a_batch_says_along_which_of_its_axes_it_may_be_mirrored():
    assert batches(toy(slice_axis=1, mirror=[0, 2])).batch(0).mirror == (0, 2)
    assert batches(toy(slice_axis=1, mirror=[0, 2]), dims=2).batch(0).mirror == (0, 1)


def test_the_shapes_of_the_unlabelled_cases_are_those_a_view_counts_in():
    cohort = toy(unlabelled=2, slice_axis=1)
    assert batches(cohort, unlabelled=True).unlabelled_shapes == ((20, 24, 18),) * 2
    assert batches(cohort, dims=2, unlabelled=True).unlabelled_shapes == ((24, 20, 18),) * 2
    assert batches(toy(unlabelled=2, dims=2), dims=2, unlabelled=True).unlabelled_shapes == ((20, 24),) * 2
    assert batches(cohort).unlabelled_shapes == ()


def test_no_unlabelled_patch_is_placed_by_a_label():
    """Of patches of one voxel as many hit the foreground as it has of the case: none is made to."""
    tiny = batches(toy(unlabelled=3), limit=1, voxels=6000, augmentation=PLAIN, unlabelled=True).batch(0)
    share = (4**3 + 3**3) / (20 * 24 * 18)
    found = float((tiny.unlabelled > 10).float().mean())
    assert 0.5 * share < found < 1.7 * share
    assert float((tiny.label > 0).float().mean()) > 0.28


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
def test_no_labelled_patient_is_among_the_unlabelled(dims, mapped):
    """In the parts of a real split, and in the patches: each patient's images are made to be one number."""
    cohort = load_cohort("virtual-brain", cases=8, labelled=2, mapped=mapped)
    everyone = [*cohort.labelled, *cohort.unlabelled, *cohort.validation]
    assert (len(cohort.labelled), len(cohort.unlabelled), len(cohort.validation)) == (2, 3, 1)
    assert len({case.patient for case in everyone}) == 6
    for case in cohort.unlabelled:
        assert len(case.labels) == 0
        assert not getattr(case, "anchors", [])
    number = {case.patient: float(i) for i, case in enumerate(everyone, start=1)}
    marked = [
        replace(plain_case(case), image=torch.full_like(case.image, number[case.patient]))
        for case in everyone
    ]
    told = replace(cohort, labelled=tuple(marked[:2]), unlabelled=tuple(marked[2:5]))
    voxels = 6 * (16**3 if dims == 3 else 80 * 96)
    source = Batches(
        told, replace(cohort.task, spatial_dims=dims), voxels, 16, augmentation=PLAIN, unlabelled=True
    )
    drawn = [source.batch(step) for step in range(2)]
    assert {float(v) for batch in drawn for v in batch.image.unique()} == {1.0, 2.0}
    assert {float(v) for batch in drawn for v in batch.unlabelled.unique()} == {3.0, 4.0, 5.0}


def plain_case(case: Case) -> Case:
    """The case in memory, wherever it was."""
    return Case(case.id, case.patient, case.image, case.labels, case.spacing)


def test_slices_of_a_set_of_slices():
    cohort = toy(dims=2)
    source = batches(cohort, dims=2, voxels=4 * 256)
    assert source.batch(0).image.shape == (4, 1, 16, 16)
    with pytest.raises(ValueError, match="expected a task of at most 2 dimensions, got 3"):
        batches(cohort, dims=3)


def test_unlabelled_patches_without_unlabelled_cases_are_refused():
    with pytest.raises(ValueError, match="expected unlabelled cases, got none"):
        batches(toy(), unlabelled=True)


def scribbled(cohort: Cohort, *cases: int) -> Cohort:
    """Of these cases, all but the foreground and one corner is left open."""
    labelled = list(cohort.labelled)
    for i in cases:
        label = cohort.labelled[i].label.clone()
        label[label == 0] = IGNORE
        label[(slice(0, 3),) * label.ndim] = 0
        labelled[i] = replace(cohort.labelled[i], labels=label[None])
    return replace(cohort, labelled=tuple(labelled))


@pytest.mark.parametrize("dims", [2, 3])
def test_what_is_left_open_stays_so_however_a_patch_is_moved(dims):
    """Nothing between two labels arises, and a label lies where its image does."""
    spatial = Augmentation(resampled=1, intensity=False)
    plain, open_ = (
        batches(c, dims, augmentation=spatial).batch(1) for c in (toy(2), scribbled(toy(2), 0, 1))
    )
    assert torch.equal(plain.image, open_.image)
    assert {1, 2, IGNORE} <= set(open_.label.unique().tolist()) <= {0, 1, 2, IGNORE}
    foreground = plain.label > 0
    assert torch.equal(open_.label[foreground], plain.label[foreground])
    assert ((open_.label[~foreground] == 0) | (open_.label[~foreground] == IGNORE)).all()


def test_beyond_a_case_with_open_voxels_nothing_is_known_and_beyond_others_is_background():
    cohort = scribbled(toy(2, patch=(32, 32, 32)), 1)
    batch = batches(cohort, limit=32, voxels=2 * 32**3, augmentation=PLAIN).batch(0)
    for image, label in zip(batch.image[:, 0], batch.label, strict=True):
        outside = image == 0
        whole = round(float(image[~outside].min()) * 100) == 100
        assert (label[outside] == (0 if whole else IGNORE)).all()
        assert bool((label == IGNORE).any()) != whole


def test_no_patch_is_centred_on_what_is_left_open():
    """As half of the patches of one voxel is centred on classes 1 and 2 (under 2% of the case)."""
    tiny = batches(scribbled(toy(), *range(5)), limit=1, voxels=3000, augmentation=PLAIN)
    shares = torch.bincount(tiny.batch(0).label.flatten(), minlength=IGNORE + 1) / 3000
    assert 0.46 < float(shares[1] + shares[2]) < 0.56


def test_anchors_are_voxels_of_their_class_in_the_order_of_the_classes():
    label = torch.tensor([[0, 2, 2], [IGNORE, 1, 0]], dtype=torch.uint8)
    assert [found.tolist() for found in anchors(label[None])] == [[[1, 1]], [[0, 1], [0, 2]]]
    assert anchors(torch.full((1, 3, 3), IGNORE, dtype=torch.uint8)) == []
    many = anchors(torch.ones(1, 60, 50, dtype=torch.uint8))[0]
    assert 512 <= len(many) < 2 * 512
    assert len(np.unique(many[:, 0])) == 60


def test_beyond_is_open_where_part_of_the_case_is():
    label = torch.tensor([[0, 2], [1, 0]], dtype=torch.uint8)
    assert beyond(label) == 0
    label[1, 1] = IGNORE
    assert beyond(label) == IGNORE


def by_rows(label: np.ndarray, spacing: tuple[float, ...] | None) -> np.ndarray:
    """A weight that says where it is: linear along the last axis; another one for other spacings."""
    along = np.arange(label.shape[-1]) / 10 + sum(spacing) + label.ndim
    return np.broadcast_to(along, label.shape).astype(np.float32)


@pytest.mark.parametrize(("of", "dims", "axis"), [(2, 2, None), (3, 3, None), (3, 2, 2), (3, 2, 0)])
def test_weights_move_with_the_patch_and_leave_image_and_label_as_they_are(of, dims, axis):
    """An image of the same numbers moves alike; a map of slices has two axes and their spacing."""
    cohort = toy(dims=of, mirror=(0, 1), **({} if axis is None else {"slice_axis": axis}))
    maps = []
    for one in cohort.labelled:
        moved = one.label if axis is None or dims == of else one.label.movedim(axis, 0)
        flat = dims < of
        weights = (
            np.stack([by_rows(s.numpy(), (1.0,) * dims) for s in moved])
            if flat
            else by_rows(moved.numpy(), (1.0,) * dims)
        )
        image = torch.from_numpy(weights - 1)
        maps.append(replace(one, image=(image if not flat else image.movedim(0, axis))[None].contiguous()))
    how = {"dims": dims, "voxels": 6 * 16**dims, "augmentation": Augmentation(resampled=0.5, intensity=False)}
    plain, weighted = (batches(cohort, **how, weight_map=one).batch(3) for one in (None, by_rows))
    as_image = batches(replace(cohort, labelled=tuple(maps)), **how).batch(3).image[:, 0]
    assert plain.weight is None
    assert torch.equal(weighted.image, plain.image)
    assert torch.equal(weighted.label, plain.label)
    assert torch.equal(weighted.weight, as_image + 1)
    assert weighted.weight.unique().numel() > 20


def test_intensities_change_without_the_weights():
    how = {"voxels": 3 * 16**3, "augmentation": Augmentation(spatial=False, gamma_share=1, noise_share=1)}
    plain, weighted = (batches(toy(), **how, weight_map=one).batch(0) for one in (None, by_rows))
    assert torch.equal(weighted.image, plain.image)
    still = batches(toy(), voxels=3 * 16**3, augmentation=PLAIN, weight_map=by_rows).batch(0)
    assert torch.equal(weighted.weight, still.weight)


def test_beyond_a_case_the_weight_is_1():
    batch = batches(
        toy(patch=(32, 32, 32)), limit=32, voxels=32**3, augmentation=PLAIN, weight_map=by_rows
    ).batch(0)
    assert (batch.weight[batch.image[:, 0] == 0] == 1).all()
    assert (batch.weight[batch.image[:, 0] != 0] >= 6).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda label, spacing: np.ones(3), r"weight map: expected the shape \(20, 24, 18\), got \(3,\)"),
        (
            lambda label, spacing: np.full(label.shape, -2.0),
            "weight map: expected finite .* got -2.0 to -2.0",
        ),
    ],
)
def test_a_map_that_is_none_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        batches(toy(), weight_map=wrong)


def test_the_patches_of_a_training_are_deformed_image_and_label_alike():
    how, still = {"voxels": 3 * 16**3}, Augmentation(resampled=0.0, intensity=False)
    deformed = replace(still, deformed=1.0, displacement_mm=(3.0, 3.0))
    plain, moved = (batches(toy(), **how, augmentation=one).batch(0) for one in (still, deformed))
    assert (plain.image != moved.image).flatten(1).any(1).all()
    assert (plain.label != moved.label).any()
    # the image is 10 x class + 1: read linearly it is near that of the nearest label
    assert (moved.image[:, 0].sub(1).div(10).round() == moved.label).float().mean() > 0.9
