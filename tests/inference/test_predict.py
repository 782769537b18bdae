"""A whole image from patches."""

import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.task import Task
from medseg_lab.inference.predict import predict_case
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised

CLASSES = ("background", "a", "b")


class Voxelwise(Segmenter):
    """Scores each voxel by itself, and notes what it is given."""

    task: Task

    def build(self) -> None:
        self.weight = nn.Parameter(torch.tensor([0.0, 1.0, -2.0]))
        self.seen: list[tuple[int, ...]] = []
        self.modes: list[tuple[bool, bool]] = []

    def predict(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape))
        self.modes.append((self.training, torch.is_autocast_enabled("cpu")))
        shape = (1, -1) + (1,) * (image.ndim - 2)
        return (image[:, :1] * self.weight.reshape(shape)).softmax(1)


def probabilities(image: Tensor, learner: Voxelwise) -> Tensor:
    """What `Voxelwise` predicts: no neighbour matters."""
    return (image[0] * learner.weight.detach().reshape(3, *[1] * (image.ndim - 1))).softmax(0)


@pytest.mark.parametrize(
    ("dims", "shape", "patch"),
    [
        (3, (10, 12, 9), (10, 12, 9)),  # the patch is the volume
        (3, (10, 12, 9), (16, 16, 16)),  # smaller than the patch along every axis
        (3, (10, 30, 9), (16, 16, 16)),  # along some
        (3, (33, 20, 17), (16, 16, 16)),
        (2, (40, 25), (16, 16)),
        (2, (9, 7), (16, 16)),
    ],
)
def test_windows_put_every_voxel_back_in_its_place(dims, shape, patch):
    learner = Voxelwise(task=Task(2, CLASSES, dims))
    image = torch.randn(2, *shape)
    found = predict_case(learner, image, patch)
    assert found.shape == (3, *shape)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, probabilities(image, learner))
    assert {seen[2:] for seen in learner.seen} == {patch}


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("patch", [(32, 32), (8, 8)])
def test_a_learner_of_slices_predicts_a_volume_slice_by_slice(axis, patch):
    learner = Voxelwise(task=Task(2, CLASSES, 2))
    image = torch.randn(2, 14, 12, 10)
    found = predict_case(learner, image, patch, slice_axis=axis)
    assert found.shape == (3, 14, 12, 10)
    torch.testing.assert_close(found, probabilities(image, learner))
    assert {len(seen) for seen in learner.seen} == {4}


def test_a_slice_is_predicted_as_it_would_be_alone():
    """A network with a receptive field tells a slice across one axis from one across another."""
    learner = Supervised(Task(1, CLASSES, 3), network=recipe(UNet, features=(4, 8)), spatial_dims=2)
    image = torch.randn(1, 16, 12, 5)
    found = predict_case(learner, image, (16, 12), slice_axis=2)
    with torch.no_grad():
        alone = learner.eval().predict(image[None, ..., 3])[0]
    torch.testing.assert_close(found[..., 3], alone)


def test_one_window_equals_the_plain_prediction():
    learner = Supervised(Task(1, CLASSES, 3), network=recipe(UNet, features=(4, 8)))
    image = torch.randn(1, 16, 12, 20)
    with torch.no_grad():
        plain = learner.eval().predict(image[None])[0]
    torch.testing.assert_close(predict_case(learner, image, (16, 12, 20)), plain)


def test_the_volumes_patch_serves_a_learner_of_slices():
    learner = Voxelwise(task=Task(1, CLASSES, 2))
    predict_case(learner, torch.randn(1, 20, 12, 30), (8, 6, 10), slice_axis=1)
    assert {seen[2:] for seen in learner.seen} == {(8, 10)}


def test_without_a_patch_it_takes_the_one_of_training():
    learner = Voxelwise(task=Task(1, CLASSES, 3))
    learner.patch = (8, 8, 8)
    predict_case(learner, torch.randn(1, 12, 12, 12))
    assert {seen[2:] for seen in learner.seen} == {(8, 8, 8)}


@pytest.mark.parametrize(("precision", "low"), [("32-true", False), ("bf16-mixed", True)])
def test_the_precision_is_that_of_training_and_the_mode_evaluation(precision, low):
    learner = Voxelwise(task=Task(1, CLASSES, 3)).train()
    learner.precision = precision
    found = predict_case(learner, torch.randn(1, 8, 8, 8), (8, 8, 8))
    assert set(learner.modes) == {(False, low)}
    assert learner.training  # as it was
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(0), torch.ones(8, 8, 8))


def test_bfloat16_changes_a_probability_by_its_rounding_only():
    learner = Supervised(Task(1, CLASSES, 3), network=recipe(UNet, features=(4, 8)))
    image = torch.randn(1, 16, 16, 16)
    full = predict_case(learner, image, (16, 16, 16))
    learner.precision = "bf16-mixed"
    low = predict_case(learner, image, (16, 16, 16))
    assert not torch.equal(low, full)
    torch.testing.assert_close(low, full, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("dims", "shape", "patch"),
    [
        (3, (1, 8, 8), (8, 8, 8)),
        (3, (1, 8, 8, 8), (8, 8)),
        (2, (1, 8), (8, 8)),
        (3, (1, 2, 8, 8, 8), (8, 8, 8)),
    ],
)
def test_dimensions_that_do_not_belong_together_are_refused(dims, shape, patch):
    with pytest.raises(ValueError, match=rf"image: expected {dims} axes behind C and in the patch, got"):
        predict_case(Voxelwise(task=Task(1, CLASSES, dims)), torch.zeros(shape), patch)


class AtItsEdge(Voxelwise):
    """Predicts class a at the first and last voxel of a window, background elsewhere."""

    def predict(self, image: Tensor) -> Tensor:
        edge = torch.zeros_like(image[:, 0])
        edge[..., 0] = edge[..., -1] = 1
        return torch.stack((1 - edge, edge, torch.zeros_like(edge)), dim=1)


def test_where_windows_overlap_the_more_central_voxel_counts_more():
    """Windows of 8 over 14 start at 0 and 6: each one's edge lies one voxel inside the other (6 and 7).

    Equal weights would give 1/2 there; with Gaussian weights the window that has it inside counts more.
    """
    found = predict_case(AtItsEdge(task=Task(1, CLASSES, 2)), torch.zeros(1, 8, 14), (8, 8))
    edge = found[1, 4]
    assert edge[0] == edge[13] == 1
    assert edge[3] == 0
    assert 0.01 < edge[6] < 0.49
    assert edge[7] == pytest.approx(edge[6])
