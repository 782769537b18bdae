"""Which pixels the teacher's target counts on, on pixels whose entropy is known."""

from math import exp, log

import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import entropy
from toys import SMALL, in_turn, one_weight, pixels, task

from medseg_lab.semi import noise, ua_mt
from medseg_lab.semi.ua_mt import UAMT

SHARES = (0.3, 0.74, 0.7502, 0.753, 0.76, 0.98, 0.999, 1.0)  # of ln K
KEPT = {0: 3, 7: 6, 8: 7, 9: 7}  # by step of 20; the threshold is .7517, .9923, 1, 1 times ln K


@pytest.fixture
def quiet(monkeypatch):
    """Without noise."""
    monkeypatch.setattr(noise, "NOISE", 0.0)


def probability(logit: float, classes: int = 2) -> float:
    """Of class 1, where the other classes' logits are zero."""
    return exp(logit) / (exp(logit) + classes - 1)


def logit_of(share: float, classes: int) -> float:
    """The logit from 0 up at which the entropy is that share of ln K."""

    def excess(logit: float) -> float:
        one = probability(logit, classes)
        return entropy([one, *[(1 - one) / (classes - 1)] * (classes - 1)]) - share * log(classes)

    return 0.0 if share == 1 else brentq(excess, 0, 30, xtol=1e-12)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("step", "kept"), KEPT.items())
def test_the_loss_is_the_mean_over_the_pixels_below_the_threshold(classes, step, kept, quiet):
    # a teacher with weight 1, a student with weight 1/2, and pixels of the entropies above
    learner = one_weight(UAMT, 0.5, classes, passes=3, ramp=0.4)
    learner.teacher.weight.data.fill_(1.0)
    learner.prepare(20, [])
    logits = [logit_of(share, classes) for share in SHARES]
    uncertainty = learner.uncertainty(pixels(*logits).unlabelled)
    assert uncertainty.shape == (1, 1, len(SHARES))
    assert uncertainty.flatten().tolist() == pytest.approx([s * log(classes) for s in SHARES], abs=1e-5)
    assert int((uncertainty < learner.limit(step)).sum()) == kept
    # of class 1 the two differ by d, of each other class by d / (K - 1)
    apart = [probability(x / 2, classes) - probability(x, classes) for x in logits[:kept]]
    wanted = sum(d**2 * (1 + 1 / (classes - 1)) / classes for d in apart) / kept
    assert learner.consistency_loss(pixels(*logits), step).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_threshold_rises_from_three_quarters_of_the_largest_entropy_to_all_of_it(classes):
    learner = one_weight(UAMT, classes=classes, ramp=0.4)
    learner.prepare(20, [])
    found = [learner.limit(step) / log(classes) for step in (0, 4, 8, 19)]
    assert found == pytest.approx([0.75 + 0.25 * exp(-5), 0.75 + 0.25 * exp(-1.25), 1, 1])


def test_another_threshold_goes_from_its_first_value_to_its_last():
    learner = one_weight(UAMT, ramp=0.4, threshold=(0.1, 0.3))
    learner.prepare(20, [])
    found = [learner.limit(step) / log(2) for step in (0, 4, 8)]
    assert found == pytest.approx([0.1 + 0.2 * exp(-5), 0.1 + 0.2 * exp(-1.25), 0.3])
    with pytest.raises(ValueError, match="UAMT: threshold: expected less than or equal to 1, got"):
        one_weight(UAMT, threshold=(0.5, 1.5))


def test_noted_are_the_share_of_the_pixels_kept_and_what_they_hold_of_the_error(quiet):
    # pixels 3 (kept) and 0.1 (not), student 1/2 and teacher 2
    learner = one_weight(UAMT, 0.5)
    learner.teacher.weight.data.fill_(2.0)
    learner.prepare(10, [])
    learner.consistency_loss(pixels(3.0, 0.1), 0)
    first, second = ((probability(0.5 * x) - probability(2 * x)) ** 2 for x in (3.0, 0.1))
    assert learner.noted["kept"].item() == 0.5
    assert learner.noted["kept_of_error"].item() == pytest.approx(first / (first + second), rel=1e-4)


def test_the_gradient_reaches_the_student_through_what_is_kept_alone(monkeypatch):
    # pixels 3 (kept) and 0.1 (not), student 1/2 and teacher 2: 2 (s - t) s (1 - s) x of the first
    monkeypatch.setattr(ua_mt, "noisy", in_turn(0.1, -0.2, 0.0))
    learner = one_weight(UAMT, 0.5)
    learner.teacher.weight.data.fill_(2.0)
    learner.prepare(10, [])
    loss = learner.consistency_loss(pixels(3.0, 0.1), 0)
    loss.backward()
    s, t = probability(0.5 * 3.1), probability(2 * 2.8)
    assert loss.item() == pytest.approx((s - t) ** 2, rel=1e-4)
    slope = 2 * (s - t) * s * (1 - s) * 3.1
    assert learner.network.weight.grad.item() == pytest.approx(slope, rel=1e-4)
    assert learner.teacher.weight.grad is None


def test_where_nothing_is_kept_loss_and_gradient_are_0(quiet):
    learner = one_weight(UAMT, 0.5, classes=4)
    learner.prepare(10, [])
    for step in (0, 9):
        loss = learner.consistency_loss(pixels(0.0, 0.0, 0.0), step)
        loss.backward()
        assert loss.item() == learner.network.weight.grad.item() == 0.0


def test_passes_are_averaged_before_the_entropy(monkeypatch):
    """Passes that are each certain, but of another class, give an uncertain mean; of each image apart."""
    image = torch.tensor([0.0, 40.0]).view(2, 1, 1, 1)
    apart = torch.tensor([40.0, 0.0, -40.0, 0.0, 40.0, 0.0, -40.0, 0.0]).view(8, 1, 1, 1)  # (T N, ...)
    monkeypatch.setattr(ua_mt, "noisy", in_turn(apart))
    learner = one_weight(UAMT, passes=4)
    learner.teacher.weight.data.fill_(1.0)
    assert learner.uncertainty(image).flatten().tolist() == pytest.approx([log(2), 0.0], abs=1e-6)


@pytest.mark.parametrize(("arguments", "passes"), [({"passes": 1}, 1), ({"passes": 2}, 2), ({}, 8)])
def test_the_teacher_predicts_as_often_as_asked_each_time_under_new_noise(arguments, passes):
    learner, seen = one_weight(UAMT, **arguments), []
    learner.teacher.register_forward_pre_hook(lambda module, given: seen.extend(given[0]))
    image = torch.tensor([[[[1.0, 2.0]]], [[[-1.0, 0.5]]]], requires_grad=True)
    torch.manual_seed(0)
    found = learner.uncertainty(image)
    assert len({tuple(view.flatten().tolist()) for view in seen}) == len(seen) == passes * 2
    mean = (0.5 * torch.stack(seen).view(passes, 2, 1, 2)).sigmoid().mean(0)
    torch.testing.assert_close(found, -(mean * mean.log() + (1 - mean) * (1 - mean).log()))
    assert not found.requires_grad


def test_each_pass_has_dropout_of_its_own(quiet):
    torch.manual_seed(0)
    learner, image = UAMT(task(2), network=SMALL, passes=64), torch.randn(1, 1, 8, 8)
    found = learner.uncertainty(image)
    passes = torch.stack([learner.teacher_probabilities(image) for _ in range(512)])
    mean = passes.mean(0)
    torch.testing.assert_close(found, -(mean * mean.log()).sum(1), atol=0.05, rtol=0)
    assert passes.var(0).max() > 1e-4
    assert not torch.equal(found, learner.uncertainty(image))


def test_the_target_is_one_pass_of_the_teacher_not_the_mean(monkeypatch):
    """Student, target, then the T passes: only the second noise is the target's."""
    monkeypatch.setattr(ua_mt, "noisy", in_turn(0.0, 1.0, torch.full((3, 1, 1, 1), 5.0)))
    learner = one_weight(UAMT, 0.5, passes=3, ramp=0.4)
    learner.prepare(10, [])
    wanted = (probability(0.5 * 4) - probability(0.5 * 5)) ** 2
    assert learner.consistency_loss(pixels(4.0), 9).item() == pytest.approx(wanted, rel=1e-4)


def test_no_pass_is_refused():
    with pytest.raises(ValueError, match="UAMT: passes: expected greater than or equal to 1, got 0"):
        one_weight(UAMT, passes=0)
