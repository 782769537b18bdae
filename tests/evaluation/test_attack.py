"""Images changed against a network whose gradient is known."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.attack import AttackJudge, attacked
from medseg_lab.evaluation.judge import Judge
from medseg_lab.training.learner import Learner

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
    (row,) = AttackJudge(epsilon=epsilon)(Pixelwise(), data).to_dict("records")
    assert row["attacked_dice"] == pytest.approx(dice)
    plain = Judge()(Pixelwise(), data).to_dict("records")[0]
    assert {name: value for name, value in row.items() if name != "attacked_dice"} == plain


def test_the_test_part_is_opened_once():
    data = cohort(case())
    AttackJudge(["test"])(Pixelwise(), data)
    assert len(data.openings) == 1


def test_the_network_keeps_its_mode_and_gets_no_gradient():
    learner, data = Pixelwise().train(), cohort(case())
    AttackJudge()(learner, data)
    assert learner.training
    assert all(parameter.grad is None for parameter in learner.parameters())


def test_what_cannot_be_attacked_is_refused():
    with pytest.raises(ValueError, match=r"epsilon: expected 0 or more, got -0\.1"):
        AttackJudge(epsilon=-0.1)
    with pytest.raises(ValueError, match="the prediction of Pixelwise lets no gradient through"):
        AttackJudge()(Pixelwise(gradients=False), cohort(case()))
