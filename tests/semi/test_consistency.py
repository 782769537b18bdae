"""What the methods of section 3.2 share, beyond what `tests/contracts` proves of every configuration."""

from math import exp

import pytest
import torch
from scipy.special import expit as sigmoid
from torch import Tensor
from toys import SMALL, VOXELWISE, differing, one_weight, pixels, task, tiny_budget, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.batches import Batches
from medseg_lab.losses.dice import Dice
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.massl import MASSL
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.semi.ramp import ramp_up
from medseg_lab.semi.semitc import SemiTC
from medseg_lab.semi.tcsm import TCSM, TCSMv2
from medseg_lab.semi.temporal_ensembling import TemporalEnsembling
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.training.loop import parameter_groups
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

UNLABELLED_ALONE = [PiModel, TemporalEnsembling, MeanTeacher, UAMT, TCSM, TCSMv2]
ONE_NETWORK = [*UNLABELLED_ALONE, SemiTC]


class Foreground(Consistency):
    """The foreground of the unlabelled pixels is to be small."""

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        return self.student(self.unlabelled(batch))[:, 1].mean()


@pytest.mark.parametrize("step", [0, 3, 8, 19])
def test_the_loss_is_the_supervised_term_and_the_weighted_unlabelled_one(step):
    learner = one_weight(Foreground, 0.5, weight=3.0, ramp=0.4, loss=recipe(Dice))
    learner.prepare(20, [])
    batch = pixels(1.0, -2.0)._replace(image=torch.tensor([[[[0.3, 2.0]]]]), label=torch.tensor([[[0, 1]]]))
    found = learner.losses(batch, step)
    assert list(found) == ["dice", "consistency"]
    # foregrounds: labelled s(0.15) and s(1), of which the second is right; unlabelled s(0.5) and s(-1)
    first, second = sigmoid(0.15), sigmoid(1.0)
    assert found["dice"].item() == pytest.approx(1 - (2 * second + 1) / (first + second + 1 + 1))
    share = exp(-5 * (1 - step / 8) ** 2) if step < 8 else 1.0
    assert found["consistency"].item() == pytest.approx(3 * share * (sigmoid(0.5) + sigmoid(-1.0)) / 2)


def test_the_ramp_by_hand():
    # exp(-5 (1 - r)^2) at r = 0, 1/4, 1/2, 9/10, and 1 from its end on
    wanted = {0: exp(-5), 10: exp(-5 * 9 / 16), 20: exp(-5 / 4), 36: exp(-0.05), 40: 1.0, 1000: 1.0}
    assert {step: ramp_up(step, 40) for step in wanted} == pytest.approx(wanted)
    values = [ramp_up(step, 37.5) for step in range(50)]
    assert values == sorted(values)
    assert values[0] < 0.01
    assert 0.999 < values[37] < values[38] == 1.0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("weight", -0.1, "greater than or equal to 0"),
        ("ramp", 0.0, "greater than 0"),
        ("ramp", 1.01, "less than or equal to 1"),
    ],
)
def test_values_out_of_range_are_refused(name, value, expected):
    with pytest.raises(ValueError, match=f"Foreground: {name}: expected {expected}, got {value}"):
        Foreground(task(2), network=VOXELWISE, **{name: value})


@pytest.mark.parametrize("method", [*ONE_NETWORK, MASSL])
def test_a_batch_without_unlabelled_patches_is_refused(method):
    learner = method(task(2), network=SMALL)
    learner.prepare(10, [(1, 2)])
    with pytest.raises(
        ValueError, match=f"{method.__name__}: expected a batch with unlabelled patches, got none"
    ):
        learner.unsupervised(pixels(1.0, 2.0)._replace(unlabelled=None), 0)


@pytest.mark.parametrize("method", ONE_NETWORK)
def test_the_unlabelled_term_alone_reaches_every_weight_of_the_network(method):
    torch.manual_seed(0)
    learner, budget = method(task(2, 3), network=SMALL), tiny_budget()
    batches = Batches(tiny_cohort(3, 3), learner.task, budget.voxels, budget.patch, unlabelled=True)
    learner.prepare(4, batches.unlabelled_shapes)
    for step in (0, 2):  # twice the same patches: at first a memory is empty
        learner.zero_grad()
        sum(learner.unsupervised(batches.batch(1), step).values()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learner.network.parameters())


@pytest.mark.parametrize("method", ONE_NETWORK)
def test_the_optimiser_moves_the_network_and_nothing_else(method):
    learner = method(task(3), network=SMALL)
    learner.prepare(4, [(10, 9, 8)])
    moved = [p for groups in parameter_groups(learner.phases()) for g in groups for p in g["params"]]
    assert [id(p) for p in moved] == [id(p) for p in learner.network.parameters()]


@pytest.mark.parametrize("method", UNLABELLED_ALONE)
def test_labelled_patches_have_no_part_in_the_unlabelled_term(method):
    found = []
    for value in (0.0, 7.0):
        torch.manual_seed(0)
        learner = one_weight(method)
        learner.prepare(4, [(1, 2)])
        batch = pixels(1.0, -2.0)
        batch = batch._replace(image=batch.image + value, mirror=(0, 1))
        learner.consistency_loss(batch, 0)
        found.append(learner.consistency_loss(batch, 3).item())
    assert found[0] == found[1] > 0


@pytest.mark.parametrize("method", [TemporalEnsembling, UAMT, SemiTC, MASSL])
@pytest.mark.parametrize(("norm", "precision"), [("instance", "bf16-mixed"), ("batch", "32-true")])
def test_weights_of_the_supervised_twin_in_bfloat16_and_under_batch_norm(method, norm, precision, tmp_path):
    network, how = recipe(UNet, features=(4, 8), norm=norm, dropout=0.3), {"steps": 3, "precision": precision}
    twin, _ = trained(recipe(Supervised, network=network), tiny_cohort(2), tmp_path / "twin", **how)
    same, _ = trained(recipe(method, network=network, weight=0.0), tiny_cohort(2), tmp_path / "same", **how)
    statistics = {name for name, _ in twin.network.named_buffers()}  # these see the unlabelled images, too
    assert set(differing(same.network, twin.network)) <= statistics
    assert bool(statistics) == (norm == "batch")
