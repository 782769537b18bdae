"""Which pixels the teacher is heeded on, on pixels whose entropy is known."""

from math import exp, log

import pytest
import torch
from toys import SMALL, in_turn, one_weight, pixels, task

from medseg_lab.semi import noise, ua_mt
from medseg_lab.semi.ua_mt import UAMT

SHARES = (0.3, 0.74, 0.7502, 0.753, 0.76, 0.98, 0.999, 1.0)  # of ln K
KEPT = {0: 3, 7: 6, 8: 7, 9: 7}  # by step of 20; the threshold is .7517, .9923, 1, 1 times ln K


def probability(logit: float, classes: int) -> float:
    """Of class 1, where the other classes' logits are zero."""
    return exp(logit) / (exp(logit) + classes - 1)


def entropy_share(logit: float, classes: int) -> float:
    one = probability(logit, classes)
    rest = (1 - one) / (classes - 1)
    return -(one * log(one) + (1 - one) * log(rest)) / log(classes)


def logit_of(share: float, classes: int) -> float:
    """The logit from 0 up at which the entropy is that share of ln K: it falls as the logit rises."""
    low, high = 0.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy_share(middle, classes) > share else (low, middle)
    return 0.0 if share == 1 else low


def teacher_of_known_doubt(classes: int) -> tuple[UAMT, tuple[float, ...]]:
    """A teacher with weight 1, a student with weight 1/2, and pixels of the entropies above."""
    learner = one_weight(UAMT, 0.5, classes, passes=3, ramp=0.4)
    learner.teacher.weight.data.fill_(1.0)
    learner.prepare(20, [])
    return learner, tuple(logit_of(share, classes) for share in SHARES)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("step", "kept"), KEPT.items())
def test_the_mask_counts_pixels_as_the_threshold_says(classes, step, kept, monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner, logits = teacher_of_known_doubt(classes)
    image = pixels(*logits).unlabelled
    doubt = learner.uncertainty(image)
    assert doubt.shape == (1, 1, len(SHARES))
    assert doubt.flatten().tolist() == pytest.approx([s * log(classes) for s in SHARES], abs=1e-5)
    assert int((doubt < learner.threshold(step)).sum()) == kept


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("step", "kept"), KEPT.items())
def test_the_loss_is_the_mean_over_what_is_kept(classes, step, kept, monkeypatch):
    # of class 1 the two differ by d, of each other class by d / (K - 1)
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner, logits = teacher_of_known_doubt(classes)
    apart = [probability(x / 2, classes) - probability(x, classes) for x in logits[:kept]]
    wanted = sum(d**2 * (1 + 1 / (classes - 1)) / classes for d in apart) / kept
    assert learner.disagreement(pixels(*logits), step).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_threshold_rises_from_three_quarters_of_the_largest_entropy_to_all_of_it(classes):
    learner = one_weight(UAMT, classes=classes, ramp=0.4)
    learner.prepare(20, [])
    found = [learner.threshold(step) / log(classes) for step in (0, 4, 8, 19)]
    assert found == pytest.approx([0.75 + 0.25 * exp(-5), 0.75 + 0.25 * exp(-1.25), 1, 1])


def test_the_gradient_reaches_the_student_through_what_is_kept_alone(monkeypatch):
    # pixels 3 (kept) and 0.1 (not), student 1/2 and teacher 2: 2 (s - t) s (1 - s) x of the first
    monkeypatch.setattr(ua_mt, "noisy", in_turn(0.1, -0.2, 0.0))
    learner = one_weight(UAMT, 0.5, weight=10.0, ramp=1.0)
    learner.teacher.weight.data.fill_(2.0)
    learner.prepare(10, [])
    term = learner.unsupervised(pixels(3.0, 0.1), 0)["consistency"]
    term.backward()
    s, t = probability(0.5 * 3.1, 2), probability(2 * 2.8, 2)
    assert term.item() == pytest.approx(10 * exp(-5) * (s - t) ** 2, rel=1e-4)
    slope = 10 * exp(-5) * 2 * (s - t) * s * (1 - s) * 3.1
    assert learner.network.weight.grad.item() == pytest.approx(slope, rel=1e-4)
    assert slope < 0
    assert learner.teacher.weight.grad is None


@pytest.mark.parametrize("classes", [2, 4])
def test_nothing_kept_is_no_loss_and_no_gradient(classes, monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner = one_weight(UAMT, 0.5, classes)
    learner.prepare(10, [])
    for step in (0, 9):
        loss = learner.disagreement(pixels(0.0, 0.0, 0.0), step)
        loss.backward()
        assert loss.item() == 0.0
        assert learner.network.weight.grad.item() == 0.0


def test_passes_are_averaged_before_the_entropy(monkeypatch):
    """Passes that are each sure, but not of the same, leave the mean undecided; of each image apart."""
    image = torch.tensor([0.0, 40.0]).view(2, 1, 1, 1)
    apart = torch.tensor([40.0, 0.0, -40.0, 0.0, 40.0, 0.0, -40.0, 0.0]).view(8, 1, 1, 1)  # (T N, ...)
    monkeypatch.setattr(ua_mt, "noisy", in_turn(apart))
    learner = one_weight(UAMT, passes=4)
    learner.teacher.weight.data.fill_(1.0)
    assert learner.uncertainty(image).flatten().tolist() == pytest.approx([log(2), 0.0], abs=1e-6)


@pytest.mark.parametrize("passes", [1, 2, 8])
def test_the_teacher_looks_as_often_as_asked_each_time_under_new_noise(passes):
    learner, seen = one_weight(UAMT, passes=passes), []
    learner.teacher.register_forward_pre_hook(lambda module, given: seen.extend(given[0]))
    image = torch.tensor([[[[1.0, 2.0]]], [[[-1.0, 0.5]]]], requires_grad=True)
    torch.manual_seed(0)
    found = learner.uncertainty(image)
    assert len(seen) == passes * 2
    assert len({tuple(view.flatten().tolist()) for view in seen}) == passes * 2
    mean = (0.5 * torch.stack(seen).view(passes, 2, 1, 2)).sigmoid().mean(0)
    torch.testing.assert_close(found, -(mean * mean.log() + (1 - mean) * (1 - mean).log()))
    assert not found.requires_grad


def test_each_pass_has_dropout_of_its_own(monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    torch.manual_seed(0)
    learner, image = UAMT(task(2), SMALL, passes=64), torch.randn(1, 1, 8, 8)
    found, passes = learner.uncertainty(image), torch.stack([learner.taught(image) for _ in range(512)])
    mean = passes.mean(0)
    wanted = -(mean * mean.log()).sum(1)
    torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)
    assert passes.var(0).max() > 1e-4
    assert not torch.equal(found, learner.uncertainty(image))


def test_the_target_is_one_pass_of_the_teacher_not_the_mean(monkeypatch):
    """Student, target, then the T passes: only the second noise is the target's."""
    monkeypatch.setattr(ua_mt, "noisy", in_turn(0.0, 1.0, torch.full((3, 1, 1, 1), 5.0)))
    learner = one_weight(UAMT, 0.5, passes=3, ramp=0.4)
    learner.prepare(10, [])
    wanted = (probability(0.5 * 4, 2) - probability(0.5 * 5, 2)) ** 2
    assert learner.disagreement(pixels(4.0), 9).item() == pytest.approx(wanted, rel=1e-4)


def test_no_pass_is_refused():
    with pytest.raises(ValueError, match="passes: got 0, wanted 1 or more"):
        one_weight(UAMT, passes=0)
    assert one_weight(UAMT).passes == 8
