"""Eq. (4) in its correct form."""

from math import log

import pytest
import torch

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.cross_entropy import CrossEntropy


def logits_of(*p: float) -> torch.Tensor:
    """Two-class logits `(1, 2, n)` whose foreground probability is p."""
    foreground = torch.tensor([log(x / (1 - x)) for x in p])
    return torch.stack([torch.zeros(len(p)), foreground]).unsqueeze(0)


def test_two_classes_by_hand_with_the_parentheses():
    loss = CrossEntropy()(logits_of(0.8, 0.3), torch.tensor([[1, 0]]))
    assert loss.item() == pytest.approx(-(log(0.8) + log(0.7)) / 2, rel=1e-6)


def test_as_printed_a_confident_false_alarm_would_be_rewarded():
    mild, bold = (CrossEntropy()(logits_of(p), torch.tensor([[0]])) for p in (0.2, 0.9))
    assert bold > mild
    assert log(1 - 0.9) < log(1 - 0.2)  # the printed second term, which would be minimised


def test_equal_probabilities_cost_log_k():
    label = torch.randint(5, (2, 3, 3, 3), generator=torch.Generator().manual_seed(0))
    assert CrossEntropy()(torch.zeros(2, 5, 3, 3, 3), label).item() == pytest.approx(log(5), rel=1e-6)


def test_agrees_with_pytorch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 3, 3, generator=generator)
    label = torch.randint(4, (2, 3, 3, 3), generator=generator)
    torch.testing.assert_close(
        CrossEntropy()(logits, label), torch.nn.functional.cross_entropy(logits, label)
    )


def test_voxels_to_ignore_are_left_out_by_hand():
    label = torch.tensor([[1, IGNORE, 0, IGNORE]])
    loss = CrossEntropy()(logits_of(0.8, 0.01, 0.3, 0.99), label)
    assert loss.item() == pytest.approx(-(log(0.8) + log(0.7)) / 2, rel=1e-6)
