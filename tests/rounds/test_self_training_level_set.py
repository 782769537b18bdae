"""Pseudo-labels that a level set refines."""

import numpy as np
import pytest
import torch
from toys import SMALL, task

from medseg_lab.data.case import Case
from medseg_lab.rounds.self_training_level_set import SelfTrainingLevelSet, level_set

UNLABELLED = torch.zeros((0, 12, 12), dtype=torch.uint8)


def square(low: int, high: int) -> np.ndarray:
    found = np.zeros((14, 14), dtype=bool)
    found[low:high, low:high] = True
    return found


@pytest.mark.parametrize("start", [square(5, 9), square(3, 11)], ids=["too small", "too large"])
@pytest.mark.parametrize(
    "intensities", [(1.0,), (-1.0,), (1.0, -1.0)], ids=["bright", "dark", "channels that cancel out"]
)
def test_a_border_moves_to_the_edge_of_the_image(start, intensities):
    """One voxel along the axes in the first iteration, the corners in the second."""
    image = np.stack([value * square(4, 10) for value in intensities]).astype(np.float32)
    assert np.array_equal(level_set(start, image, iterations=2), square(4, 10))


def test_outside_is_what_lies_around():
    """The dark is more like the inside than like the mean outside, if that counts far and brighter things."""
    image = np.zeros((1, 14, 30), dtype=np.float32)
    image[0, 4:10, 4:10], image[0, :, 18:] = 1, 9
    region = image[0] == 1
    assert np.array_equal(level_set(region, image), region)
    assert level_set(region, image, around=20).sum() > region.sum()


def test_classes_share_what_several_claim_and_leave_the_rest():
    """Both bright squares touch; class 3 is absent."""
    image = torch.zeros(1, 12, 12)
    image[0, 3:9, 1:11] = 1
    before = torch.zeros(4, 12, 12)
    before[1, 3:9, 2:6] = before[2, 3:9, 6:10] = 0.9
    before[0] = 1 - before.sum(dim=0)
    learner = SelfTrainingLevelSet(task(2, 4), network=SMALL, trust=0.0)
    found = learner.refined(before, Case("a", "a", image, UNLABELLED, None))
    torch.testing.assert_close(found.sum(dim=0), torch.ones(12, 12))
    label = found.argmax(dim=0)
    wanted = torch.zeros(12, 12, dtype=torch.int64)
    wanted[3:9, 1:6], wanted[3:9, 6:11] = 1, 2  # what is dark is background
    assert torch.equal(label, wanted)


def test_what_its_region_lost_becomes_background_however_sure_the_network_was():
    image, before = torch.zeros(1, 12, 12), torch.zeros(2, 12, 12)
    image[0, 4:8, 4:8] = 1
    before[1, 3:9, 3:9] = 0.999
    before[0] = 1 - before[1]
    learner = SelfTrainingLevelSet(task(2), network=SMALL, trust=0.0)
    found = learner.refined(before, Case("a", "a", image, UNLABELLED, None))
    assert torch.equal(found.argmax(dim=0), image[0].long())


@pytest.mark.parametrize(("trust", "wanted"), [(0.0, (4, 10)), (3.0, (5, 9))])
def test_a_network_that_is_sure_keeps_its_border_if_it_is_trusted(trust, wanted):
    """A bright square of 6 x 6, of which the network is sure of the 4 x 4 in the middle."""
    image, foreground = torch.zeros(1, 14, 14), torch.full((14, 14), 0.05)
    image[0, 4:10, 4:10], foreground[5:9, 5:9] = 1, 0.95
    learner = SelfTrainingLevelSet(task(2), network=SMALL, trust=trust)
    found = learner.refined(
        torch.stack([1 - foreground, foreground]), Case("a", "a", image, UNLABELLED, None)
    )
    assert np.array_equal(found.argmax(dim=0).numpy(), square(*wanted))


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_slices_lie_in_the_plane_of_the_network(plane):
    rng = np.random.default_rng(0)
    image, region = rng.normal(size=(1, 9, 7, 8)).astype(np.float32), rng.random((9, 7, 8)) < 0.3
    region[:, :, 3] = False
    learner = SelfTrainingLevelSet(task(3), network=SMALL, spatial_dims=2, plane=plane)
    axis = (2 + plane) % 3
    slices = [
        level_set(r, f)
        for r, f in zip(np.moveaxis(region, axis, 0), np.moveaxis(image, axis + 1, 0), strict=True)
    ]
    found = learner.moved(torch.from_numpy(region), torch.from_numpy(image))
    assert np.array_equal(found.numpy(), np.stack(slices, axis=axis))


def test_the_same_bits_however_often_it_was_called():
    """The library's two ways to smooth take turns across calls, so an odd number of iterations is refused."""
    rng = np.random.default_rng(0)
    image, region = rng.normal(size=(1, 14, 14)).astype(np.float32), rng.random((14, 14)) < 0.5
    first = level_set(region, image, smoothing=1)
    assert all(np.array_equal(level_set(region, image, smoothing=1), first) for _ in range(3))
    with pytest.raises(ValueError, match="multiple of 2, got 3"):
        SelfTrainingLevelSet(task(2), network=SMALL, iterations=3)
