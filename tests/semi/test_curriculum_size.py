"""The mathematics of the curriculum by size, beyond what `tests/contracts` proves of every configuration."""

from itertools import pairwise
from math import exp, sqrt

import pytest
import torch
from scipy.special import expit as sigmoid
from torch import Tensor, nn
from toys import SMALL, one_weight, pixels, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.semi.curriculum_size import CurriculumSize, SizeRegressor, size_penalty, sizes
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised


class Said(nn.Module):
    """A regressor that says the same share of every image."""

    def __init__(self, *shares: float) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(shares))

    def forward(self, image: Tensor) -> Tensor:
        return self.share.expand(len(image), -1)


def held_to(share: float, **arguments: float) -> CurriculumSize:
    learner = one_weight(CurriculumSize, 0.5, first=1 / 3, **arguments)
    learner.regressor = Said(share)
    learner.prepare(30, [])
    return learner


def test_the_penalty_by_hand():
    """Around R = 10, within 10%: below 9 and above 11 the distance is squared."""
    found = torch.tensor([8.5, 9.0, 10.0, 10.9, 13.0], requires_grad=True)
    penalty = size_penalty(found, torch.full((5,), 10.0), 0.1)
    penalty.sum().backward()
    assert penalty.tolist() == pytest.approx([0.25, 0, 0, 0, 4], abs=1e-5)
    assert found.grad.tolist() == pytest.approx([-1, 0, 0, 0, 4], abs=1e-5)
    assert size_penalty(torch.tensor([3.0]), torch.zeros(1), 0.1).item() == 9  # nothing should be there


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.8), (1.5, 1.2)])
def test_the_loss_and_its_gradient_by_hand(factor, expected):
    """Four pixels, of which a fifth should be foreground; s is the sum of sigmoid(x / 2)."""
    values = (1.0, -2.0, 3.0, 0.5)
    learner = held_to(0.2, factor=factor)
    loss = learner.consistency_loss(pixels(*values), 20)
    loss.backward()
    parts = [sigmoid(0.5 * x) for x in values]
    outside = sum(parts) - 1.1 * expected
    assert outside > 0
    assert loss.item() == pytest.approx(outside**2 / 4, rel=1e-5)
    slope = sum(p * (1 - p) * x for p, x in zip(parts, values, strict=True))
    assert learner.network.weight.grad.item() == pytest.approx(2 * outside * slope / 4, rel=1e-4)
    assert learner.noted["outside"] == 1
    assert learner.regressor.share.grad is None


def test_the_penalties_of_several_classes_are_added():
    """Four pixels with three equal logits: each class has the size 4/3, against R = 0.4 and 0.8."""
    learner = one_weight(CurriculumSize, classes=3)
    learner.regressor = Said(0.1, 0.2)
    loss = learner.consistency_loss(pixels(0.0, 0.0, 0.0, 0.0), 20)
    assert loss.item() == pytest.approx(((4 / 3 - 0.44) ** 2 + (4 / 3 - 0.88) ** 2) / 4)


def test_without_weight_no_sizes_are_learned():
    assert [phase.name for phase in held_to(0.1, weight=0.0).phases()] == ["segment"]


def test_a_size_inside_of_the_bounds_teaches_nothing():
    learner = held_to(0.5)
    loss = learner.consistency_loss(pixels(1.0, -1.0, 2.0, -2.0), 20)  # sigmoids of x and -x sum to 1
    loss.backward()
    assert loss.item() == learner.network.weight.grad.item() == learner.noted["outside"] == 0


def test_sizes_come_first_then_the_penalty():
    learner, batch = held_to(0.1, weight=2.0), pixels(1.0, -2.0)
    _, regressor = learner.phases()
    assert [regressor.rate(step) for step in (0, 5, 9, 10, 29)] == pytest.approx([1, 0.5, 0.1, 0, 0])
    assert "size" not in learner.losses(batch, 9)
    for step, share in ((10, exp(-5)), (20, exp(-5 / 4))):  # the ramp lies over the other twenty steps
        wanted = 2 * share * learner.consistency_loss(batch, step).item()
        assert learner.losses(batch, step)["size"].item() == pytest.approx(wanted, rel=1e-5)


def test_the_regressor_is_frozen_after_its_part_and_the_network_is_its_twins_until_then(tmp_path):
    """Two of six steps learn sizes."""
    how, seen = {"network": SMALL, "spatial_dims": 2}, {}

    def parameters(method, **arguments):
        def keep(learner, step):
            parts = ("regressor", "network") if method is CurriculumSize else ("network",)
            for part in parts:
                moved = getattr(learner, part).parameters()
                seen[method, part, step] = torch.cat([p.detach().flatten() for p in moved])

        trained(
            recipe(method, **how, **arguments), tiny_cohort(), tmp_path / str(method), steps=6, watch=keep
        )

    parameters(CurriculumSize, weight=10.0, first=1 / 3)
    parameters(Supervised)
    sizes_at = [seen[CurriculumSize, "regressor", step] for step in range(6)]
    assert [torch.equal(one, other) for one, other in pairwise(sizes_at)] == [False, True, True, True, True]
    same = [
        torch.equal(seen[CurriculumSize, "network", step], seen[Supervised, "network", step])
        for step in range(6)
    ]
    assert same == [True, True, False, False, False, False]


def test_the_regressors_loss_and_its_error_by_hand():
    """Of 4 pixels 1 has the class, in the other patch none: roots of .25 and 0 against the root of .16."""
    learner = held_to(0.16)
    batch = pixels(0.0, 0.0, 0.0, 0.0)
    image, label = batch.image.expand(2, -1, -1, -1), torch.zeros((2, 1, 4), dtype=torch.int64)
    label[0, 0, 2], label[1, 0, 0] = 1, IGNORE
    found = learner.size_losses(batch._replace(image=image, label=label), 0)
    assert found["roots"].item() == pytest.approx(((0.4 - 0.5) ** 2 + 0.4**2) / 2)
    assert learner.noted["size_error"].item() == pytest.approx((0.09 + 0.16) / 0.25)
    nothing = learner.size_losses(batch, 0)
    assert nothing["roots"].item() == pytest.approx(sqrt(0.16) ** 2)


def test_sizes_are_counted_class_by_class():
    label = torch.tensor([[[0, 1, 2], [2, 2, IGNORE]], [[0, 0, 0], [1, 1, 1]]])
    assert sizes(label, 3).tolist() == [[1, 3], [3, 0]]


def squares(n: int) -> tuple[Tensor, Tensor]:
    """Bright squares of 16 to 144 pixels, anywhere in images of 32 x 32; and their shares of these."""
    image, edges = -torch.ones(n, 1, 32, 32), torch.randint(4, 13, (n,))
    for one, edge in zip(image, edges.tolist(), strict=True):
        row, column = torch.randint(0, 33 - edge, (2,)).tolist()
        one[0, row : row + edge, column : column + edge] = 1
    return image, edges.square() / 32**2


def test_the_regressor_learns_how_large_a_square_is():
    """One number for all would be off by 40%."""
    torch.manual_seed(0)
    regressor = SizeRegressor(2, 1, 1, 8)
    optimiser = torch.optim.AdamW(regressor.parameters(), lr=4e-3)
    for _ in range(60):
        image, shares = squares(16)
        optimiser.zero_grad()
        (regressor(image)[:, 0].sqrt() - shares.sqrt()).square().mean().backward()
        optimiser.step()
    image, shares = squares(64)
    assert (regressor(image)[:, 0] - shares).abs().sum() < 0.2 * shares.sum()
