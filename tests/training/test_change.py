"""A recipe may change a trained learner: nothing is trained twice, and the record names its base."""

import pytest
import torch
from learning_toys import tiny_budget, tiny_cohort

from medseg_lab.evaluation.judge import Judge
from medseg_lab.inference.model_ensemble import ModelEnsemble
from medseg_lab.inference.prune import pruned
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.changed import Changed
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised

WHOLE = recipe(Supervised, network=recipe(UNetPlusPlus, features=[4, 6, 8]))
CUT = recipe(pruned, learner=WHOLE, depth=1)


def train(store, target):
    judge = recipe(Judge, parts=["validation"])
    return fit(target, tiny_cohort(), tiny_budget(), 0, store=store, judge=judge, progress=False)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path)


def test_the_base_is_trained_once_and_both_are_kept(store, monkeypatch):
    cut = train(store, CUT)
    monkeypatch.setattr("medseg_lab.training.fit.train", None)  # to train again would fail
    whole = train(store, WHOLE)
    assert whole.replayed
    assert cut.record.bases == (whole.record.key,)
    assert whole.record.bases == ()
    assert cut.record.key != whole.record.key
    assert train(store, CUT).replayed
    assert len(store.runs()) == 2


def test_a_changed_run_has_its_training_s_cost_and_its_own_parameters(store):
    cut, whole = train(store, CUT), train(store, WHOLE)
    assert cut.record.seconds == whole.record.seconds
    assert cut.record.peak_memory_mb == whole.record.peak_memory_mb
    assert cut.curves.equals(whole.curves)
    assert cut.record.parameters < whole.record.parameters
    assert not cut.cases["dice"].equals(whole.cases["dice"])


def test_it_is_loaded_changed_and_predicts_as_the_whole_one_at_that_depth(store):
    cut, whole = train(store, CUT).learner(), train(store, WHOLE).learner()
    image = torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        assert torch.equal(cut.network(image), whole.network(image, depth=1))


def test_its_summary_says_that_it_was_not_trained(store):
    assert "Supervised(UNetPlusPlus)), seed 0: changed after training" in train(store, CUT).summary()


class Cut(Changed):
    """Notes of each case how much of it is cut away: as many tenths as its case number says."""

    tenths: int = 1

    def finish(self, probabilities, image):
        self.note_case(cut=self.tenths * len(self.case_notes) / 10)
        return super().finish(probabilities, image)


def test_what_a_change_notes_of_its_cases_is_the_run_s_activity(store):
    # two cases are judged; the outer notes 0 and .2 of them, the inner 0 and .4
    twice = recipe(Cut, learner=recipe(Cut, learner=WHOLE, tenths=4), tenths=2)
    judge = recipe(Judge, parts=["validation", "test"])
    run = fit(twice, tiny_cohort(), tiny_budget(), 0, store=store, judge=judge, progress=False)
    assert run.record.activity == {"cut": pytest.approx(0.15)}
    assert train(store, WHOLE).record.activity == {}


def test_an_ensemble_of_models_trains_each_once_and_lists_them(store):
    members = [recipe(Supervised, network=recipe(net, features=[4, 6])) for net in (UNet, UNetPlusPlus)]
    joined = train(store, recipe(ModelEnsemble, learners=members))
    runs = [train(store, member) for member in members]
    assert all(run.replayed for run in runs)
    assert joined.record.bases == tuple(run.record.key for run in runs)
    assert joined.record.seconds == sum(run.record.seconds for run in runs)
    assert joined.record.parameters == sum(run.record.parameters for run in runs)
    assert list(joined.curves.columns) == ["step", "seconds", "lr", "1.dice_ce", "2.dice_ce"]
    image = torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        mean = sum(run.learner().predict(image) for run in runs) / 2
        torch.testing.assert_close(joined.learner().predict(image), mean)


def test_an_ensemble_of_one_or_of_two_dimensions_is_refused():
    one = recipe(Supervised, network=recipe(UNet, features=[4, 6]))
    flat = recipe(Supervised, network=recipe(UNet, features=[4, 6]), spatial_dims=2)
    for learners, said in (
        ([one], "expected two or more, got 1"),
        ([one, flat], "expected all to have Task"),
    ):
        with pytest.raises(ValueError, match=said):
            recipe(ModelEnsemble, learners=learners).build(tiny_cohort().task)
