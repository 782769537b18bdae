"""A sum of losses."""

import pytest
import torch
from test_losses import drawn

from medseg_lab.losses.compound import Compound
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice, DiceCE
from medseg_lab.training.notation import parse, written


def test_weights_count_and_are_1_by_default():
    logits, label = drawn(2, 4, 4)
    dice, ce = Dice()(logits, label), CrossEntropy()(logits, label)
    torch.testing.assert_close(Compound([Dice(), CrossEntropy()])(logits, label), DiceCE()(logits, label))
    torch.testing.assert_close(
        Compound([Dice(), CrossEntropy()], [0.5, 3])(logits, label), 0.5 * dice + 3 * ce
    )
    with pytest.raises(ValueError, match="weights: expected 2, one for each loss, got 1"):
        Compound([Dice(), CrossEntropy()], [1])
    with pytest.raises(ValueError, match="losses: expected one or more, got none"):
        Compound([])


def test_it_is_a_recipe():
    text = "Compound(losses=[Dice(), monai.losses.BoundaryLoss()], weights=[1.0, 0.1])"
    assert written(parse(text)) == text
    assert isinstance(parse(text).build().losses[0], Dice)
