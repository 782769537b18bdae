"""Student and teacher side by side: each predicts by itself, and who is right is counted."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.show.cases import case_dice
from medseg_lab.show.spot import fullest
from medseg_lab.show.student_and_teacher import segmented, student_and_teacher, who_is_right
from medseg_lab.training.recipe import recipe
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "ball"), 3)
SMALL = recipe(UNet, features=(4, 8), dropout=0.5)


class Above(nn.Module):
    """Class 1 where the image is above a level."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level), requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        high = (image[:, 0] > self.level).float()
        return 20 * torch.stack([1 - high, high], dim=1)


def learner(student: float, teacher: float, task: Task = TASK) -> MeanTeacher:
    made = MeanTeacher(task, network=SMALL, spatial_dims=2)
    made.network, made.teacher, made.patch = Above(student), Above(teacher), (8, 8)
    return made.eval()


def stairs() -> Case:
    """Rows of 0 to 11 along the first axis; the label is where it is above 5, on the slices 2 and 3."""
    image = torch.arange(12.0)[:, None, None].expand(12, 10, 6)
    label = (image > 5).to(torch.uint8)
    label[:, :, [0, 1, 4, 5]] = 0
    label[:, 5:, 2] = 0
    return Case("one", "one", image[None].clone(), label[None], (1.0, 1.0, 3.0))


def test_student_and_teacher_predict_with_their_own_networks():
    one, case = learner(3.5, 7.5), stairs()
    np.testing.assert_array_equal(segmented(one, "student", case), (case.image[0] > 3.5).numpy())
    np.testing.assert_array_equal(segmented(one, "teacher", case), (case.image[0] > 7.5).numpy())


@pytest.mark.parametrize("training", [True, False])
def test_the_learner_stays_as_it_was(training):
    one = learner(3.5, 7.5).train(training)
    one.predicts = "student"
    before = {name: value.clone() for name, value in one.state_dict().items()}
    student_and_teacher({4: one}, stairs(), TASK)(4)
    assert (one.predicts, one.training) == ("student", training)
    assert all(module.training == training for module in one.modules())
    assert all(torch.equal(before[name], value) for name, value in one.state_dict().items())


def test_dropout_has_no_part_in_what_is_shown():
    one, case = MeanTeacher(TASK, network=SMALL, spatial_dims=2), stairs()
    one.patch = (8, 8)
    same = [segmented(one.train(), "student", case) for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_who_is_right_is_told_pixel_by_pixel():
    reference = np.array([0, 1, 2, 1, 2, IGNORE, 0])
    student = np.array([0, 1, 1, 2, 0, 0, 1])
    teacher = np.array([0, 0, 2, 2, 1, 1, 0])
    found = who_is_right(reference, student, teacher)
    assert {name: np.flatnonzero(mask).tolist() for name, mask in found.items()} == {
        "teacher right": [2, 6],
        "student right": [1],
        "neither right": [4],
    }


def test_dice_is_the_whole_cases_and_the_counts_are_the_slices():
    """Of 90 voxels the student marks 8 x 60 with all of them, the teacher 4 x 60 with 60."""
    fig = student_and_teacher({1: learner(3.5, 7.5)}, stairs(), TASK)(1)
    titles = [ax.get_title("center") for ax in fig.axes]
    student, teacher = 2 * 90 / (480 + 90), 2 * 60 / (240 + 90)
    assert titles[:3] == ["reference", f"student, Dice {student:.2f}", f"teacher, Dice {teacher:.2f}"]
    # on slice 3 the label begins at row 6, the student at 4, the teacher at 8: two rows of 10 go to each
    assert titles[3] == "differ: 40"
    assert fig.get_label() == (
        f"Case one after 1 step: student Dice {student:.2f}, teacher Dice {teacher:.2f}. Pixels of the slice "
        "where they differ: teacher right on 20, student right on 20, neither right on 0."
    )


def test_what_is_painted_lies_where_it_is_and_upright():
    """The first axis runs rightwards: the teacher is right on columns 4 and 5, the student on 6 and 7."""
    fig = student_and_teacher({1: learner(3.5, 7.5)}, stairs(), TASK)(1)
    image, teacher, student, neither = (np.asarray(found.get_array()) for found in fig.axes[3].images)
    place = fullest(stairs(), 2, (8, 8))
    first = place.box[0].start
    assert np.flatnonzero(teacher[..., 3].all(axis=0)).tolist() == [4 - first, 5 - first]
    assert np.flatnonzero(student[..., 3].all(axis=0)).tolist() == [6 - first, 7 - first]
    assert not neither[..., 3].any()
    assert (image[0] == np.arange(place.box[0].start, place.box[0].stop)).all()


def test_outlines_are_those_of_each():
    fig = student_and_teacher({1: learner(20.0, 3.5)}, stairs(), TASK)(1)
    assert [len(ax.collections) for ax in fig.axes] == [1, 0, 1, 0]


def test_each_step_has_its_own_learner():
    draw = student_and_teacher({1: learner(3.5, 3.5), 20: learner(5.5, 5.5)}, stairs(), TASK)
    assert "after 1 step" in draw(1)._suptitle.get_text()
    assert "after 20 steps" in draw(20)._suptitle.get_text()
    assert "Dice 0.32" in draw(1).get_label()  # 2 x 90 / (480 + 90)
    assert "Dice 0.40" in draw(20).get_label()  # 2 x 90 / (360 + 90)


def test_voxels_left_open_count_for_nobody():
    case = stairs()
    case.labels[0, :, :, 3][5:7] = IGNORE
    fig = student_and_teacher({1: learner(3.5, 7.5)}, case, TASK)(1)
    assert fig.axes[3].get_title("center") == "differ: 20"  # rows 4 and 7 are left


def test_a_case_of_two_dimensions_is_its_own_slice():
    volume = stairs()
    flat = Case("flat", "flat", volume.image[..., 3], volume.labels[..., 3], None)
    fig = student_and_teacher(
        {1: learner(3.5, 7.5, Task(1, TASK.classes, 2))}, flat, Task(1, TASK.classes, 2)
    )(1)
    assert fig.axes[3].get_title("center") == "differ: 40"


def test_dice_is_the_mean_over_the_classes():
    reference, found = np.array([0, 1, 1, 2, 2]), np.array([0, 1, 1, 0, 0])
    assert case_dice(found, reference, Task(1, ("b", "x", "y"), 1)) == 0.5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [("ball",), ("right ventricle", "myocardium", "left ventricle")])
def test_no_words_are_cut_off_or_cover_each_other(names):
    task = Task(1, ("background", *names), 3)
    one = MeanTeacher(task, network=SMALL, spatial_dims=2)
    one.patch = (8, 8)
    assert_legible(student_and_teacher({1000: one}, stairs(), task)(1000))


def test_learners_without_a_teacher_are_refused():
    with pytest.raises(ValueError, match="learners: expected one or more, got none"):
        student_and_teacher({}, stairs(), TASK)
    with pytest.raises(ValueError, match="learners: expected one with a teacher, got PiModel"):
        student_and_teacher({1: PiModel(TASK, network=SMALL, spatial_dims=2)}, stairs(), TASK)
