"""Eq. (5) in its correct form, beside cross-entropy and MONAI, and the share of easy negatives."""

from math import log

import pytest
import torch
from monai.losses.focal_loss import FocalLoss

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.focal import Focal, easy_share
from medseg_lab.training.notation import parse


def logits_of(*p: float) -> torch.Tensor:
    """Two-class logits `(1, 2, n)` whose foreground probability is p."""
    foreground = torch.tensor([log(x / (1 - x)) for x in p])
    return torch.stack([torch.zeros(len(p)), foreground]).unsqueeze(0)


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(4, (3, 5, 6), generator=generator)
    label[0, :2] = IGNORE
    return (3 * torch.randn(3, 4, 5, 6, generator=generator)).requires_grad_(), label


def test_two_voxels_by_hand_with_the_parentheses_and_a_third_to_ignore():
    wanted = -(0.2**2 * log(0.8) + 0.3**2 * log(0.7)) / 2
    found = Focal()(logits_of(0.8, 0.3, 0.9), torch.tensor([[1, 0, IGNORE]]))
    assert found.item() == pytest.approx(wanted, rel=1e-5)
    root = -(0.2**0.5 * log(0.8) + 0.3**0.5 * log(0.7)) / 2
    assert Focal(gamma=0.5)(logits_of(0.8, 0.3), torch.tensor([[1, 0]])).item() == pytest.approx(root)


def test_as_printed_a_confident_false_alarm_would_be_rewarded():
    mild, bold = (Focal()(logits_of(p), torch.tensor([[0]])) for p in (0.2, 0.9))
    assert bold > mild
    assert 0.9**2 * log(1 - 0.9) < 0.2**2 * log(1 - 0.2)  # the printed second term, which would be minimised


def test_gamma_0_is_cross_entropy_to_the_last_bit(drawn):
    logits, label = drawn
    values = [loss(logits, label) for loss in (Focal(gamma=0.0), CrossEntropy())]
    assert torch.equal(*values)
    assert torch.equal(*(torch.autograd.grad(value, logits)[0] for value in values))


@pytest.mark.parametrize("gamma", [1.0, 2.0, 3.5])
def test_agrees_with_monai_which_divides_by_the_classes_too(drawn, gamma):
    logits, label = drawn[0], drawn[1] % 4  # all known
    monai = FocalLoss(gamma=gamma, to_onehot_y=True, use_softmax=True)
    torch.testing.assert_close(Focal(gamma=gamma)(logits, label), 4 * monai(logits, label.unsqueeze(1)))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_voxel_that_is_certain_and_right_has_a_gradient_of_0(gamma):
    logits = torch.tensor([[[200.0], [-200.0]]], requires_grad=True)
    Focal(gamma=gamma)(logits, torch.tensor([[0]])).backward()
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_negative_gamma_is_refused():
    with pytest.raises(ValueError, match=r"gamma: expected 0 or more, got -1"):
        Focal(gamma=-1)


def test_the_share_of_easy_negatives_by_hand():
    # sizes 1 - p of the true class: two easy negatives .05 and .05, one hard .4, one positive .5
    logits, label = logits_of(0.05, 0.05, 0.4, 0.5, 0.01), torch.tensor([[0, 0, 0, 1, IGNORE]])
    assert easy_share(logits, label).item() == pytest.approx(0.1 / 1.0, rel=1e-5)
    assert easy_share(logits, label, easy=0.41).item() == pytest.approx(0.5, rel=1e-5)
    assert easy_share(logits, torch.full((1, 5), IGNORE)) == 0


def test_the_share_is_that_of_the_gradient_that_autograd_finds(drawn):
    logits, label = drawn
    (gradient,) = torch.autograd.grad(CrossEntropy()(logits, label), logits)
    size, p = gradient.abs().sum(1), logits.softmax(1)[:, 0]
    wanted = size[(label == 0) & (p > 0.9)].sum() / size.sum()
    assert 0 < wanted < 1
    torch.testing.assert_close(easy_share(logits, label), wanted)
    assert Focal().activity(logits, label) == {"easy_negatives": easy_share(logits, label)}


def test_a_training_notes_the_share():
    learner = parse("Supervised(network=UNet(), loss=Focal())").build(Task(1, ("background", "a"), 2))
    image, label = torch.randn(2, 1, 16, 16), torch.randint(2, (2, 16, 16))
    learner.losses(Batch(image, label), 0)
    wanted = easy_share(learner.network(image), label, easy=0.1)
    torch.testing.assert_close(learner.noted["easy_negatives"], wanted)
