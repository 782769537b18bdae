"""The Pi-model on a single pixel, by calculus."""

import pytest
import torch
from scipy.special import expit as sigmoid
from toys import SMALL, in_turn, one_weight, pixels, task

from medseg_lab.semi import noise, pi_model
from medseg_lab.semi.pi_model import PiModel


@pytest.mark.parametrize(("w", "x", "eta"), [(0.5, 1.0, (0.1, -0.2)), (-1.5, 0.4, (-0.2, 0.15))])
def test_the_gradient_flows_through_both_passes(w, x, eta, monkeypatch):
    # L = (s(w x1) - s(w x2))^2, dL/dw = 2 (s1 - s2) (s1' x1 - s2' x2), s' = s (1 - s)
    monkeypatch.setattr(pi_model, "noisy", in_turn(*eta))
    learner = one_weight(PiModel, w)
    loss = learner.consistency_loss(pixels(x), 0)
    loss.backward()
    x1, x2 = (x + e for e in eta)
    s1, s2 = sigmoid(w * x1), sigmoid(w * x2)
    assert loss.item() == pytest.approx((s1 - s2) ** 2, rel=1e-4)
    slope = 2 * (s1 - s2) * (s1 * (1 - s1) * x1 - s2 * (1 - s2) * x2)
    assert learner.network.weight.grad.item() == pytest.approx(slope, rel=1e-4)


def test_each_pass_has_noise_and_dropout_of_its_own(monkeypatch):
    torch.manual_seed(0)
    assert one_weight(PiModel).consistency_loss(pixels(1.0, 2.0), 0) > 0
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner, batch = PiModel(task(2), network=SMALL), pixels(*range(8))
    assert learner.consistency_loss(batch, 0) > 0
    assert learner.eval().consistency_loss(batch, 0) == 0
