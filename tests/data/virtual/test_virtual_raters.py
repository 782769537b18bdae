import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medseg_lab.data.virtual.raters import distribution, readings
from medseg_lab.data.virtual.settings import LesionSettings, RaterSettings, VirtualSettings
from medseg_lab.data.virtual.subject import subject


def voxel(*shares: float) -> torch.Tensor:
    return torch.tensor(shares)[:, None, None, None]


def even(probabilities: tuple[float, ...], shape: tuple[int, ...]) -> torch.Tensor:
    """The same distribution at every voxel."""
    return voxel(*probabilities).expand(-1, *shape).contiguous()


def test_a_voxel_of_three_classes_by_hand():
    # tau = 1/2 squares the shares: 0.25, 0.09, 0.04 over their sum 0.38.
    known = distribution(voxel(0.5, 0.3, 0.2), RaterSettings(disagreement=0.5, floor=0))
    torch.testing.assert_close(known, voxel(0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38))


def test_improbable_classes_are_ruled_out_and_the_rest_shared_anew():
    known = distribution(voxel(0.7, 0.29, 0.01), RaterSettings(disagreement=1.0, floor=0.02))
    torch.testing.assert_close(known, voxel(0.7 / 0.99, 0.29 / 0.99, 0))
    assert float(known[2]) == 0


def test_more_disagreement_is_more_entropy():
    entropy = [
        -float(torch.special.xlogy(p, p).sum())
        for tau in (0.2, 0.5, 1.0, 2.0)
        for p in [distribution(voxel(0.6, 0.3, 0.1), RaterSettings(disagreement=tau, floor=0))]
    ]
    assert entropy == sorted(set(entropy))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    weights=st.lists(st.floats(0, 1), min_size=2, max_size=5).filter(lambda w: sum(w) > 0.01),
    tau=st.floats(0.05, 3),
    floor=st.floats(0, 0.1),
)
def test_any_shares_make_a_distribution_with_the_same_favourite(weights, tau, floor):
    shares = voxel(*weights) / sum(weights)
    known = distribution(shares, RaterSettings(disagreement=tau, floor=floor))
    assert float(known.min()) >= 0
    assert float(known.sum()) == pytest.approx(1, abs=1e-5)
    assert bool((known[shares == 0] == 0).all())
    assert float(known[shares == shares.max()].min()) == pytest.approx(float(known.max()), rel=1e-4)


@pytest.mark.parametrize("style", [0.0, 0.3, 1.0])
def test_sampled_raters_have_the_distribution_that_is_stated(style):
    how = RaterSettings(number=600, style=style, length_mm=6)
    odds = torch.tensor([[0.9, 0.1, 0, 0], [0.5, 0.3, 0.15, 0.05], [0.25] * 4, [0, 0.02, 0.28, 0.7]])
    # Each of four distributions fills a slab; 600 raters label every voxel.
    known = odds.T[:, :, None, None].repeat_interleave(2, 1).expand(-1, -1, 4, 4).contiguous()
    labels = readings(known, np.random.default_rng(1), 4, how)
    for k in range(4):
        seen = (labels == k).double().mean(0)
        p = known[k].double()
        # Raters are independent: at a voxel, counts are binomial. 512 counts in all want 4.5 deviations.
        assert bool(((seen - p).abs() <= 4.5 * (p * (1 - p) / 600).sqrt()).all())


@pytest.mark.parametrize("lesion", [None, LesionSettings()])
def test_many_raters_of_a_subject_agree_with_its_distribution_in_every_region(lesion):
    how = RaterSettings(number=250)
    made = subject(0, 1, VirtualSettings(resolution=4, lesion=lesion, raters=how))
    for k in range(4):
        p, seen = made.distribution[k].double(), (made.labels == k).double()
        contested = (p > 0.05) & (p < 0.95)
        assert int(contested.sum()) > 50
        # A rater's share of the region varies with his habits; its spread over raters gives the error.
        each = seen[:, contested].mean(1)
        error = float(each.std()) / np.sqrt(250)
        assert abs(float(each.mean() - p[contested].mean())) < 4 * error
        assert error < 0.02


@pytest.mark.parametrize(("style", "length"), [(0.0, 8.0), (0.0, 24.0), (0.5, 8.0), (1.0, 8.0)])
def test_neighbours_agree_as_the_fields_correlation_says(style, length):
    # Of two equal classes the label is the sign of a Gaussian; two signs agree with 1 - arccos(rho) / pi.
    how = RaterSettings(number=60, style=style, length_mm=length)
    labels = readings(even((0.5, 0.5), (12, 12, 12)), np.random.default_rng(0), 4, how)
    for steps in (1, 2):
        rho = style + (1 - style) * np.exp(-((4 * steps) ** 2) / (2 * length**2))
        agree = float((labels[:, steps:] == labels[:, :-steps]).double().mean())
        assert agree == pytest.approx(1 - np.arccos(rho) / np.pi, abs=0.035)


def test_raters_agree_where_the_distribution_is_certain_and_see_nothing_in_the_air():
    for lesion in (None, LesionSettings()):
        made = subject(0, 2, VirtualSettings(resolution=4, lesion=lesion, raters=RaterSettings()))
        certain = made.distribution.amax(0) == 1
        favourite = made.distribution.argmax(0)
        assert bool((made.labels[:, certain] == favourite[certain]).all())
        brain = subject(0, 2, VirtualSettings(resolution=4)).labels[0].numpy() > 0
        air = torch.from_numpy(~ndimage.binary_dilation(brain, iterations=2))
        assert float(air.float().mean()) > 0.3
        assert bool((made.distribution[0, air] == 1).all())
        assert not made.labels[:, air].any()


def test_raters_differ_from_one_another_and_are_the_same_again():
    how = RaterSettings()
    known = even((0.6, 0.4), (10, 10, 10))
    labels = readings(known, np.random.default_rng(0), 4, how)
    assert labels.shape == (4, 10, 10, 10)
    assert labels.dtype == torch.uint8
    assert len({label.numpy().tobytes() for label in labels}) == 4
    assert torch.equal(labels, readings(known, np.random.default_rng(0), 4, how))
