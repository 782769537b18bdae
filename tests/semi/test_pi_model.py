"""The Pi-model on a single pixel, by calculus."""

from math import exp

import pytest
import torch
from torch import nn
from toys import SMALL, in_turn, one_weight, pixels, task

from medseg_lab.semi import noise, pi_model
from medseg_lab.semi.pi_model import PiModel


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


@pytest.mark.parametrize(("w", "x", "eta"), [(0.5, 1.0, (0.1, -0.2)), (-1.5, 0.4, (-0.2, 0.15))])
def test_the_gradient_flows_through_both_passes(w, x, eta, monkeypatch):
    # L = (s(w x1) - s(w x2))^2, dL/dw = 2 (s1 - s2) (s1' x1 - s2' x2), s' = s (1 - s)
    monkeypatch.setattr(pi_model, "noisy", in_turn(*eta))
    learner = one_weight(PiModel, w)
    loss = learner.disagreement(pixels(x), 0)
    loss.backward()
    x1, x2 = (x + e for e in eta)
    s1, s2 = sigmoid(w * x1), sigmoid(w * x2)
    assert loss.item() == pytest.approx((s1 - s2) ** 2, rel=1e-4)
    slope = 2 * (s1 - s2) * (s1 * (1 - s1) * x1 - s2 * (1 - s2) * x2)
    assert learner.network.weight.grad.item() == pytest.approx(slope, rel=1e-4)


def test_the_weighted_term_pulls_the_two_passes_together(monkeypatch):
    # w = 1/2: the foregrounds of 2 +- 0.2 differ less, the nearer w is to 0
    monkeypatch.setattr(pi_model, "noisy", in_turn(0.2, -0.2))
    learner = one_weight(PiModel, 0.5, weight=10.0, ramp=0.4)
    learner.prepare(10, [])
    term = learner.unsupervised(pixels(2.0), 9)["consistency"]
    term.backward()
    s1, s2 = sigmoid(1.1), sigmoid(0.9)
    slope = 10 * 2 * (s1 - s2) * (s1 * (1 - s1) * 2.2 - s2 * (1 - s2) * 1.8)
    assert learner.network.weight.grad.item() == pytest.approx(slope, rel=1e-4)


def test_each_pass_has_noise_of_its_own():
    learner = one_weight(PiModel)
    torch.manual_seed(0)
    assert learner.disagreement(pixels(1.0, 2.0), 0) > 0


def test_each_pass_has_dropout_of_its_own(monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    torch.manual_seed(0)
    learner, batch = PiModel(task(2), SMALL), pixels(*range(8))
    assert learner.disagreement(batch, 0) > 0
    assert learner.eval().disagreement(batch, 0) == 0
    assert any(isinstance(m, nn.Dropout2d) for m in learner.modules())
