"""What all methods of the section share, and, for those without a geometry of their own, what is promised."""

from math import exp

import pytest
import torch
from torch import Tensor
from toys import (
    SMALL,
    VOXELWISE,
    differing,
    one_weight,
    pixels,
    task,
    tiny_budget,
    tiny_cohort,
    trained,
    without_seconds,
)

from medseg_lab.data.batch import Batch
from medseg_lab.data.batches import Batches
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.semi.teacher import TeacherStudent
from medseg_lab.semi.temporal_ensembling import TemporalEnsembling
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.training.fit import fit
from medseg_lab.training.loop import parameter_groups
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.training.watch import watched

METHODS = [PiModel, TemporalEnsembling, MeanTeacher, UAMT]
DIMENSIONS = [(2, 2), (2, 3), (3, 3)]  # of the learner and of its cohort


class Foreground(Consistency):
    """Wants the foreground of the unlabelled pixels to be small."""

    def disagreement(self, batch: Batch, step: int) -> Tensor:
        return self.student(self.unlabelled(batch))[:, 1].mean()


def first_batch(dims: int, of: int) -> Batches:
    budget = tiny_budget()
    return Batches(tiny_cohort(of, 3), task(dims, 3), budget.voxels, budget.patch, unlabelled=True)


@pytest.mark.parametrize("step", [0, 3, 8, 19])
def test_the_loss_is_the_supervised_term_and_the_weighted_unlabelled_one(step):
    learner = one_weight(Foreground, 0.5, weight=3.0, ramp=0.4)
    learner.prepare(20, [])
    batch = pixels(1.0, -2.0)._replace(image=torch.tensor([[[[0.3, 2.0]]]]), label=torch.tensor([[[0, 1]]]))
    found = learner.losses(batch, step)
    share = exp(-5 * (1 - step / 8) ** 2) if step < 8 else 1.0
    foreground = (1 / (1 + exp(-0.5)) + 1 / (1 + exp(1.0))) / 2
    assert list(found) == ["dice_ce", "consistency"]
    assert found["consistency"].item() == pytest.approx(3 * share * foreground)
    torch.testing.assert_close(found["dice_ce"], dice_ce(learner.network(batch.image), batch.label))


def test_weight_and_ramp_are_the_constructors():
    learner = Foreground(task(2), VOXELWISE, weight=2.0, ramp=0.5, loss="dice", learning_rate=1e-2)
    learner.prepare(10, [])
    assert (learner.weight, learner.came_in(5), learner.learning_rate) == (2.0, 1.0, 1e-2)
    assert learner.came_in(4) == pytest.approx(exp(-0.2))
    assert learner.loss == "dice"
    assert learner.wants_unlabelled
    assert not Supervised.wants_unlabelled


@pytest.mark.parametrize("weight", [-0.1, -10])
def test_a_weight_below_zero_is_refused(weight):
    with pytest.raises(ValueError, match=f"weight: got {weight}, wanted 0 or more"):
        Foreground(task(2), VOXELWISE, weight=weight)


@pytest.mark.parametrize("ramp", [0, -0.5, 1.01])
def test_a_ramp_that_is_no_share_is_refused(ramp):
    with pytest.raises(ValueError, match=f"ramp: got {ramp}, wanted a share"):
        Foreground(task(2), VOXELWISE, ramp=ramp)
    Foreground(task(2), VOXELWISE, ramp=1)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_without_unlabelled_patches_is_refused(method):
    learner = method(task(2), VOXELWISE)
    learner.prepare(10, [(1, 2)])
    with pytest.raises(ValueError, match=f"{method.__name__}: got a batch without unlabelled patches"):
        learner.losses(pixels(1.0, 2.0)._replace(unlabelled=None), 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dims", "of"), DIMENSIONS)
def test_the_unlabelled_term_moves_every_weight_that_makes_a_prediction(method, dims, of):
    torch.manual_seed(0)
    learner = method(task(dims, 3), SMALL)
    batches = first_batch(dims, of)
    learner.prepare(4, batches.unlabelled_shapes)
    for step in (0, 2):  # two looks at the same patches: a memory of them there is in the second
        learner.zero_grad()
        sum(learner.unsupervised(batches.batch(1), step).values()).backward()
    for name, parameter in learner.network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    if isinstance(learner, TeacherStudent):
        assert all(p.grad is None for p in learner.teacher.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_labelled_patches_have_no_part_in_the_unlabelled_term(method):
    found = []
    for value in (0.0, 7.0):
        torch.manual_seed(0)
        learner = one_weight(method)
        learner.prepare(4, [(1, 2)])
        batch = pixels(1.0, -2.0)
        batch = batch._replace(image=batch.image + value)
        learner.disagreement(batch, 0)
        found.append(learner.disagreement(batch, 3).item())
    assert found[0] == found[1] > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dims", "of"), DIMENSIONS)
def test_without_weight_the_network_moves_as_its_supervised_twin_does(method, dims, of, tmp_path):
    """Bit for bit, with dropout and augmentation, in the loop that `fit` runs."""
    cohort, more = tiny_cohort(of, 3), {"network": SMALL, "spatial_dims": dims}
    twin, wanted = trained(recipe(Supervised, **more), cohort, tmp_path / "twin", steps=5)
    same, found = trained(recipe(method, weight=0.0, **more), cohort, tmp_path / "same", steps=5)
    other, _ = trained(recipe(method, **more), cohort, tmp_path / "other", steps=5)
    assert differing(same.network, twin.network) == []
    assert "head.weight" in differing(other.network, twin.network)
    for row, twins in zip(without_seconds(found.rows), without_seconds(wanted.rows), strict=True):
        assert row == twins | {"consistency": 0.0}


@pytest.mark.parametrize("method", METHODS)
def test_so_it_does_in_bfloat16(method, tmp_path):
    cohort, more = tiny_cohort(3, 3), {"network": SMALL, "spatial_dims": 2}
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
    statistics = {name for name, _ in same.network.named_buffers()}
    assert set(differing(same.network, twin.network)) == statistics > set()


@pytest.mark.parametrize("method", METHODS)
def test_without_weight_the_student_predicts_as_its_supervised_twin_does(method, tmp_path):
    cohort = tiny_cohort(3, 3)
    student = {"predicts": "student"} if issubclass(method, TeacherStudent) else {}
    twin, _ = trained(recipe(Supervised, network=SMALL), cohort, tmp_path / "twin")
    same, _ = trained(recipe(method, network=SMALL, weight=0.0, **student), cohort, tmp_path / "same")
    image = cohort.validation[0].image[None]
    with torch.no_grad():
        assert torch.equal(same.eval().predict(image), twin.eval().predict(image))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [1, 4, 6])
def test_resuming_gives_the_bits_of_a_run_never_stopped(method, stop, tmp_path):
    """Teacher and memory included, in slices of volumes."""
    target, cohort = recipe(method, network=SMALL, spatial_dims=2), tiny_cohort(3, 3)
    whole, wanted = trained(target, cohort, tmp_path / "whole", steps=7)
    with pytest.raises(KeyboardInterrupt):
        trained(target, cohort, tmp_path / "cut", steps=7, stop=stop, checkpoint_seconds=0)
    resumed, found = trained(target, cohort, tmp_path / "cut", steps=7)
    assert differing(whole, resumed) == []
    assert without_seconds(found.rows) == without_seconds(wanted.rows)


@pytest.mark.parametrize("predicts", ["teacher", "student"])
@pytest.mark.parametrize("method", METHODS)
def test_a_stored_learner_predicts_as_the_trained_one_did(method, predicts, tmp_path):
    more = {"predicts": predicts} if issubclass(method, TeacherStudent) else {}
    target, cohort, budget = recipe(method, network=SMALL, **more), tiny_cohort(3, 3), tiny_budget()
    run = fit(target, cohort, budget, 3, store=RunStore(tmp_path), progress=False)
    kept = watched(target, cohort, budget, 3, [budget.steps])[budget.steps]
    stored, image = run.learner(), cohort.validation[0].image[None]
    assert differing(stored, kept) == []
    with torch.no_grad():
        found = stored.predict(image)
        assert torch.equal(found, kept.predict(image))
        assert not torch.equal(found, target.build(cohort.task).eval().predict(image))
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))


@pytest.mark.parametrize("method", METHODS)
def test_the_optimiser_moves_the_network_and_nothing_else(method):
    learner = method(task(3), SMALL)
    learner.prepare(4, [(10, 9, 8)])
    moved = [p for groups in parameter_groups(learner.phases()) for g in groups for p in g["params"]]
    assert [id(p) for p in moved] == [id(p) for p in learner.network.parameters()]
