"""What the loop promises of the methods with a geometry of their own, and of MASSL's two phases."""

import pytest
import torch
from toys import SMALL, differing, task, tiny_budget, tiny_cohort, trained, without_seconds

from medseg_lab.data.batches import Batches
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.massl import MASSL
from medseg_lab.semi.semitc import SemiTC
from medseg_lab.semi.tcsm import TCSM, TCSMv2
from medseg_lab.semi.teacher import TeacherStudent
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.training.watch import watched

METHODS = [TCSM, TCSMv2, SemiTC, MASSL]
DIMENSIONS = [(2, 2), (2, 3), (3, 3)]  # of the learner and of its cohort


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dims", "of"), DIMENSIONS)
def test_without_weight_the_network_moves_as_its_supervised_twin_does(method, dims, of, tmp_path):
    """Bit for bit, with dropout and augmentation, in the loop that `fit` runs."""
    cohort, more = tiny_cohort(of, 3), {"network": SMALL, "spatial_dims": dims}
    twin, wanted = trained(recipe(Supervised, **more), cohort, tmp_path / "twin", steps=5)
    same, found = trained(recipe(method, weight=0.0, **more), cohort, tmp_path / "same", steps=5)
    other, _ = trained(recipe(method, **more), cohort, tmp_path / "other", steps=5)
    assert differing(same.network, twin.network) == []
    assert "encoder.0.0.0.weight" in differing(other.network, twin.network)
    names = ("segment.dice_ce", "rebuild.error") if method is MASSL else ("dice_ce", "consistency")
    for row, twins in zip(without_seconds(found.rows), without_seconds(wanted.rows), strict=True):
        assert (row[names[0]], row[names[1]]) == (twins["dice_ce"], 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_so_it_does_in_bfloat16(method, tmp_path):
    cohort, more = tiny_cohort(3, 3), {"network": SMALL}
    options = {"steps": 3, "precision": "bf16-mixed"}
    twin, _ = trained(recipe(Supervised, **more), cohort, tmp_path / "twin", **options)
    same, _ = trained(recipe(method, weight=0.0, **more), cohort, tmp_path / "same", **options)
    assert differing(same.network, twin.network) == []


@pytest.mark.parametrize("method", METHODS)
def test_so_do_the_weights_under_batch_norm_whose_statistics_see_all_images(method, tmp_path):
    cohort, network = tiny_cohort(3, 3), recipe(UNet, features=(4, 8), norm="batch")
    twin, _ = trained(recipe(Supervised, network=network), cohort, tmp_path / "twin")
    same, _ = trained(recipe(method, network=network, weight=0.0), cohort, tmp_path / "same")
    pairs = zip(same.network.parameters(), twin.network.parameters(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dims", [2, 3])
def test_the_unlabelled_term_moves_every_weight_that_it_should(method, dims):
    torch.manual_seed(0)
    learner, budget = method(task(dims, 3), SMALL), tiny_budget()
    batches = Batches(tiny_cohort(3, 3), task(dims, 3), budget.voxels, budget.patch, unlabelled=True)
    learner.prepare(4, batches.unlabelled_shapes)
    sum(learner.unsupervised(batches.batch(1), 2).values()).backward()
    for parameter in learner.phases()[-1].parameters if method is MASSL else learner.network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    if isinstance(learner, TeacherStudent):
        assert all(p.grad is None for p in learner.teacher.parameters())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [1, 4])
def test_resuming_gives_the_bits_of_a_run_never_stopped(method, stop, tmp_path):
    target, cohort = recipe(method, network=SMALL, spatial_dims=2), tiny_cohort(3, 3)
    whole, wanted = trained(target, cohort, tmp_path / "whole", steps=6)
    with pytest.raises(KeyboardInterrupt):
        trained(target, cohort, tmp_path / "cut", steps=6, stop=stop, checkpoint_seconds=0)
    resumed, found = trained(target, cohort, tmp_path / "cut", steps=6)
    assert differing(whole, resumed) == []
    assert without_seconds(found.rows) == without_seconds(wanted.rows)


@pytest.mark.parametrize("method", METHODS)
def test_a_stored_learner_predicts_as_the_trained_one_did(method, tmp_path):
    target, cohort, budget = recipe(method, network=SMALL), tiny_cohort(3, 3), tiny_budget()
    run = fit(target, cohort, budget, 3, store=RunStore(tmp_path), progress=False)
    kept = watched(target, cohort, budget, 3, [budget.steps])[budget.steps]
    stored, image = run.learner(), cohort.validation[0].image[None]
    assert differing(stored, kept) == []
    with torch.no_grad():
        found = stored.predict(image)
        assert torch.equal(found, kept.predict(image))
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
