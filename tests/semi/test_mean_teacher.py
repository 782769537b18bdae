"""Mean Teacher on a single pixel, by calculus."""

from math import exp

import pytest
import torch
from toys import in_turn, one_weight, pixels

from medseg_lab.semi import mean_teacher, noise
from medseg_lab.semi.mean_teacher import MeanTeacher


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


@pytest.mark.parametrize(("w", "v"), [(0.5, 2.0), (2.0, 0.5), (-1.0, 0.3)])
def test_the_gradient_pulls_the_student_to_the_teacher(w, v, monkeypatch):
    # L = (s(w x) - s(v x'))^2, dL/dw = 2 (s - t) s (1 - s) x
    monkeypatch.setattr(mean_teacher, "noisy", in_turn(0.1, -0.2))
    learner = one_weight(MeanTeacher, w, weight=10.0, ramp=0.4)
    learner.teacher.weight.data.fill_(v)
    learner.prepare(10, [])
    term = learner.unsupervised(pixels(1.5), 9)["consistency"]
    term.backward()
    s, t = sigmoid(w * 1.6), sigmoid(v * 1.3)
    assert term.item() == pytest.approx(10 * (s - t) ** 2, rel=1e-4)
    slope = learner.network.weight.grad.item()
    assert slope == pytest.approx(10 * 2 * (s - t) * s * (1 - s) * 1.6, rel=1e-4)
    assert (slope > 0) == (w > v)
    assert learner.teacher.weight.grad is None


def test_who_agrees_has_no_loss_without_noise(monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    assert one_weight(MeanTeacher).disagreement(pixels(1.0, -2.0), 0) == 0


def test_student_and_teacher_have_noise_of_their_own():
    torch.manual_seed(0)
    assert one_weight(MeanTeacher).disagreement(pixels(1.0, -2.0), 0) > 0
