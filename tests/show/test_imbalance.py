"""What losses make of rare classes: shares of the gradient, draws of voxels, and what comes of them."""

import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice
from medseg_lab.losses.focal import Focal, easy_share
from medseg_lab.show.explorer import frame
from medseg_lab.show.imbalance import FOREGROUND, draw_voxels, features, gradient_shares, imbalance, outcome
from tests.show.legible import assert_legible


def case(name: str, dims: int = 3) -> Case:
    generator = torch.Generator().manual_seed(len(name))
    label = torch.zeros(1, *(20, 18, 6)[:dims], dtype=torch.uint8)
    label[0, 4:12, 5:13] = 1
    label[0, 0, 0] = IGNORE
    image = torch.randn(1, *label.shape[1:], generator=generator) + 2 * (label == 1)
    return Case(name, name, image, label, (1.0,) * dims)


def test_shares_of_the_gradient_by_hand():
    # errors of the true class: .5 on the foreground; .05, .05 on easy and .4 on difficult background
    p = torch.tensor([0.5, 0.05, 0.05, 0.4]).double()
    logits, label = torch.stack([torch.zeros(4).double(), p.logit()])[None], torch.tensor([[1, 0, 0, 0]])
    assert gradient_shares(CrossEntropy(), logits, label) == pytest.approx((0.5, 0.4, 0.1))
    assert gradient_shares(CrossEntropy(), logits, label)[2] == pytest.approx(
        easy_share(logits, label).item()
    )
    assert gradient_shares(Focal(), logits, label)[2] < 0.01


@pytest.mark.parametrize("dims", [2, 3])
def test_drawn_are_so_many_voxels_of_each_kind(dims):
    one = case("a", dims)
    seen = {"a": features(one)}
    x, y = draw_voxels([one], seen, 7, seed=0)
    assert x.shape == (1, 2, 8 * FOREGROUND)
    assert y.sum() == FOREGROUND
    marked = set(one.image[0][one.label == 1].tolist())
    assert {value in marked for value in x[0, 0, y[0] == 1].tolist()} == {True}
    assert {value in marked for value in x[0, 0, y[0] == 0].tolist()} == {False}
    inner = one.image[0][6:11, 7:12] if dims == 2 else one.image[0][6:11, 7:12, 1:6]
    assert seen["a"][1][(8, 9, 3)[:dims]] == pytest.approx(inner.mean().item(), abs=1e-5)
    empty = Case("b", "b", one.image, torch.zeros_like(one.labels), None)
    with pytest.raises(ValueError, match="case b: expected one with a foreground, got none"):
        draw_voxels([empty], {"b": features(empty)}, 1, seed=0)


def test_where_intensities_overlap_cross_entropy_gives_up_what_is_rare_and_dice_does_not():
    torch.manual_seed(0)
    y = (torch.arange(4040) < 40).long()[None]
    x, new = (torch.randn(1, 1, 4040) + y for _ in range(2))  # a shift by one standard deviation
    # p = 1/2 at x = 1/2 + ln 100: a Dice near 0
    assert outcome(CrossEntropy(), x, y, new, y).dice < 0.05
    assert outcome(Dice(), x, y, new, y).dice > 0.1


def test_the_figure_shows_each_loss_and_moves():
    losses = {"cross-entropy": CrossEntropy(), "Dice": Dice()}
    draw = imbalance([case("a"), case("bb")], case("ccc"), losses, ratios=(1, 20))
    assert_legible(draw(1))
    few, many = frame(draw(1)), frame(draw(20))
    assert few.data != many.data
    assert many.alt.startswith("20 voxels of background for one of the foreground. Dice by loss")
