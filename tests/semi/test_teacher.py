"""How the teacher moves: one weight by hand, then in trainings."""

import pytest
import torch
from toys import SMALL, VOXELWISE, one_weight, task, tiny_budget, tiny_cohort, trained

from medseg_lab.networks.unet import UNet
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.semi.tcsm import TCSMv2
from medseg_lab.semi.teacher import as_student, decay_at, move
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore

by_method = pytest.mark.parametrize("method", [MeanTeacher, UAMT, TCSMv2])


def test_the_decay_by_hand():
    # 1 - 1 / (t + 1) until that is above the decay
    found = [decay_at(step, 0.75) for step in range(6)]
    assert found == pytest.approx([0, 1 / 2, 2 / 3, 0.75, 0.75, 0.75])
    assert decay_at(98, 0.99) == pytest.approx(98 / 99)
    assert decay_at(100_000, 0.99) == 0.99


@pytest.mark.parametrize(
    ("decay", "wanted"),
    [
        (0.6, [1.0, 2.5, 0.7, 2.82]),  # alphas 0, 1/2, 3/5, 3/5: .6 * 2.5 - .8 = .7, .42 + 2.4 = 2.82
        (0.99, [1.0, 2.5, 1.0, 2.25]),  # at first the mean of the students
        (0.0, [1.0, 4.0, -2.0, 6.0]),  # the student itself
    ],
)
def test_the_teacher_moves_by_the_ema_formula(decay, wanted):
    learner, found = one_weight(MeanTeacher, 0.3, decay=decay), []
    for step, value in enumerate((1.0, 4.0, -2.0, 6.0)):
        learner.network.weight.data.fill_(value)
        learner.after_step(step)
        found.append(learner.teacher.weight.item())
    assert found == pytest.approx(wanted)
    assert learner.network.weight.item() == 6.0


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.99])
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


@by_method
def test_in_a_training_the_teacher_moves_by_the_formula(method, tmp_path):
    students: list[dict[str, torch.Tensor]] = []

    def note(learner, step: int) -> None:
        students.append({name: p.detach().double() for name, p in learner.network.named_parameters()})

    target = recipe(method, network=SMALL, spatial_dims=2, decay=0.6)
    learner, _ = trained(target, tiny_cohort(3, 3), tmp_path, steps=6, watch=note)
    teacher = students[0]
    for alpha, student in zip((1 / 2, 0.6, 0.6, 0.6, 0.6), students[1:], strict=True):
        teacher = {name: alpha * teacher[name] + (1 - alpha) * student[name] for name in student}
    for name, parameter in learner.teacher.named_parameters():
        torch.testing.assert_close(parameter.double(), teacher[name], atol=1e-6, rtol=1e-5)
        assert not torch.equal(parameter.double(), students[-1][name]), name


@by_method
def test_the_teacher_begins_as_a_copy_that_needs_no_gradient(method):
    learner = method(task(3), network=SMALL)
    pairs = list(zip(learner.teacher.parameters(), learner.network.parameters(), strict=True))
    assert all(torch.equal(mine, theirs) and mine is not theirs for mine, theirs in pairs)
    assert all(not mine.requires_grad and theirs.requires_grad for mine, theirs in pairs)
    image = torch.randn(1, 1, 8, 8, 8, requires_grad=True)
    assert not learner.teacher_probabilities(image).requires_grad


def test_the_teacher_predicts_or_the_student():
    image = torch.tensor([[[[1.0, -2.0]]]])
    for arguments, weight in (({}, 2.0), ({"predicts": "teacher"}, 2.0), ({"predicts": "student"}, 0.5)):
        learner = one_weight(MeanTeacher, 0.5, **arguments)
        learner.teacher.weight.data.fill_(2.0)
        torch.testing.assert_close(learner.predict(image)[:, 1:], (weight * image).sigmoid())


def test_in_training_the_teacher_has_dropout_too():
    torch.manual_seed(0)
    learner, image = MeanTeacher(task(2), network=SMALL), torch.randn(1, 1, 8, 8)
    assert not torch.equal(learner.teacher_probabilities(image), learner.teacher_probabilities(image))
    learner.eval()
    assert torch.equal(learner.teacher_probabilities(image), learner.teacher_probabilities(image))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("decay", -0.1, "greater than or equal to 0"),
        ("decay", 1.0, "less than 1"),
        ("predicts", "pupil", "'teacher' or 'student'"),
    ],
)
def test_values_out_of_range_are_refused(name, value, expected):
    with pytest.raises(ValueError, match=f"UAMT: {name}: expected {expected}, got {value!r}"):
        UAMT(task(2), network=VOXELWISE, **{name: value})


def test_a_run_can_be_judged_with_the_student_predicting(tmp_path):
    base, cohort = recipe(MeanTeacher, network=SMALL), tiny_cohort(2)
    options = {"store": RunStore(tmp_path), "progress": False}
    run = fit(recipe(as_student, learner=base), cohort, tiny_budget(), 0, **options)
    image, learner = cohort.validation[0].image[None], run.learner()
    with torch.no_grad():
        student, teacher = learner.student(image), learner.teacher_probabilities(image)
        assert torch.equal(learner.predict(image), student)
        assert not torch.equal(teacher, student)
        again = fit(base, cohort, tiny_budget(), 0, **options)
        assert again.replayed  # the student's run has trained it
        assert torch.equal(again.learner().predict(image), teacher)


def test_a_learner_without_a_teacher_has_no_student():
    with pytest.raises(ValueError, match="learner: expected one with a teacher, got PiModel"):
        as_student(one_weight(PiModel))
