"""Generalised Dice: by hand, with a class that is absent, and beside MONAI."""

from math import log

import pytest
import torch
from monai.losses.dice import GeneralizedDiceLoss

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.generalised_dice import GeneralisedDice, class_weights


def drawn(classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (3, 5, 6), generator=generator)


def test_four_voxels_by_hand_and_a_fifth_to_ignore():
    # y = (0, 0, 0, 1), foreground p = 1/5, 1/5, 1/5, 1/2: volumes 3 and 1, weights 1/9 and 1
    # background: overlap 12/5, sums 29/10 + 3; foreground: overlap 1/2, sums 11/10 + 1
    wanted = 1 - 2 * (12 / 5 / 9 + 1 / 2) / ((29 / 10 + 3) / 9 + 11 / 10 + 1)
    logits = torch.tensor([[[0.0] * 5, [log(1 / 4)] * 3 + [0.0, 9.0]]])
    label = torch.tensor([[0, 0, 0, 1, IGNORE]])
    assert GeneralisedDice()(logits, label).item() == pytest.approx(wanted)
    assert GeneralisedDice()(logits[..., :4], label[:, :4]).item() == pytest.approx(wanted)


def test_weights_are_the_inverse_squares_of_the_volumes_and_an_absent_class_has_the_largest():
    assert class_weights(torch.tensor([8.0, 0.0, 2.0, 4.0])).tolist() == [1 / 16, 1, 1, 1 / 4]
    assert class_weights(torch.zeros(3)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("present", [4, 3, 1])
def test_agrees_with_monai_where_classes_are_absent_too(present):
    logits, label = drawn(present)
    monai = GeneralizedDiceLoss(to_onehot_y=True, softmax=True, batch=True, smooth_nr=0, smooth_dr=0)
    wanted = monai(logits, label.unsqueeze(1)).double()
    torch.testing.assert_close(GeneralisedDice()(logits, label), wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("present", [4, 1])
def test_a_right_prediction_has_the_loss_0_and_predicting_an_absent_class_costs(present):
    _, label = drawn(present)
    certain = 1e4 * (torch.nn.functional.one_hot(label, 4).movedim(-1, 1).float() - 1)
    assert GeneralisedDice()(certain, label).item() == 0.0
    certain[0, :, 0, 0], certain[0, 3, 0, 0] = -1e4, 0.0
    if present == 1:
        # one voxel of 90 is given to an absent class: (1 + 1) / (89 + 90 + 1), all weights being equal
        assert GeneralisedDice()(certain, label).item() == pytest.approx(2 / 180)


def test_a_missed_rare_voxel_costs_more_than_a_missed_frequent_one():
    label = torch.tensor([[0] * 12 + [1] * 6 + [2] * 2])
    costs = []
    for missed in (12, 18):
        found = label.clone()
        found[0, missed] = 0
        certain = 1e4 * (torch.nn.functional.one_hot(found, 3).movedim(-1, 1).float() - 1)
        costs.append(GeneralisedDice()(certain, label).item())
    # w = 1/144, 1/36, 1/4; the sums of a right prediction are 24, 12 and 4
    frequent = (1 / 144 + 1 / 36) / (25 / 144 + 11 / 36 + 4 / 4)
    rare = (1 / 144 + 1 / 4) / (25 / 144 + 12 / 36 + 3 / 4)
    assert costs == pytest.approx([frequent, rare])


def test_it_notes_how_rare_the_rarest_class_of_the_batch_is():
    labels = [0] + [1] * 5 + [2] * 3 + [3], [0] * 5 + [1] * 4 + [3], [0] * 10  # the second lacks class 2
    noted = [GeneralisedDice().activity(torch.zeros(1, 4, 10), torch.tensor([label])) for label in labels]
    assert [one["rarest_to_largest"].item() for one in noted] == pytest.approx([1 / 5, 0, 1])
