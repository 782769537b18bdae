"""Pictures of what generators make: the reference moves along, and the same noise gives the same image."""

import pytest
import torch
from toys import SMALL, task, tiny_case

from medseg_lab.semi.adversaries.few_shot_gan import FewShotGAN
from medseg_lab.semi.adversaries.generative_augmentation import REACH, GenerativeAugmentation
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.show.generated import generated_images, generated_patches
from medseg_lab.training.learner import Learner
from tests.show.legible import assert_legible

CASE = tiny_case(0, shape=(40, 36, 4))


def learner(kind: type[Learner], seed: int = 0, **arguments) -> Learner:
    torch.manual_seed(seed)
    made = kind(task(), network=SMALL, spatial_dims=2, **arguments)
    made.patch = (24, 24)
    return made.eval()


def test_a_draw_is_told_and_drawn_again_alike():
    method = learner(GenerativeAugmentation, width=4)
    draw = generated_patches(method, CASE, method.task)
    first, again, other = draw(1), draw(1), draw(2)
    assert first.get_label() == again.get_label() != other.get_label()
    assert_legible(first)


def test_a_shift_is_told_in_pixels():
    method = learner(GenerativeAugmentation, width=4)
    method.deformation.field[1].weight.data.zero_()
    method.deformation.field[1].bias.data.copy_(torch.tensor([1.0, 0.0]))
    moved = REACH * torch.tensor(1.0).tanh() / 2**0.5  # one of two axes
    said = generated_patches(method, CASE, method.task)(0).get_label()
    assert said.count(f"moved by {moved:.1f} pixels") == 2
    assert said.count("0.0% folded") >= 1


def test_images_are_of_their_step_and_of_the_same_noise():
    learners = {step: learner(FewShotGAN, step, width=4) for step in (5, 9)}
    draw = generated_images(learners, [CASE, tiny_case(1, shape=(40, 36, 4))])
    pictures = [[image.get_array() for ax in draw(step).axes for image in ax.images] for step in (5, 5, 9)]
    assert all((one == other).all() for one, other in zip(pictures[0], pictures[1], strict=True))
    real, made = slice(0, 4), slice(4, 8)
    assert (pictures[0][real][0] == pictures[2][real][0]).all()
    assert (pictures[0][made][0] != pictures[2][made][0]).any()
    assert_legible(draw(5))


def test_another_learner_is_refused():
    with pytest.raises(
        ValueError, match="learner: expected GenerativeAugmentation of slices, got MeanTeacher"
    ):
        generated_patches(learner(MeanTeacher), CASE, task())
    with pytest.raises(ValueError, match="expected one or more of each, got none"):
        generated_images({}, [CASE])
