from dataclasses import replace

import numpy as np
import pytest
import torch

from medseg_lab.data.anchors import anchors, beyond
from medseg_lab.data.augment import Strength
from medseg_lab.data.batches import Batches
from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.task import Task

CLASSES = ("background", "a", "b")


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
    source = batches(cohort, dims, strength=Strength(resampled=0.5, gamma_share=1, noise_share=1))
    for step in range(5):
        source.batch(step)
    assert all(torch.equal(c.image, b) for c, b in zip(cohort.labelled, before, strict=True))


@pytest.mark.parametrize("dims", [2, 3])
def test_plain_crops_hold_the_image_of_their_label(dims):
    batch = batches(toy(), dims, augment=False).batch(3)
    assert torch.equal(((batch.image[:, 0] - 1) / 10).round().long(), batch.label)


@pytest.mark.parametrize("dims", [2, 3])
def test_augmented_image_and_label_stay_aligned(dims):
    """Without changes of intensity, the image still says which class it shows, except on blurred borders.

    Halfway from class 0 to class 2 the image passes through class 1: a few voxels there may disagree.
    """
    spatial = Strength(resampled=1, gain=(1, 1), shift=(0, 0), gamma_share=0, noise_share=0)
    source = batches(toy(), dims, strength=spatial)
    for step in range(4):
        batch = source.batch(step)
        values = batch.image[:, 0]
        shown = (values / 10).floor().long()
        foreground = ((values % 10) > 0.9) & ((values % 10) < 1.1) & ((shown > 0) | (batch.label > 0))
        assert foreground.sum() > 20
        assert (shown == batch.label)[foreground].float().mean() > 0.9


def test_each_case_is_seen_once_before_any_is_seen_again():
    source = batches(toy(6), augment=False)
    numbers = [
        round((float(v) - 1) * 100) % 10 for s in range(3) for v in source.batch(s).image.amin((1, 2, 3, 4))
    ]
    assert sorted(numbers) == list(range(6))


def test_a_third_of_the_patches_is_centred_on_foreground():
    """Patches of one voxel hit the foreground (under 2% of the volume) about as often as they are made to."""
    tiny = batches(toy(), limit=1, voxels=3000, augment=False)
    share = float((tiny.batch(0).label > 0).float().mean())
    assert 0.28 < share < 0.40
    classes = torch.bincount(tiny.batch(0).label.flatten(), minlength=3)
    assert 0.7 < float(classes[1] / classes[2]) < 1.4


def test_a_case_smaller_than_the_patch_lies_whole_inside_it():
    cohort = toy(patch=(32, 32, 32))
    batch = batches(cohort, limit=32, voxels=4 * 32**3, augment=False).batch(0)
    for label, image in zip(batch.label, batch.image, strict=True):
        assert torch.bincount(label.flatten(), minlength=3)[1:].tolist() == [64, 27]
        assert int((image == 0).sum()) == 32**3 - 20 * 24 * 18


def test_unlabelled_patches_come_from_unlabelled_cases_only():
    source = batches(toy(unlabelled=3), augment=False, unlabelled=True)
    batch = source.batch(0)
    assert batch.unlabelled.shape == batch.image.shape
    assert float(batch.unlabelled.amin()) >= 1.5
    assert batches(toy(unlabelled=3)).batch(0).unlabelled is None


def test_slices_of_a_set_of_slices():
    cohort = toy(dims=2)
    source = batches(cohort, dims=2, voxels=4 * 256)
    assert source.batch(0).image.shape == (4, 1, 16, 16)
    with pytest.raises(ValueError, match="got 3 dimensions, wanted 2 or fewer"):
        batches(cohort, dims=3)


def test_unlabelled_patches_without_unlabelled_cases_are_refused():
    with pytest.raises(ValueError, match="got no unlabelled case"):
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
    spatial = Strength(resampled=1, gain=(1, 1), shift=(0, 0), gamma_share=0, noise_share=0)
    plain, open_ = (batches(c, dims, strength=spatial).batch(1) for c in (toy(2), scribbled(toy(2), 0, 1)))
    assert torch.equal(plain.image, open_.image)
    assert {1, 2, IGNORE} <= set(open_.label.unique().tolist()) <= {0, 1, 2, IGNORE}
    foreground = plain.label > 0
    assert torch.equal(open_.label[foreground], plain.label[foreground])
    assert ((open_.label[~foreground] == 0) | (open_.label[~foreground] == IGNORE)).all()


def test_beyond_a_case_with_open_voxels_nothing_is_known_and_beyond_others_is_background():
    cohort = scribbled(toy(2, patch=(32, 32, 32)), 1)
    batch = batches(cohort, limit=32, voxels=2 * 32**3, augment=False).batch(0)
    for image, label in zip(batch.image[:, 0], batch.label, strict=True):
        outside = image == 0
        whole = round(float(image[~outside].min()) * 100) == 100
        assert (label[outside] == (0 if whole else IGNORE)).all()
        assert bool((label == IGNORE).any()) != whole


def test_no_patch_is_centred_on_what_is_left_open():
    """As a third of the patches of one voxel is centred on classes 1 and 2 (under 2% of the case)."""
    tiny = batches(scribbled(toy(), *range(5)), limit=1, voxels=3000, augment=False)
    shares = torch.bincount(tiny.batch(0).label.flatten(), minlength=IGNORE + 1) / 3000
    assert 0.28 < float(shares[1] + shares[2]) < 0.40


def test_anchors_are_voxels_of_their_class_in_the_order_of_the_classes():
    label = torch.tensor([[0, 2, 2], [IGNORE, 1, 0]], dtype=torch.uint8)
    assert [found.tolist() for found in anchors(label)] == [[[1, 1]], [[0, 1], [0, 2]]]
    assert anchors(torch.full((3, 3), IGNORE, dtype=torch.uint8)) == []
    many = anchors(torch.ones(60, 50, dtype=torch.uint8))[0]
    assert 512 <= len(many) < 2 * 512
    assert len(np.unique(many[:, 0])) == 60


def test_beyond_is_open_where_part_of_the_case_is():
    label = torch.tensor([[0, 2], [1, 0]], dtype=torch.uint8)
    assert beyond(label) == 0
    label[1, 1] = IGNORE
    assert beyond(label) == IGNORE
