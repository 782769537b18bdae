"""Eqs. (6)-(8): by hand, and beside MONAI."""

import pytest
import torch
from monai.losses.dice import DiceLoss

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.dice import Dice


def certain(label: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits whose softmax is exactly the one-hot of the label."""
    onehot = torch.nn.functional.one_hot(label, classes).movedim(-1, 1).float()
    return (onehot - 1) * 1e4


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 4, 5, 6, generator=generator), torch.randint(4, (3, 5, 6), generator=generator)


@pytest.mark.parametrize("pool", ["batch", "sample"])
def test_two_voxels_by_hand_and_a_third_to_ignore(pool):
    # p = (1/2, 3/4), y = (0, 1): 1 - (2 * 3/4 + 1) / (5/4 + 1 + 1) = 1 - 2.5 / 3.25
    logits = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 3.0, 9.0]]])
    logits[0, 1, 1] = torch.log(torch.tensor(3.0))
    wanted = torch.tensor(1 - 2.5 / 3.25)
    torch.testing.assert_close(Dice(pool=pool)(logits[..., :2], torch.tensor([[0, 1]])), wanted)
    torch.testing.assert_close(Dice(pool=pool)(logits, torch.tensor([[0, 1, IGNORE]])), wanted)


def test_the_mean_is_over_the_foreground_classes():
    # class 1: right, Dice 1. Class 2: one voxel, missed: (0 + 1) / (0 + 1 + 1) = 1/2. Background: no matter.
    logits = certain(torch.tensor([[0, 1, 0]]), 3)
    assert Dice()(logits, torch.tensor([[0, 1, 2]])).item() == pytest.approx(1 - (1 + 0.5) / 2)


def test_a_perfect_prediction_and_an_absent_class_predicted_absent_have_the_loss_0():
    label = torch.randint(3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    for perfect in (label, torch.zeros_like(label)):
        assert Dice()(certain(perfect, 3), perfect).item() == 0.0


def test_smooth_is_added_above_and_below():
    # nothing predicted, nine voxels there: 1 - s / (9 + s)
    label = torch.ones(1, 3, 3, dtype=torch.int64)
    logits = certain(torch.zeros_like(label), 2)
    assert Dice()(logits, label).item() == pytest.approx(0.9)
    assert Dice(smooth=3.0)(logits, label).item() == pytest.approx(0.75)


def test_pooling_by_sample_is_the_mean_of_the_samples(drawn):
    logits, label = drawn
    single = [Dice()(logits[i : i + 1], label[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(Dice(pool="sample")(logits, label), torch.stack(single).mean())
    assert not torch.allclose(Dice()(logits, label), torch.stack(single).mean())


def test_a_sample_without_known_voxels_adds_no_loss():
    label = torch.stack([torch.ones(3, 3, dtype=torch.int64), torch.full((3, 3), IGNORE)])
    logits = certain(torch.zeros_like(label), 2)
    assert Dice(pool="sample")(logits, label).item() == pytest.approx(0.9 / 2)


@pytest.mark.parametrize("pool", ["batch", "sample"])
def test_agrees_with_monai_at_the_same_settings(drawn, pool):
    logits, label = drawn
    monai = DiceLoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        smooth_nr=1.0,
        smooth_dr=1.0,
        batch=pool == "batch",
    )
    torch.testing.assert_close(Dice(pool=pool)(logits, label), monai(logits, label.unsqueeze(1)))
