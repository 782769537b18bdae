"""Temporal ensembling on rows of pixels, and its memory, which is not part of a run."""

import numpy as np
import pytest
from safetensors import safe_open
from scipy.special import expit as sigmoid
from toys import SMALL, in_turn, one_weight, pixels, tiny_budget, tiny_cohort, trained

from medseg_lab.data.view import View
from medseg_lab.semi import noise, temporal_ensembling
from medseg_lab.semi.temporal_ensembling import TemporalEnsembling
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore


@pytest.fixture
def quiet(monkeypatch):
    """Without noise."""
    monkeypatch.setattr(noise, "NOISE", 0.0)


def on_a_row(length: int = 3, w: float = 0.5, **arguments) -> TemporalEnsembling:
    learner = one_weight(TemporalEnsembling, w, **arguments)
    learner.prepare(10, [(1, length)])
    return learner


def test_the_target_is_the_corrected_mean_of_the_past(quiet):
    """Three weights in turn on one pixel; the present enters the memory after it was compared."""
    learner, z = on_a_row(1, momentum=0.6), 0.0
    for step, weight in enumerate((0.5, -1.0, 2.0, 0.0)):
        learner.network.weight.data.fill_(weight)
        now = sigmoid(1.5 * weight)
        wanted = (now - z / (1 - 0.6**step)) ** 2 if step else 0.0  # without a past it does not count
        assert learner.consistency_loss(pixels(1.5), step).item() == pytest.approx(wanted, abs=2e-3)
        z = 0.6 * z + 0.4 * now
        assert learner.memory.mean0[1].item() == pytest.approx(z, abs=1e-3)


@pytest.mark.parametrize(("before", "now"), [(0.5, 2.0), (2.0, 0.5)])
def test_the_gradient_pulls_the_prediction_to_its_past(before, now, monkeypatch):
    # L = (s(w x) - Z / (1 - a))^2 after one prediction, dL/dw = 2 (s - z) s (1 - s) x; the past is constant
    monkeypatch.setattr(temporal_ensembling, "noisy", in_turn(-0.1, 0.2))
    learner = on_a_row(1, before)
    first = learner.consistency_loss(pixels(1.0), 0)
    first.backward()
    assert first.item() == learner.network.weight.grad.item() == 0.0
    learner.network.weight.data.fill_(now)
    loss = learner.consistency_loss(pixels(1.0), 9)
    loss.backward()
    s, z = sigmoid(now * 1.2), sigmoid(before * 0.9)
    assert loss.item() == pytest.approx((s - z) ** 2, rel=2e-2)
    slope = learner.network.weight.grad.item()
    assert slope == pytest.approx(2 * (s - z) * s * (1 - s) * 1.2, rel=2e-2)
    assert (slope > 0) == (now > before)


def test_a_pixel_without_a_past_adds_nothing_to_the_mean_over_all(quiet):
    """Pixels 0 and 1 were predicted, then 1 and 2 are: of these two only pixel 1 has a past."""
    learner = on_a_row(3, 0.5)
    learner.consistency_loss(pixels(1.0, 2.0), 0)
    learner.network.weight.data.fill_(1.0)
    later = pixels(2.0, 3.0)._replace(views=View.plain([0], [[0, 1]], (1, 2)))
    wanted = (sigmoid(2.0) - sigmoid(1.0)) ** 2 / 2
    assert learner.consistency_loss(later, 1).item() == pytest.approx(wanted, abs=1e-3)
    assert learner.memory.times0.tolist() == [[1, 2, 1]]


def test_a_patch_that_comes_back_mirrored_agrees_with_its_past(quiet):
    learner = on_a_row(3, 0.5)
    learner.consistency_loss(pixels(1.0, 2.0, 3.0), 0)
    mirrored = View([0], [[0, 0]], (1, 3), np.eye(2)[None], np.array([[False, True]]))
    back = pixels(3.0, 2.0, 1.0)._replace(views=mirrored)
    assert learner.consistency_loss(back, 1).item() < 1e-6
    assert learner.consistency_loss(pixels(3.0, 2.0, 1.0), 2).item() > 1e-2


def test_the_memory_is_of_every_unlabelled_case_and_a_training_fills_it(tmp_path):
    target = recipe(TemporalEnsembling, network=SMALL, spatial_dims=2, momentum=0.5)
    learner, curves = trained(target, tiny_cohort(3, 3), tmp_path)
    assert learner.memory.shapes == ((8, 10, 9),) * 3  # slices lie across the last axis, which comes first
    assert (learner.memory.classes, learner.memory.momentum) == (3, 0.5)
    seen = sum(int(getattr(learner.memory, f"times{case}").sum()) for case in range(3))
    assert 0.5 * 4 * 24 * 64 < seen <= 4 * 24 * 64  # 4 steps of 24 slices, of which some were turned
    assert curves.rows[-1]["consistency"] > 0


@pytest.mark.parametrize("dims", [2, 3])
def test_most_voxels_have_a_past_in_the_second_half_and_hardly_any_where_places_are_new(dims, tmp_path):
    """Few patches against the cases: two a step, in cases of 40 voxels along each axis."""

    def known(visits: int) -> float:
        target = recipe(TemporalEnsembling, network=SMALL, spatial_dims=dims, visits=visits)
        cohort = tiny_cohort(3, 3, shape=(40, 40, 40))
        how = {"steps": 20, "voxels": 2 * 8**dims}
        _, curves = trained(target, cohort, tmp_path / str(visits), **how)
        return sum(row["noted.known"] for row in curves.rows[10:]) / 10

    assert known(visits=5) > 0.8
    assert known(visits=1) < 0.2


def test_the_memory_is_not_part_of_a_run(tmp_path):
    target = recipe(TemporalEnsembling, network=SMALL)
    run = fit(target, tiny_cohort(2), tiny_budget(steps=1), 0, store=RunStore(tmp_path), progress=False)
    with safe_open(run.folder / "weights.safetensors", "pt") as weights:
        assert {name.partition(".")[0] for name in weights.keys()} == {"network"}  # noqa: SIM118
    assert run.learner().memory is None


def test_a_learner_that_was_not_prepared_or_has_no_views_is_refused():
    learner, batch = one_weight(TemporalEnsembling), pixels(1.0)
    for wrong in (batch, batch._replace(views=None)):
        with pytest.raises(ValueError, match="TemporalEnsembling: expected `prepare` to be called"):
            learner.consistency_loss(wrong, 0)
        learner.prepare(10, [(1, 1)])


@pytest.mark.parametrize(
    ("momentum", "expected"), [(-0.1, "greater than or equal to 0"), (1.0, "less than 1")]
)
def test_a_momentum_out_of_range_is_refused(momentum, expected):
    with pytest.raises(ValueError, match=f"momentum: expected {expected}, got {momentum}"):
        one_weight(TemporalEnsembling, momentum=momentum)
