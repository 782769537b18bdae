"""Images changed against a network whose gradient is known."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toys import SMALL, tiny_cohort, trained

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.attack import AttackJudge, attack_curve, attacked
from medseg_lab.evaluation.judge import Judge
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

TASK = Task(1, ("background", "organ"), 2)


class Pixelwise(Learner):
    """A 1x1 convolution: p(organ) = sigmoid(2x - 1), so that a voxel is called organ where x > 1/2.

    The cross-entropy falls with x where the reference is the organ, and rises elsewhere.
    """

    def __init__(self, gradients: bool = True) -> None:
        super().__init__(TASK)
        self.patch, self.gradients = (4, 4), gradients
        self.conv = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.conv.weight[:, 0, 0, 0] = torch.tensor([-1.0, 1.0])
            self.conv.bias[:] = torch.tensor([0.5, -0.5])

    def predict(self, image: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.gradients and torch.is_grad_enabled()):
            return self.conv(image).softmax(dim=1)


def case(dims: int = 2) -> Case:
    """Of the organ (left half) half is at 0.6 and half at 0.9; elsewhere 0.1. A volume has three slices."""
    label = torch.zeros(1, 6, 8, dtype=torch.uint8)
    label[..., :4] = 1
    image = torch.where(label > 0, 0.6, 0.1)
    image[..., 2:4] = 0.9
    if dims == 3:
        image, label = (x[..., None].repeat(1, 1, 1, 3) for x in (image, label))
    return Case("c", "p", image, label, (1.0,) * dims)


def cohort(one: Case) -> SimpleNamespace:
    """What a judge asks of a cohort."""
    preprocessing = SimpleNamespace(slice_axis=2)
    openings: list[str] = []

    def open_test(reason: str) -> tuple[Case, ...]:
        openings.append(reason)
        return (one,)

    return SimpleNamespace(
        task=TASK,
        patch=(4, 4),
        card=SimpleNamespace(preprocessing=preprocessing),
        labelled=(one,),
        validation=(one,),
        open_test=open_test,
        openings=openings,
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_each_voxel_moves_by_epsilon_against_its_reference(dims):
    """Windows overlap and reach beyond no border: 6 x 8 voxels by windows of 4 x 4, slice by slice."""
    one = case(dims)
    (found,) = attacked(Pixelwise(), cohort(one), [one], 0.2)
    moved = torch.where(one.label > 0, -0.2, 0.2)
    torch.testing.assert_close(found.image[0] - one.image[0], moved)
    assert (found.id, found.patient, found.spacing) == (one.id, one.patient, one.spacing)
    assert torch.equal(found.labels, one.labels)


def test_what_the_reference_leaves_open_stays_as_it_is_and_so_does_padding():
    one = case()
    one.labels[0, :, 5:] = IGNORE
    small = Case("s", "p", one.image[:, :3], one.labels[:, :3], one.spacing)  # smaller than a window
    (found,) = attacked(Pixelwise(), cohort(small), [small], 0.2)
    assert torch.equal(found.image[..., 5:], small.image[..., 5:])
    assert (found.image[..., :5] != small.image[..., :5]).all()


@pytest.mark.parametrize(
    ("epsilon", "dice"),
    [
        (0.0, 1.0),
        (0.05, 1.0),
        (0.2, 2 * 12 / (12 + 24)),  # 0.6 falls below 1/2: 12 of 24 voxels are left
        (0.45, 0.0),  # 0.9 too; 0.1 rises above
    ],
)
def test_dice_falls_as_the_attack_grows(epsilon, dice):
    data = cohort(case())
    table = AttackJudge(epsilon=epsilon)(Pixelwise(), data)
    assert list(table.pop("attacked_dice")) == pytest.approx([dice])
    assert list(table.pop("dice_lost")) == pytest.approx([1 - dice])
    pd.testing.assert_frame_equal(table, Judge()(Pixelwise(), data))


def test_the_test_part_is_opened_once():
    data = cohort(case())
    AttackJudge(["test"])(Pixelwise(), data)
    assert len(data.openings) == 1


def test_the_network_keeps_its_mode_and_gets_no_gradient():
    learner, data = Pixelwise().train(), cohort(case())
    AttackJudge()(learner, data)
    assert learner.training
    assert all(parameter.grad is None for parameter in learner.parameters())


class Linear(Learner):
    """p(organ) = sigmoid(w x + b) of an image of three channels, voxel by voxel."""

    w = torch.tensor([0.5, -2.0, 1.0])

    def __init__(self) -> None:
        super().__init__(Task(3, TASK.classes, 2))
        self.patch, self.conv = (4, 4), nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            self.conv.weight[:, :, 0, 0] = torch.stack([-self.w / 2, self.w / 2])

    def logit(self, image: Tensor) -> Tensor:
        """Organ against background, `(*S)`."""
        background, organ = self.conv(image[None])[0]
        return organ - background

    def predict(self, image: Tensor) -> Tensor:
        return self.conv(image).softmax(dim=1)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_an_attack_on_a_linear_model_moves_its_logit_by_epsilon_times_the_sum_of_its_weights(steps):
    """All attacks end in the same corner of the box: the gradient's sign is the same everywhere in it."""
    learner, one = Linear(), case()
    one = Case("c", "p", torch.randn(3, 6, 8), one.labels, one.spacing)
    (found,) = attacked(learner, cohort(one), [one], 0.1, steps)
    moved = learner.logit(found.image) - learner.logit(one.image)
    wanted = 0.1 * learner.w.abs().sum()
    torch.testing.assert_close(moved, torch.where(one.label > 0, -wanted, wanted))


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """A small U-Net after some steps, its cohort, and its mean cross-entropy on a case."""
    data = tiny_cohort(2, shape=(24, 20), patch=16)
    target = recipe(Supervised, network=SMALL, spatial_dims=2)
    learner, _ = trained(target, data, tmp_path_factory.mktemp("victim"), steps=60, voxels=1024, patch=16)
    learner.patch = (24, 20)

    def loss(one: Case) -> float:
        with torch.no_grad():
            return float(F.nll_loss(learner.predict(one.image[None]).log(), one.label[None].long()))

    return learner.eval(), data, loss


def test_its_loss_rises_with_epsilon_and_pgds_more_than_fgsms(victim):
    """Otherwise the gradient would be masked, and the network only seem robust."""
    learner, data, loss = victim
    losses = {
        steps: [loss(*attacked(learner, data, data.validation, epsilon, steps)) for epsilon in (0, 0.05, 0.2)]
        for steps in (1, 8)
    }
    assert losses[1][0] == losses[8][0] == loss(data.validation[0])
    for rising in losses.values():
        assert rising[0] < rising[1] < rising[2]
    assert all(pgd > fgsm for fgsm, pgd in zip(losses[1][1:], losses[8][1:], strict=True))


def test_pgd_stays_in_the_box_wherever_it_starts(victim):
    learner, data, loss = victim
    (one,), found = data.validation, {}
    for start in (None, 0, 1):
        first, again = (next(attacked(learner, data, [one], 0.1, 6, start)).image for _ in range(2))
        assert torch.equal(first, again)
        assert (first - one.image).abs().max() <= 0.1 + 1e-6
        assert loss(Case("c", "p", first, one.labels, one.spacing)) > loss(one)
        found[start] = first
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[None])


def test_a_curve_has_a_row_for_each_strength_and_says_where_the_gradient_is_masked():
    one = case()
    table = attack_curve(Pixelwise(), cohort(one), [one], (0.0, 0.2, 0.45), steps=(1, 3))
    assert list(table["attack"]) == ["FGSM"] * 3 + ["PGD, 3 steps"] * 3
    assert list(table["dice"]) == pytest.approx([1.0, 2 * 12 / 36, 0.0] * 2)
    assert list(table["moved"]) == [0.0, 1.0, 1.0] * 2
    sure = Pixelwise()
    with torch.no_grad():
        sure.conv.weight *= 1000  # its probabilities are 0 and 1
        sure.conv.bias *= 1000
    masked = attack_curve(sure, cohort(one), [one], (0.2,))
    assert set(masked["moved"]) == {0.0}


def test_what_cannot_be_attacked_is_refused():
    with pytest.raises(ValueError, match=r"epsilon: expected 0 or more, got -0\.1"):
        AttackJudge(epsilon=-0.1)
    with pytest.raises(ValueError, match="steps: expected 1 or more, got 0"):
        AttackJudge(steps=0)
    with pytest.raises(ValueError, match="the prediction of Pixelwise lets no gradient through"):
        AttackJudge()(Pixelwise(gradients=False), cohort(case()))
