"""semiTC: what commutes with warps has no loss; both predictions learn, by calculus."""

import pytest
import torch
from scipy.special import expit as sigmoid
from torch import Tensor, nn
from toys import SMALL, VOXELWISE, pixels, task

from medseg_lab.data.batch import Batch
from medseg_lab.semi import semitc
from medseg_lab.semi.semitc import SemiTC
from medseg_lab.semi.transforms.warp import Warp, draw_warp
from medseg_lab.training.recipe import recipe

SHAPES = [(40, 56), (32, 36, 30)]


def slope(x: float) -> float:
    return sigmoid(x) * (1 - sigmoid(x))


class Placed(nn.Module):
    """Logits (0, w i x) of the i-th pixel of a row, i = 1, 2, ...: it does not commute with a shift."""

    def __init__(self, in_channels: int = 1, out_channels: int = 2, spatial_dims: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.8))

    def forward(self, image: Tensor) -> Tensor:
        place = torch.arange(1.0, image.shape[-1] + 1)
        return torch.cat((torch.zeros_like(image), self.weight * place * image), dim=1)


def shift(by: float, length: int = 3) -> Warp:
    """A row's pixel shows the one `by` further on."""
    displacement = torch.zeros(2, 2, 1, length)
    displacement[:, 1] = by
    return Warp(displacement, -displacement)


def placed(monkeypatch, first: float, second: float, length: int = 3) -> SemiTC:
    """A learner that shifts a row instead of warping it."""
    drawn = iter((shift(first, length), shift(second, length)))
    monkeypatch.setattr(semitc, "draw_warp", lambda image: next(drawn))
    return SemiTC(task(2), network=recipe(Placed))


def both(image: Tensor) -> Batch:
    """The first patch with labels, the others without."""
    return Batch(image[:1], torch.zeros_like(image[:1, 0], dtype=torch.int64), image[1:])


def waves(shape: tuple[int, ...]) -> Tensor:
    """Three smooth images with values from 0 to 1, `(3, 1, *S)`."""
    axes = torch.meshgrid(*(torch.arange(float(edge)) for edge in shape), indexing="ij")
    phases = (0, 2, 4)
    return torch.stack([torch.sin(sum(0.15 * axis for axis in axes) + p) / 2 + 0.5 for p in phases])[:, None]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_linear_in_each_voxel_commutes_but_for_the_interpolation(shape, monkeypatch):
    # probabilities (1 - x, x): the difference is that of x, warped once and warped there, back and on
    torch.manual_seed(0)
    learner = SemiTC(task(len(shape)), network=VOXELWISE)
    monkeypatch.setattr(learner, "student", lambda image: torch.cat((1 - image, image), dim=1))
    batch = both(waves(shape))
    found = [learner.consistency_loss(batch, 0).item() for _ in range(8)]
    assert max(found) < 0.02**2
    # a prediction left in its own frame is a tenth of the whole range off
    first, second = draw_warp(batch.image), draw_warp(batch.image)
    assert (first(batch.image) - second(batch.image)).square().mean() > 0.1**2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_voxelwise_network_is_nearly_without_loss_and_one_that_sees_neighbours_is_not(shape):
    losses = {}
    for name, network in (("voxelwise", VOXELWISE), ("neighbours", SMALL)):
        torch.manual_seed(0)
        learner = SemiTC(task(len(shape)), network=network).eval()
        losses[name] = learner.consistency_loss(both(waves(shape)), 0).item()
    assert losses["neighbours"] > 20 * losses["voxelwise"] > 0


@pytest.mark.parametrize("values", [(1.0, -0.5, 0.7), (-0.3, 1.2, 0.4)])
def test_the_gradient_flows_through_both_predictions(values, monkeypatch):
    # The first warp shows (b, c, 0), the second (a, b, c). The first prediction, brought to the second's
    # frame, is (beyond, s(w b), s(2 w c)), the second's (s(w a), s(2 w b), s(3 w c)). The labelled row is
    # all zero, where both give 1/2; its two pixels count: the mean is over four.
    _, b, c = values
    learner, w = placed(monkeypatch, 1, 0), 0.8
    loss = learner.consistency_loss(pixels(*values), 0)
    loss.backward()
    pairs = [(2 * b, b), (3 * c, 2 * c)]
    assert loss.item() == pytest.approx(
        sum((sigmoid(w * p) - sigmoid(w * q)) ** 2 for p, q in pairs) / 4, rel=1e-3
    )
    wanted = sum(
        2 * (sigmoid(w * p) - sigmoid(w * q)) * (slope(w * p) * p - slope(w * q) * q) for p, q in pairs
    )
    assert learner.network.weight.grad.item() == pytest.approx(wanted / 4, rel=1e-3)


def test_voxels_that_either_warp_brought_in_from_beyond_do_not_count(monkeypatch):
    # shifts by 1 and 2: the second shows (c, 0, 0), the first (b, c, 0): only the first pixel is of the row,
    # there s(w c) against s(2 w c). The second's second pixel is zero, although the way across is inside.
    learner, w, c = placed(monkeypatch, 1, 2), 0.8, 0.7
    loss = learner.consistency_loss(pixels(1.0, -0.5, c), 0)
    assert loss.item() == pytest.approx((sigmoid(w * c) - sigmoid(2 * w * c)) ** 2 / 2, rel=1e-3)


def test_labelled_and_unlabelled_images_take_part():
    torch.manual_seed(0)
    learner = SemiTC(task(2), network=SMALL)
    image = torch.randn(4, 1, 24, 24)
    labelled, without = image[:2].requires_grad_(), image[2:].clone().requires_grad_()
    label = torch.zeros(2, 24, 24, dtype=torch.int64)
    learner.consistency_loss(Batch(labelled, label, without), 0).backward()
    for each in (*labelled.grad, *without.grad):
        assert each.abs().max() > 0


def test_two_warps_are_drawn_for_all_patches_in_each_step(monkeypatch):
    drawn = []

    def draw(image: Tensor) -> Warp:
        drawn.append(draw_warp(image))
        return drawn[-1]

    monkeypatch.setattr(semitc, "draw_warp", draw)
    torch.manual_seed(0)
    learner = SemiTC(task(2), network=VOXELWISE)
    for _ in range(2):
        learner.consistency_loss(both(torch.randn(3, 1, 16, 20)), 0)
    assert [warp.displacement.shape for warp in drawn] == [(3, 2, 16, 20)] * 4
    for i, warp in enumerate(drawn):
        assert all((warp.displacement - other.displacement).abs().max() > 0.5 for other in drawn[:i])
