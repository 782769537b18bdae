"""How the teacher moves: one weight by hand, then in trainings."""

import pytest
import torch
from torch import nn
from toys import SMALL, VOXELWISE, one_weight, task, tiny_budget, tiny_cohort, trained

from medseg_lab.networks.unet import UNet
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.semi.teacher import as_student, decay_at, move
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore

TEACHERS = [MeanTeacher, UAMT]


def test_the_decay_by_hand():
    # 1 - 1 / (t + 1) until that is above the decay
    found = [decay_at(step, 0.75) for step in range(6)]
    assert found == pytest.approx([0, 1 / 2, 2 / 3, 0.75, 0.75, 0.75])
    assert decay_at(98, 0.99) == pytest.approx(98 / 99)
    assert decay_at(99, 0.99) == pytest.approx(0.99)
    assert decay_at(100_000, 0.99) == 0.99


def test_a_decay_of_zero_makes_the_teacher_the_student():
    learner = one_weight(MeanTeacher, decay=0.0)
    learner.network.weight.data.fill_(-3.0)
    learner.after_step(50)
    assert learner.teacher.weight.item() == -3.0


def test_the_teacher_moves_by_the_ema_formula():
    # students 1, 4, -2, 6; alphas 0, 1/2, 3/5, 3/5: 1, 2.5, .6 * 2.5 - .8 = .7, .42 + 2.4 = 2.82
    learner, found = one_weight(MeanTeacher, 0.3, decay=0.6), []
    for step, value in enumerate((1.0, 4.0, -2.0, 6.0)):
        learner.network.weight.data.fill_(value)
        learner.after_step(step)
        found.append(learner.teacher.weight.item())
    assert found == pytest.approx([1.0, 2.5, 0.7, 2.82])
    assert learner.network.weight.item() == 6.0


def test_at_first_the_teacher_is_the_mean_of_the_students():
    learner, values = one_weight(UAMT), torch.randn(40, generator=torch.Generator().manual_seed(0))
    for step, value in enumerate(values):
        learner.network.weight.data.copy_(value)
        learner.after_step(step)
        assert learner.teacher.weight.item() == pytest.approx(values[: step + 1].mean().item(), abs=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.99])
def test_all_parameters_move_alike_and_buffers_are_copied(alpha):
    torch.manual_seed(0)
    teacher, student = (UNet(1, 2, 3, features=(4, 8), norm="batch") for _ in range(2))
    student(torch.randn(2, 1, 8, 8, 8))  # running statistics that are not the teacher's
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    theirs = {name: value.clone() for name, value in student.state_dict().items()}
    move(teacher, student, alpha)
    parameters = dict(teacher.named_parameters())
    for name, value in teacher.state_dict().items():
        wanted = alpha * before[name] + (1 - alpha) * theirs[name] if name in parameters else theirs[name]
        torch.testing.assert_close(value, wanted, atol=1e-6, rtol=1e-5)
        assert torch.equal(student.state_dict()[name], theirs[name])
    assert any("running_mean" in name for name in before)
    assert teacher.head.weight.data_ptr() != student.head.weight.data_ptr()


@pytest.mark.parametrize("method", TEACHERS)
@pytest.mark.parametrize("dims", [2, 3])
def test_in_a_training_the_teacher_moves_by_the_formula(method, dims, tmp_path):
    students: list[dict[str, torch.Tensor]] = []

    def note(learner, step: int) -> None:
        students.append({name: p.detach().double() for name, p in learner.network.named_parameters()})

    target = recipe(method, network=SMALL, spatial_dims=dims, decay=0.6)
    learner, _ = trained(target, tiny_cohort(3, 3), tmp_path, steps=6, watch=note)
    teacher = students[0]
    for alpha, student in zip((1 / 2, 0.6, 0.6, 0.6, 0.6), students[1:], strict=True):
        teacher = {name: alpha * teacher[name] + (1 - alpha) * student[name] for name in student}
    for name, parameter in learner.teacher.named_parameters():
        torch.testing.assert_close(parameter.double(), teacher[name], atol=1e-6, rtol=1e-5)
        assert not torch.equal(parameter.double(), students[-1][name]), name
        assert parameter.grad is None


@pytest.mark.parametrize("method", TEACHERS)
def test_the_teacher_begins_as_a_copy_that_wants_no_gradient(method):
    learner = method(task(3), SMALL)
    pairs = list(zip(learner.teacher.parameters(), learner.network.parameters(), strict=True))
    assert all(torch.equal(mine, theirs) and mine is not theirs for mine, theirs in pairs)
    assert all(not mine.requires_grad and theirs.requires_grad for mine, theirs in pairs)
    assert not learner.taught(torch.randn(1, 1, 8, 8, 8, requires_grad=True)).requires_grad


@pytest.mark.parametrize("method", TEACHERS)
def test_who_predicts(method):
    image = torch.tensor([[[[1.0, -2.0]]]])
    for predicts, weight in (("teacher", 2.0), ("student", 0.5)):
        learner = one_weight(method, 0.5, predicts=predicts)
        learner.teacher.weight.data.fill_(2.0)
        torch.testing.assert_close(learner.predict(image)[:, 1:], (weight * image).sigmoid())
    torch.testing.assert_close(learner.taught(image).sum(1), torch.ones(1, 1, 2))
    assert one_weight(method).predicts == "teacher"


def test_in_training_the_teacher_drops_out_too():
    torch.manual_seed(0)
    learner, image = MeanTeacher(task(2), SMALL), torch.randn(1, 1, 8, 8)
    assert any(isinstance(m, nn.Dropout2d) for m in learner.teacher.modules())
    assert not torch.equal(learner.taught(image), learner.taught(image))
    learner.eval()
    assert torch.equal(learner.taught(image), learner.taught(image))


@pytest.mark.parametrize("method", TEACHERS)
def test_what_makes_no_teacher_is_refused(method):
    for decay in (-0.1, 1, 1.5):
        with pytest.raises(ValueError, match=f"decay: got {decay}, wanted 0 or more, and less than 1"):
            method(task(2), VOXELWISE, decay=decay)
    with pytest.raises(ValueError, match="predicts: got 'pupil', wanted one of teacher, student"):
        method(task(2), VOXELWISE, predicts="pupil")


@pytest.mark.parametrize("method", TEACHERS)
def test_a_run_can_be_judged_with_the_student_predicting(method, tmp_path):
    taught, cohort = recipe(method, network=SMALL), tiny_cohort(3, 3)
    options = {"store": RunStore(tmp_path), "progress": False}
    asked = fit(recipe(as_student, learner=taught), cohort, tiny_budget(), 0, **options)
    image, learner = cohort.validation[0].image[None], asked.learner()
    with torch.no_grad():
        assert torch.equal(learner.predict(image), learner.student(image))
        teacher = fit(taught, cohort, tiny_budget(), 0, **options)
        assert teacher.replayed  # the student's run has trained it
        assert torch.equal(teacher.learner().predict(image), learner.taught(image))
    assert not torch.equal(learner.taught(image), learner.student(image))


def test_who_has_no_teacher_has_no_student():
    with pytest.raises(ValueError, match="learner: got PiModel, wanted one with a teacher"):
        as_student(one_weight(PiModel))
