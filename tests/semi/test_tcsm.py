"""TCSM and TCSMv2: a network that commutes with T has no loss; which sides learn, by calculus."""

import pytest
import torch
from scipy.special import expit as sigmoid
from torch import Tensor
from toys import SMALL, VOXELWISE, in_turn, one_weight, pixels, task

from medseg_lab.data.batch import Batch
from medseg_lab.semi import tcsm
from medseg_lab.semi.tcsm import TCSM, TCSMv2
from medseg_lab.semi.transforms.similarity import Similarity, draw_similarity

by_method = pytest.mark.parametrize("method", [TCSM, TCSMv2])
SHAPES = [(16, 16), (8, 12, 8)]
FLIP = Similarity(flipped=(1,))


def every(shape: tuple[int, ...]) -> tuple[int, ...]:
    """All axes."""
    return tuple(range(len(shape)))


def slope(x: float) -> float:
    return sigmoid(x) * (1 - sigmoid(x))


def unlabelled(image: Tensor) -> Batch:
    return Batch(torch.zeros_like(image), torch.zeros_like(image[:, 0], dtype=torch.int64), image)


def smooth(shape: tuple[int, ...]) -> Tensor:
    """Two waves of 30 voxels along the axes, `(2, 1, *S)`."""
    axes = torch.meshgrid(*(torch.arange(float(edge)) for edge in shape), indexing="ij")
    return torch.stack([torch.sin(sum(0.2 * axis for axis in axes) + phase) for phase in (0, 2)])[:, None]


@pytest.fixture
def quiet(monkeypatch):
    """Without noise."""
    monkeypatch.setattr(tcsm, "noisy", lambda image: image)


@pytest.fixture
def unscaled(monkeypatch):
    """T turns and flips, and interpolates nothing."""
    monkeypatch.setattr(
        tcsm, "draw_similarity", lambda shape, mirror: draw_similarity(shape, every(shape), (1.0, 1.0))
    )


@by_method
@pytest.mark.parametrize("shape", SHAPES)
def test_a_voxelwise_network_commutes_with_turns_and_flips_bit_for_bit(method, shape, quiet, unscaled):
    torch.manual_seed(0)
    learner = method(task(len(shape), 3), network=VOXELWISE)
    image = torch.randn(2, 1, *shape)
    assert [learner.consistency_loss(unlabelled(image), 0).item() for _ in range(12)] == [0.0] * 12


@by_method
@pytest.mark.parametrize("shape", [(48, 48), (24, 24, 24)])
def test_with_a_scale_it_commutes_but_for_the_interpolation(method, shape, quiet):
    # between voxels these waves are off by at most 0.2^2 / 8 an axis; a slope of at most 1/2, on two sides
    torch.manual_seed(0)
    learner = method(task(len(shape)), network=VOXELWISE)
    with torch.no_grad():
        for mix in (learner.network.mix, *([learner.teacher.mix] if method is TCSMv2 else [])):
            mix.weight.copy_(torch.tensor([-1.0, 1.0]).view_as(mix.weight))
    found = [learner.consistency_loss(unlabelled(smooth(shape)), 0).item() for _ in range(12)]
    assert 0 < max(found) < (len(shape) * 0.2**2 / 8) ** 2


@by_method
@pytest.mark.parametrize("shape", SHAPES)
def test_a_network_that_sees_neighbours_does_not_commute(method, shape, quiet, unscaled):
    torch.manual_seed(0)
    learner = method(task(len(shape)), network=SMALL).eval()
    found = [learner.consistency_loss(unlabelled(torch.randn(2, 1, *shape)), 0).item() for _ in range(12)]
    # T is the identity in one draw of 8 or more; then, and only then, nothing is asked for
    assert sum(value > 1e-5 for value in found) >= 9


def noises() -> tuple[Tensor, Tensor]:
    return torch.tensor([[[[0.1, -0.2]]]]), torch.tensor([[[[0.05, 0.15]]]])


W, X = 0.8, (1.0, -0.5)
# With T a flip: what is turned is seen as x + e, what is seen turned as T x + e'.
TURNED, SEEN = (X[1] - 0.2, X[0] + 0.1), (X[1] + 0.05, X[0] + 0.15)


def test_tcsms_gradient_flows_through_both_sides(monkeypatch):
    monkeypatch.setattr(tcsm, "noisy", in_turn(*noises()))
    monkeypatch.setattr(tcsm, "draw_similarity", lambda shape, mirror: FLIP)
    learner = one_weight(TCSM, W)
    loss = learner.consistency_loss(pixels(*X), 0)
    loss.backward()
    pairs = list(zip(TURNED, SEEN, strict=True))
    assert loss.item() == pytest.approx(
        sum((sigmoid(W * a) - sigmoid(W * b)) ** 2 for a, b in pairs) / 2, rel=1e-4
    )
    wanted = sum(
        2 * (sigmoid(W * a) - sigmoid(W * b)) * (slope(W * a) * a - slope(W * b) * b) for a, b in pairs
    )
    assert learner.network.weight.grad.item() == pytest.approx(wanted / 2, rel=1e-3)


@pytest.mark.parametrize("teachers", [0.8, 0.3, 1.5])
def test_tcsm_v2s_gradient_flows_through_the_student_alone(monkeypatch, teachers):
    monkeypatch.setattr(tcsm, "noisy", in_turn(*noises()))
    monkeypatch.setattr(tcsm, "draw_similarity", lambda shape, mirror: FLIP)
    learner = one_weight(TCSMv2, W)
    with torch.no_grad():
        learner.teacher.weight.fill_(teachers)
    loss = learner.consistency_loss(pixels(*X), 0)
    loss.backward()
    pairs = list(zip(TURNED, SEEN, strict=True))
    assert loss.item() == pytest.approx(
        sum((sigmoid(teachers * a) - sigmoid(W * b)) ** 2 for a, b in pairs) / 2, rel=1e-4
    )
    wanted = sum(2 * (sigmoid(W * b) - sigmoid(teachers * a)) * slope(W * b) * b for a, b in pairs)
    assert learner.network.weight.grad.item() == pytest.approx(wanted / 2, rel=1e-3)
    assert learner.teacher.weight.grad is None


@by_method
def test_the_mean_is_over_the_voxels_from_inside_every_patch(method, monkeypatch):
    # A scale of 1/2 keeps the inner 2 x 2 of 4 x 4 of both patches; outside, T(f(x)) is 0 and f(T(x)) 1/2.
    # All images are 1; turned ones become 2 (they are noised second), but not in the second patch.
    plus = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)
    monkeypatch.setattr(tcsm, "noisy", in_turn(0.0, plus))
    monkeypatch.setattr(tcsm, "draw_similarity", lambda shape, mirror: Similarity(scale=0.5))
    found = one_weight(method, W).consistency_loss(unlabelled(torch.ones(2, 1, 4, 4)), 0).item()
    assert found == pytest.approx((sigmoid(2 * W) - sigmoid(W)) ** 2 / 2, rel=1e-4)


@by_method
def test_t_is_drawn_anew_for_the_patches_shape(method, monkeypatch):
    drawn = []

    def draw(shape: tuple[int, ...], mirror: tuple[int, ...]) -> Similarity:
        drawn.append((shape, mirror, draw_similarity(shape, mirror)))
        return drawn[-1][2]

    monkeypatch.setattr(tcsm, "draw_similarity", draw)
    torch.manual_seed(0)
    learner = one_weight(method, W)
    for _ in range(5):
        learner.consistency_loss(unlabelled(torch.randn(2, 1, 8, 12))._replace(mirror=(1,)), 0)
    assert [given for *given, _ in drawn] == [[(8, 12), (1,)]] * 5
    assert len({turn for *_, turn in drawn}) == 5
