"""Whose reading a learner is taught, and that where a patch lies does not depend on it."""

from dataclasses import replace

import pytest
import torch

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batches import Batches
from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.reading import consensus
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.begin import begin
from medseg_lab.training.budget import Budget
from medseg_lab.training.device import make_fabric
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

CLASSES = ("background", "a", "b")
RATERS = 4
NETWORK = recipe(UNet, features=(2,))
PLAIN = Augmentation(spatial=False, intensity=False)


def labels(*votes: int) -> torch.Tensor:
    """What each rater says of one voxel."""
    return torch.tensor(votes, dtype=torch.uint8)[:, None]


@pytest.mark.parametrize(
    ("votes", "agreed"),
    [
        ((0, 0, 0, 1), 0),
        ((1, 1, 0, 1), 1),
        ((0, 1, 1, 0), 1),  # a tie goes to the last of the classes
        ((2, 1, 1, 2), 2),
        ((0, 1, 2, 2), 2),
        ((0, 1, 2), 2),
        ((0, IGNORE, IGNORE, IGNORE), 0),  # who left it open has no vote
        ((IGNORE, IGNORE), IGNORE),
        ((1,), 1),
    ],
)
def test_the_consensus_is_what_most_raters_say(votes, agreed):
    assert consensus(labels(*votes)).tolist() == [agreed]


def test_the_consensus_is_found_voxel_by_voxel_in_the_readings_type():
    readings = torch.tensor([[[0, 1], [2, 0]], [[0, 1], [1, 0]], [[1, 0], [1, 0]]], dtype=torch.uint8)
    agreed = consensus(readings)
    assert agreed.dtype == torch.uint8
    assert agreed.tolist() == [[0, 1], [1, 0]]


def test_an_unknown_reading_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError,
        match="reading: expected 'reference', 'random', 'consensus', 'boxes' or 'spoiled', got 'best'",
    ):
        Supervised(Task(1, CLASSES, 2), network=NETWORK, reading="best")


def read(i: int, dims: int) -> Case:
    """Rater 0 marks nothing, 1 marks class 1, 2 and 3 class 2; the image says which voxel is where."""
    shape = (20, 24, 18)[:dims]
    readings = torch.zeros((RATERS, *shape), dtype=torch.uint8)
    inner = (slice(4, 8),) * dims
    readings[(1, *inner)], readings[(2, *inner)], readings[(3, *inner)] = 1, 2, 2
    image = torch.arange(torch.Size(shape).numel()).float().view(1, *shape) + 10_000 * i
    return Case(f"c{i}", f"c{i}", image, readings, (1.0,) * dims)


def cohort(dims: int = 2) -> Cohort:
    base = load_card("msd-hippocampus").model_dump()
    how = {"preprocessing": {"patch": (8, 8, 8)[:dims], "mirror": (0,)}, "raters": RATERS}
    card = Card.model_validate(base | {"classes": CLASSES, "spatial_dims": dims} | how)
    cases = tuple(read(i, dims) for i in range(3))
    return Cohort(card, cases, (), (), "", 3, 0, sealed=lambda: ())


def batches(reading: str, dims: int = 2, data: Cohort | None = None, patches: int = 30) -> Batches:
    return Batches(
        data or cohort(dims),
        Task(1, CLASSES, dims),
        patches * 8**dims,
        8,
        augmentation=PLAIN,
        reading=reading,
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_the_patches_are_the_same_whose_reading_is_taught(dims):
    images = [batches(one, dims).batch(0).image for one in ("reference", "consensus")]
    assert torch.equal(*images)
    assert {*batches("reference").batch(0).label.unique().tolist()} == {0}
    assert {*batches("consensus").batch(0).label.unique().tolist()} == {0, 2}


def test_patches_are_centred_on_what_any_rater_marked():
    """Rater 0 marked nothing; were its patches centred anywhere, fewer of them would hold the mark."""
    found = batches("reference", patches=400).batch(0).image.int()
    marked = set(read(0, 2).image[0, 4:8, 4:8].flatten().int().tolist())
    held = [bool(marked & {v % 10_000 for v in patch.flatten().tolist()}) for patch in found]
    assert sum(held) / len(held) > 0.5


def test_each_reader_is_drawn_as_often_whatever_they_marked():
    found = batches("random", patches=2000).batch(0)
    marked = set(read(0, 2).image[0, 4:8, 4:8].flatten().int().tolist())
    whole = [
        label.max().item()
        for image, label in zip(found.image.int(), found.label, strict=True)
        if marked <= {v % 10_000 for v in image.flatten().tolist()}
    ]
    shares = torch.bincount(torch.tensor(whole), minlength=3) / len(whole)
    assert len(whole) > 300
    # three standard deviations of a share of one in four among 300
    assert torch.allclose(shares, torch.tensor([0.25, 0.25, 0.5]), atol=0.08)


def test_a_random_reading_is_one_raters_and_no_mixture():
    for label in batches("random", patches=200).batch(3).label:
        assert len(set(label.unique().tolist()) - {0}) <= 1


@pytest.mark.parametrize("reading", ["reference", "random", "consensus"])
def test_a_batch_is_a_function_of_seed_and_step_whose_ever_reading(reading):
    one, other = batches(reading), batches(reading)
    other.batch(7)
    for a, b in zip(one.batch(5)[:2], other.batch(5)[:2], strict=True):
        assert torch.equal(a, b)


def test_where_there_is_one_rater_all_readings_are_theirs():
    data = cohort()
    alone = replace(data, labelled=tuple(replace(c, labels=c.labels[2:3]) for c in data.labelled))
    found = [batches(one, data=alone).batch(1) for one in ("reference", "random", "consensus")]
    for other in found[1:]:
        assert torch.equal(found[0].image, other.image)
        assert torch.equal(found[0].label, other.label)


def test_the_image_is_held_once_for_all_its_readings():
    pool = batches("random")._labelled
    assert len(pool) == 3
    assert len(pool.shapes) == 3
    first, last = (pool._sources[entry].cut((slice(0, 4),) * 2)[0] for entry in (0, RATERS - 1))
    assert first.data_ptr() == last.data_ptr()


def test_a_training_draws_the_reading_that_its_learner_asks_for():
    found = {}
    for one in ("reference", "random", "consensus"):
        target = recipe(Supervised, network=NETWORK, reading=one)
        _, source = begin(target, cohort(), Budget(steps=1, voxels=60 * 64, patch=8), 0, make_fabric())
        found[one] = set(source.batch(0).label.unique().tolist())
    assert found == {"reference": {0}, "random": {0, 1, 2}, "consensus": {0, 2}}
