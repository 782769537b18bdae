"""How far an outline may move: edges whose range can be computed by hand."""

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from medseg_lab.uncertainty.variability.priors import estimated_bounds, own_side_evidence

HALF = torch.arange(20) >= 10
"""The right half of a line; voxels 9 and 10 are next to the edge."""


def line(values) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32)[None]


def ramp(half: float) -> torch.Tensor:
    """From 0 to 1 within `half` voxels on each side of the edge."""
    return line(((torch.arange(20) - 9.5) / (2 * half) + 0.5).clamp(0, 1))


def moved(image: torch.Tensor, mask: torch.Tensor = HALF, **settings) -> list[int]:
    return estimated_bounds(image, mask, **settings).range.nonzero().flatten().tolist()


def test_without_contrast_the_range_is_as_wide_as_the_reach_and_at_a_sharp_edge_empty():
    assert moved(line(HALF.float())) == []
    assert moved(line(torch.zeros(20))) == [8, 9, 10, 11]
    assert moved(line(torch.full((20,), 7.0)), reach=3.0) == [7, 8, 9, 10, 11, 12]


def test_a_ramp_by_hand():
    # Within 4 voxels of the edge, the inside has 9/16, 11/16, 13/16 and 15/16: mean 3/4, variance 5/256. The
    # evidence is (1/2) / (5/256) = 25.6 nats for a difference of 1: 1.6 next to the edge, 4.8 one further.
    image = ramp(4)
    assert moved(image) == [9, 10]
    # 1/2 + 1.6/nats and 2/2 + 4.8/nats must be at most 1
    assert moved(image, nats=3.21) == [9, 10]
    assert moved(image, nats=3.19) == []


def test_a_wider_reach_on_the_same_ramp_by_hand():
    # Within 6 voxels, the inside has two more of 1: mean 5/6, so the contrast is 2/3, and the variance is
    # (9² + 11² + 13² + 15² + 2 * 16²) / 256 / 6 - 25/36 = 0.02691. The evidence, in nats, is 24.77 times
    # 1/16, 3/16, 5/16: 1.548, 4.645, 7.742.
    image = ramp(4)
    assert moved(image, reach=3.0) == [9, 10]  # 1/3 + 0.155; 2/3 + 0.464 is more than 1
    assert moved(image, reach=3.0, nats=13.95) == [8, 9, 10, 11]  # 2/3 + 0.333
    assert moved(image, reach=3.0, nats=13.91) == [9, 10]
    # Spacing and reach scale together.
    assert moved(image, spacing=(0.1,), reach=0.3, nats=13.95) == [8, 9, 10, 11]


def test_the_less_contrast_above_noise_the_wider_the_range():
    torch.manual_seed(0)
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[10:30, 10:30] = True
    noise = torch.randn(1, 40, 40)
    sizes = [int(estimated_bounds(noise + step * mask, mask).range.sum()) for step in (20, 6, 3, 1)]
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))


def test_the_segmentation_is_between_its_bounds():
    torch.manual_seed(0)
    mask = torch.rand(12, 12, 12) < 0.5
    found = estimated_bounds(torch.randn(2, 12, 12, 12), mask)
    assert (found.consensus & ~mask).sum() == (mask & ~found.possible).sum() == 0
    assert (found.range & mask).any()
    assert (found.range & ~mask).any()


def test_brightness_and_contrast_of_the_image_cancel_out():
    torch.manual_seed(0)
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[5:15, 5:15] = True
    image = torch.randn(1, 20, 20) + 3 * mask
    found = estimated_bounds(image, mask).range
    assert found.any()
    assert torch.equal(estimated_bounds(-50 * image + 300, mask).range, found)
    assert torch.equal(estimated_bounds(1e-4 * image, mask).range, found)
    assert torch.equal(estimated_bounds(image, ~mask).range, found)  # inside and outside are alike


def test_a_voxel_that_looks_like_the_other_side_moves_no_further_than_the_reach():
    image = HALF.float()
    image[[7, 8]] = 1
    # Outside, near the edge, are 0, 1, 1, 0: contrast 1/2, variance 1/8, 4 nats for a difference of 1 from
    # 3/4. Voxel 9 has 3 nats, 10 has 1, both at distance 1; 7 and 8 have less than 0, at 3 and 2.
    assert moved(line(image)) == [8, 9, 10]
    assert moved(line(image), nats=4.0) == [8, 10]
    assert moved(line(image), nats=1.0) == [8]


@pytest.mark.filterwarnings("error")
def test_the_reach_is_in_millimetres_where_the_spacing_is_known():
    nothing = torch.zeros(1, 20)
    assert moved(nothing, spacing=(0.5,)) == list(range(6, 14))
    assert moved(nothing, spacing=(2.0,)) == [9, 10]
    assert moved(nothing, spacing=(2.1,)) == []
    assert moved(nothing, spacing=(5.0,)) == []  # no voxel is near


def test_an_outline_moves_further_along_the_finer_axis():
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[8:12, 8:12] = True
    outwards = estimated_bounds(torch.zeros(1, 20, 20), mask, spacing=(2.0, 0.5)).possible
    assert outwards[:, 10].nonzero().flatten().tolist() == list(range(7, 13))
    assert outwards[10].nonzero().flatten().tolist() == list(range(4, 16))


def test_volumes_of_the_bounds_have_units():
    mask = torch.zeros(6, 6, 6, dtype=torch.bool)
    mask[2:4, 2:4, 2:4] = True
    found = estimated_bounds(torch.zeros(1, 6, 6, 6), mask, spacing=(10.0, 10.0, 10.0), reach=10.0)
    assert found.unit == "ml"
    assert found.interval == (0, 8 + 6 * 4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mask", [torch.zeros(5, 5), torch.ones(5, 5)])
def test_without_an_outline_nothing_moves(mask):
    found = estimated_bounds(torch.randn(1, 5, 5), mask.bool())
    assert torch.equal(found.consensus, mask.bool())
    assert torch.equal(found.possible, mask.bool())


def test_the_evidence_is_a_ratio_of_normal_densities_on_sides_of_any_size():
    torch.manual_seed(0)
    values, inside = torch.randn(30, 2, dtype=torch.float64), torch.arange(30) < 8
    values[inside] += 1
    means = values[inside].mean(0), values[~inside].mean(0)
    rest = torch.cat([values[inside] - means[0], values[~inside] - means[1]])
    normal = [MultivariateNormal(mean, rest.T @ rest / 30) for mean in means]
    ratio = normal[0].log_prob(values) - normal[1].log_prob(values)
    expected = torch.where(inside, ratio, -ratio).numpy()
    np.testing.assert_allclose(own_side_evidence(values.numpy(), inside.numpy()), expected, rtol=1e-4)


def test_a_channel_without_contrast_gives_no_evidence():
    edge = torch.cat([ramp(4), torch.full((1, 20), 3.0)])
    assert moved(edge, nats=3.21) == [9, 10]
    assert moved(edge, nats=3.19) == []


def test_shapes_and_settings_are_checked():
    with pytest.raises(ValueError, match=r"image: expected C channels of \(20,\), got \(1, 19\)"):
        estimated_bounds(torch.zeros(1, 19), HALF)
    with pytest.raises(ValueError, match="reach and nats: expected both above 0, got 0 and 10"):
        estimated_bounds(torch.zeros(1, 20), HALF, reach=0)
    with pytest.raises(ValueError, match=r"expected both above 0, got 2\.0 and -1"):
        estimated_bounds(torch.zeros(1, 20), HALF, nats=-1)
    with pytest.raises(ValueError, match="spacing: expected 1 values, got"):
        estimated_bounds(torch.zeros(1, 20), HALF, spacing=(1.0, 1.0))
