"""Small components on label maps by hand, and on whole cases."""

import pytest
import torch
from torch import Tensor, nn
from toys import task

from medseg_lab.data.task import Task
from medseg_lab.inference.predict import predict_case
from medseg_lab.inference.sample import sample_case
from medseg_lab.inference.small_components import SmallComponents
from medseg_lab.training.changed import Changed
from medseg_lab.training.notation import parse, written
from medseg_lab.training.segmenter import Segmenter

SURE = 0.75
"""The probability of the predicted class; the other two share the rest."""


class FromImage(Segmenter):
    """Predicts as class of a voxel what the image says: 0, 1 or 2."""

    task: Task

    def build(self) -> None:
        self.unused = nn.Parameter(torch.zeros(1))

    def predict(self, image: Tensor) -> Tensor:
        return torch.stack(
            [torch.where(image[:, 0].round() == k, SURE, (1 - SURE) / 2) for k in range(3)], dim=1
        )


class WithoutFirstRow(Changed):
    """Makes the first row of a case background, after what the learner does with a case."""

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        found = super().finish(probabilities, image).clone()
        found[:, 0] = torch.tensor([1.0, 0.0, 0.0]).view(3, *[1] * (found.ndim - 2))
        return found


def learner(dims: int = 2) -> FromImage:
    learner = FromImage(task=task(dims, 3))
    learner.patch = (4,) * dims
    return learner


def label(text: str) -> Tensor:
    """`(H, W)` from rows of digits; a dot is background."""
    return torch.tensor([[int(c.replace(".", "0")) for c in row] for row in text.split()])


def kept(found: Tensor) -> Tensor:
    return found.argmax(dim=0)


SEVERAL = """
    1111..1.22
    1111....22
    1111.1....
    .....1..1.
    22.......1
"""
# Class 1 by faces: 12, 1, 2, 1 and 1 voxels (two touch at a corner alone). Class 2: 4 and 2.


@pytest.mark.parametrize(
    ("share", "most", "wanted"),
    [
        (0.0, 2000, SEVERAL),  # nothing is smaller than 0
        (1 / 12, 2000, SEVERAL),  # the limits are 1 and 1/3: a component of just 1 voxel stays
        (0.1, 2000, "1111....22 1111....22 1111.1.... .....1.... 22........"),  # 1.2 and 0.4
        (0.3, 2000, "1111....22 1111....22 1111...... .......... 22........"),  # 3.6 and 1.2
        (1.0, 2000, "1111....22 1111....22 1111...... .......... .........."),  # the largest stay
        (1.0, 2, "1111....22 1111....22 1111.1.... .....1.... 22........"),  # from `most` voxels on all stay
        (1.0, 0, SEVERAL),
    ],
)
def test_components_below_the_limit_become_background(share, most, wanted):
    image = label(SEVERAL)[None].float()
    found = predict_case(SmallComponents(learner=learner(), share=share, most=most), image, (5, 10))
    assert torch.equal(kept(found), label(wanted))
    before = predict_case(learner(), image, (5, 10))
    removed = label(wanted) != label(SEVERAL)
    assert torch.equal(found[:, ~removed], before[:, ~removed])
    assert torch.equal(found[:, removed], torch.tensor([[1.0], [0.0], [0.0]]).expand(3, int(removed.sum())))


def test_components_of_a_volume_are_connected_through_faces_in_three_dimensions():
    image = torch.zeros(1, 6, 6, 6)
    image[0, :3, :3, :3] = 1  # 27 voxels
    image[0, 5, 5, :3] = 1  # a rod of 3
    image[0, 3, 3, 3] = 1  # touches the cube at a corner
    image[0, 0, 5, 5] = 2  # the only one of its class, on which class 1 has no say
    wanted = image[0].clone()
    wanted[3, 3, 3] = 0
    assert torch.equal(kept(predict_case(SmallComponents(learner=learner(3)), image)).float(), wanted)
    wanted[5, 5, :3] = 0
    strict = SmallComponents(learner=learner(3), share=0.2)
    assert torch.equal(kept(predict_case(strict, image)).float(), wanted)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_class_that_is_absent_or_everywhere_is_left_alone(value):
    image = torch.full((1, 6, 6), value)
    found = predict_case(SmallComponents(learner=learner(), share=1.0), image)
    assert torch.equal(found, predict_case(learner(), image))


def test_a_learner_of_slices_is_judged_by_the_components_of_the_volume():
    # in a slice the rod is 1 voxel beside none or 16, in the volume 10 beside 32 (the limit is 3.2)
    image = torch.zeros(1, 8, 8, 10)
    image[0, :4, :4, 4:6] = 1
    image[0, 7, 7, :] = 1
    wanted = image[0].clone()
    image[0, 0, 7, 4:7] = 1  # as thick, but short: 3
    for axis in (0, 1, 2):
        found = predict_case(SmallComponents(learner=learner()), image, slice_axis=axis)
        assert torch.equal(kept(found).float(), wanted)


def test_every_sample_is_cleaned():
    image = label(SEVERAL)[None].float()
    found = sample_case(SmallComponents(learner=learner()), image, 2, (5, 10))
    wanted = predict_case(SmallComponents(learner=learner()), image, (5, 10))
    assert torch.equal(found, torch.stack([wanted, wanted]))


def test_inside_another_wrapper_and_around_it_both_act():
    # Columns of 5, 4 and 2; without the first row 4, 3 and 1 are left.
    image = label("1.1.1 1.1.1 1.1.. 1.1.. 1....")[None].float()
    inner = WithoutFirstRow(learner=SmallComponents(learner=learner(), share=0.8))  # removes below 4
    assert torch.equal(kept(predict_case(inner, image, (5, 5))), label("..... 1.1.. 1.1.. 1.1.. 1...."))
    outer = SmallComponents(learner=WithoutFirstRow(learner=learner()), share=0.8)  # removes below 3.2
    assert torch.equal(kept(predict_case(outer, image, (5, 5))), label("..... 1.... 1.... 1.... 1...."))


def test_its_recipe_and_what_it_refuses():
    text = "SmallComponents(learner=Supervised(network=UNet(), spatial_dims=2))"
    assert written(parse(text.replace("))", "), share=0.1, most=2000)"))) == text
    assert parse(text).bases == (parse("Supervised(network=UNet(), spatial_dims=2)"),)
    with pytest.raises(ValueError, match="SmallComponents: share: expected less than or equal to 1, got"):
        SmallComponents(learner=learner(), share=1.5)
    with pytest.raises(
        ValueError, match="SmallComponents: most: expected greater than or equal to 0, got -1"
    ):
        SmallComponents(learner=learner(), most=-1)
