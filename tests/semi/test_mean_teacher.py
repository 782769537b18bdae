"""Mean Teacher on a single pixel, by calculus."""

import pytest
import torch
from scipy.special import expit as sigmoid
from toys import in_turn, one_weight, pixels

from medseg_lab.semi import mean_teacher, noise
from medseg_lab.semi.mean_teacher import MeanTeacher


@pytest.mark.parametrize(("w", "v"), [(0.5, 2.0), (2.0, 0.5), (-1.0, 0.3)])
def test_the_gradient_pulls_the_student_to_the_teacher(w, v, monkeypatch):
    # L = (s(w x) - s(v x'))^2, dL/dw = 2 (s - t) s (1 - s) x
    monkeypatch.setattr(mean_teacher, "noisy", in_turn(0.1, -0.2))
    learner = one_weight(MeanTeacher, w)
    learner.teacher.weight.data.fill_(v)
    loss = learner.consistency_loss(pixels(1.5), 9)
    loss.backward()
    s, t = sigmoid(w * 1.6), sigmoid(v * 1.3)
    assert loss.item() == pytest.approx((s - t) ** 2, rel=1e-4)
    slope = learner.network.weight.grad.item()
    assert slope == pytest.approx(2 * (s - t) * s * (1 - s) * 1.6, rel=1e-4)
    assert (slope > 0) == (w > v)
    assert learner.teacher.weight.grad is None


def test_student_and_teacher_have_noise_of_their_own_and_without_it_agree(monkeypatch):
    torch.manual_seed(0)
    assert one_weight(MeanTeacher).consistency_loss(pixels(1.0, -2.0), 0) > 0
    monkeypatch.setattr(noise, "NOISE", 0.0)
    assert one_weight(MeanTeacher).consistency_loss(pixels(1.0, -2.0), 0) == 0
