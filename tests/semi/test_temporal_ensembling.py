"""Temporal ensembling on rows of pixels, and what its memory costs afterwards: nothing."""

from math import exp

import numpy as np
import pytest
from safetensors import safe_open
from toys import SMALL, VOXELWISE, in_turn, one_weight, pixels, task, tiny_budget, tiny_cohort, trained

from medseg_lab.data.view import View
from medseg_lab.semi import noise, temporal_ensembling
from medseg_lab.semi.temporal_ensembling import TemporalEnsembling
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def on_a_row(length: int = 3, w: float = 0.5, **arguments) -> TemporalEnsembling:
    learner = one_weight(TemporalEnsembling, w, **arguments)
    learner.prepare(10, [(1, length)])
    return learner


def test_what_has_no_past_does_not_count(monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner = on_a_row()
    loss = learner.disagreement(pixels(1.0, 2.0, 3.0), 0)
    loss.backward()
    assert loss.item() == 0.0
    assert learner.network.weight.grad.item() == 0.0


def test_the_target_is_the_corrected_mean_of_the_past(monkeypatch):
    """Three weights in turn on one pixel; the present comes into the memory after it was compared."""
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner, z = on_a_row(1, momentum=0.6), 0.0
    for step, weight in enumerate((0.5, -1.0, 2.0, 0.0)):
        learner.network.weight.data.fill_(weight)
        now = sigmoid(1.5 * weight)
        wanted = (now - z / (1 - 0.6**step)) ** 2 if step else 0.0
        assert learner.disagreement(pixels(1.5), step).item() == pytest.approx(wanted, abs=2e-3)
        z = 0.6 * z + 0.4 * now
        assert learner.memory.mean0[1].item() == pytest.approx(z, abs=1e-3)


@pytest.mark.parametrize(("before", "now"), [(0.5, 2.0), (2.0, 0.5)])
def test_the_gradient_pulls_the_prediction_to_its_past(before, now, monkeypatch):
    # L = (s(w x) - Z / (1 - a))^2 after one look, dL/dw = 2 (s - z) s (1 - s) x; the past is held fast
    monkeypatch.setattr(temporal_ensembling, "noisy", in_turn(-0.1, 0.2))
    learner = on_a_row(1, before, weight=10.0, ramp=0.4)
    learner.disagreement(pixels(1.0), 0)
    learner.network.weight.data.fill_(now)
    term = learner.unsupervised(pixels(1.0), 9)["consistency"]
    term.backward()
    s, z = sigmoid(now * 1.2), sigmoid(before * 0.9)
    assert term.item() == pytest.approx(10 * (s - z) ** 2, rel=2e-2)
    slope = learner.network.weight.grad.item()
    assert slope == pytest.approx(10 * 2 * (s - z) * s * (1 - s) * 1.2, rel=2e-2)
    assert (slope > 0) == (now > before)


def test_a_pixel_without_a_past_adds_nothing_to_the_mean_over_all(monkeypatch):
    """Pixels 0 and 1 were seen, then 1 and 2 are: of these two only pixel 1 has a past."""
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner = on_a_row(3, 0.5)
    learner.disagreement(pixels(1.0, 2.0), 0)
    learner.network.weight.data.fill_(1.0)
    later = pixels(2.0, 3.0)._replace(views=View.plain([0], [[0, 1]], (1, 2)))
    wanted = (sigmoid(2.0) - sigmoid(1.0)) ** 2 / 2
    assert learner.disagreement(later, 1).item() == pytest.approx(wanted, abs=1e-3)
    assert learner.memory.times0.tolist() == [[1, 2, 1]]


def test_a_patch_that_comes_back_mirrored_agrees_with_its_past(monkeypatch):
    monkeypatch.setattr(noise, "NOISE", 0.0)
    learner = on_a_row(3, 0.5)
    learner.disagreement(pixels(1.0, 2.0, 3.0), 0)
    mirrored = View([0], [[0, 0]], (1, 3), np.eye(2)[None], np.array([[False, True]]))
    back = pixels(3.0, 2.0, 1.0)._replace(views=mirrored)
    assert learner.disagreement(back, 1).item() < 1e-6
    assert learner.disagreement(pixels(3.0, 2.0, 1.0), 2).item() > 1e-2


def test_the_memory_is_of_every_unlabelled_case_and_a_training_fills_it(tmp_path):
    cohort = tiny_cohort(3, 3)
    target = recipe(TemporalEnsembling, network=SMALL, spatial_dims=2, momentum=0.5)
    learner, curves = trained(target, cohort, tmp_path)
    assert learner.memory.shapes == ((8, 10, 9),) * 3  # slices lie across the last axis, which comes first
    assert (learner.memory.classes, learner.memory.momentum) == (3, 0.5)
    seen = sum(int(getattr(learner.memory, f"times{case}").sum()) for case in range(3))
    assert 0.5 * 4 * 24 * 64 < seen <= 4 * 24 * 64  # 4 steps of 24 slices, of which some were turned
    assert curves.rows[-1]["consistency"] > 0


def test_the_memory_is_not_part_of_a_run(tmp_path):
    target = recipe(TemporalEnsembling, network=SMALL)
    run = fit(target, tiny_cohort(3, 3), tiny_budget(), 0, store=RunStore(tmp_path), progress=False)
    with safe_open(run.folder / "weights.safetensors", "pt") as weights:
        names = set(weights.keys())
    assert names
    assert {name.partition(".")[0] for name in names} == {"network"}
    assert run.learner().memory is None


def test_a_learner_that_was_not_prepared_or_has_no_views_is_refused():
    learner, batch = one_weight(TemporalEnsembling), pixels(1.0)
    for wrong in (batch, batch._replace(views=None)):
        with pytest.raises(ValueError, match="memory: got none, or a batch without views"):
            learner.disagreement(wrong, 0)
        learner.prepare(10, [(1, 1)])


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5])
def test_a_momentum_that_forgets_all_or_nothing_is_refused(momentum):
    with pytest.raises(ValueError, match=f"momentum: got {momentum}, wanted 0 or more, and less than 1"):
        TemporalEnsembling(task(2), VOXELWISE, momentum=momentum)
