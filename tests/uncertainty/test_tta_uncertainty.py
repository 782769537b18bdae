"""What is changed is changed back, before it is averaged; the same change for all patches of a draw."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import SMALL, sampled, task

from medseg_lab.data import augment
from medseg_lab.data.task import Task
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty import test_time_augmentation as module
from medseg_lab.uncertainty.test_time_augmentation import ImageChange, TestTimeAugmentation

BOTH_AXES = {"mirror": [0, 1], "geometric": False, "intensity": False}


class Answering(Segmenter):
    """A foreground of f(image), voxel by voxel or not, and what it was asked about."""

    task: Task = field(kw_only=False)
    f: Any = field(kw_only=False)

    def build(self) -> None:
        self.asked: list[Tensor] = []

    def predict(self, image: Tensor) -> Tensor:
        self.asked.append(image.clone())
        foreground = self.f(image)
        return torch.cat((1 - foreground, foreground), dim=1)


def augmented(f: Callable[[Tensor], Tensor] = torch.sigmoid, dims: int = 2, **how: Any) -> Any:
    return TestTimeAugmentation(learner=Answering(task(dims), f), **how)


def ramp(image: Tensor) -> Tensor:
    """The same whatever the image: 0 in the first row, rising to 1 in the last."""
    height = image.shape[2]
    return torch.linspace(0, 1, height).view(1, 1, -1, 1).expand(image.shape)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_what_is_mirrored_is_mirrored_back(shape):
    # a learner that answers voxel by voxel says of a mirrored image the mirror of what it says
    learner = augmented(lambda x: x, len(shape), **BOTH_AXES)
    image = noise(2, 1, *shape).sigmoid()
    found = sampled(learner, image, 12)
    asked = learner.learner.asked[-1].unflatten(0, (12, 2))
    assert not torch.equal(asked, image.expand_as(asked))
    assert torch.equal(found[:, :, 1:], image.expand(12, 2, 1, *shape))
    torch.testing.assert_close(learner.predict(image), found[0])


def test_each_answer_is_turned_back_before_the_mean():
    # whatever the image, it says 0 to 1; of a mirrored image that means 1 to 0: the mean is 1/2 in between
    learner = augmented(ramp, mirror=[0], geometric=False, intensity=False)
    found = sampled(learner, noise(1, 1, 5, 4), 40)[:, 0, 1, :, 0]
    up = torch.linspace(0, 1, 5)
    turned = [torch.equal(answer, up.flip(0)) for answer in found]
    assert all(t or torch.equal(answer, up) for t, answer in zip(turned, found, strict=True))
    assert 10 < sum(turned) < 30
    share = sum(turned) / 40
    torch.testing.assert_close(found.mean(dim=0), share * up.flip(0) + (1 - share) * up)


@pytest.mark.parametrize("axes", [[], [1], [0, 1]])
def test_only_the_axes_named_are_mirrored(axes):
    learner = augmented(mirror=axes, geometric=False, intensity=False)
    image = noise(1, 1, 6, 6)
    sampled(learner, image, 30)
    wanted = {()} | {(a,) for a in axes} | ({(0, 1)} if len(axes) == 2 else set())
    found = {
        flips
        for asked in learner.learner.asked[-1]
        for flips in [(), (0,), (1,), (0, 1)]
        if torch.equal(asked[0].flip(flips), image[0, 0])
    }
    assert found == wanted


def test_turns_and_scales_are_undone():
    # a plane is interpolated without error: where a voxel was in view, the answer is the plain one
    plane = 0.5 + 0.1 * ramp(noise(2, 1, 20, 24)) + 0.1 * ramp(noise(2, 1, 24, 20)).transpose(2, 3)
    learner = augmented(lambda x: x, mirror=[0, 1], intensity=False)
    found = sampled(learner, plane, 20)[:, :, 1:, 5:-5, 6:-6]
    torch.testing.assert_close(found, plane[..., 5:-5, 6:-6].expand_as(found), atol=1e-4, rtol=0)


def test_every_geometric_draw_is_turned_and_scaled():
    learner, rng = augmented(), np.random.default_rng(0)
    for _ in range(20):
        (matrix,) = learner.drawn_change(rng).matrix
        scale = np.sqrt(np.linalg.det(matrix))
        np.testing.assert_allclose(matrix @ matrix.T, scale**2 * np.eye(2), atol=1e-12)  # voxels are squares
        assert abs(scale - 1) > 1e-4
        assert abs(matrix[0, 1]) > 1e-4
    learner = augmented(geometric=False)
    assert not any(len(augment.turned(learner.drawn_change(rng).matrix)) for _ in range(20))


def test_out_of_view_the_plain_answer_stands_in():
    # all say .9 of a changed image, .2 of the image itself, which is asked about first
    said = iter([0.2, 0.9])
    learner = augmented(lambda x: torch.full_like(x, next(said)), mirror=[], intensity=False)
    torch.manual_seed(5)
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    matrices = [learner.drawn_change(rng).matrix[0] for _ in range(8)]
    found = sampled(learner, noise(1, 1, 15, 15), 8, seed=5)[:, 0]
    torch.testing.assert_close(found.sum(dim=1), torch.ones(8, 15, 15))
    places = np.stack(np.meshgrid(*[np.arange(15) - 7.0] * 2, indexing="ij"), axis=-1)
    hidden = 0
    for foreground, matrix in zip(found[:, 1], matrices, strict=True):
        # where each voxel lies in the changed patch
        at = np.abs(places @ np.linalg.inv(matrix).T).max(axis=-1)
        for where, value in ((at < 6.99, 0.9), (at > 7.01, 0.2)):
            said_there = foreground[torch.from_numpy(where)]
            torch.testing.assert_close(said_there, torch.full_like(said_there, value))
        hidden += (at > 7.01).sum()
    assert hidden > 0


def test_with_all_off_it_is_the_learner_itself():
    base, image = Supervised(task(2), network=SMALL).eval(), noise(2, 1, 16, 16)
    off = TestTimeAugmentation(learner=base, mirror=[], geometric=False, intensity=False)
    torch.testing.assert_close(sampled(off, image, 3), base.predict(image).expand(3, 2, 2, 16, 16))


def test_intensity_is_changed_as_in_training(monkeypatch):
    monkeypatch.setattr(module, "STRENGTH", augment.Augmentation(gamma_share=1.0, noise_share=1.0))
    learner = augmented(mirror=[], geometric=False)
    image = noise(1, 1, 6, 6).repeat(2, 1, 1, 1)
    sampled(learner, image, 4, seed=2)
    asked = learner.learner.asked[-1].unflatten(0, (4, 2))
    torch.manual_seed(2)
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    for seen in asked:
        change = learner.drawn_change(rng).intensity
        torch.testing.assert_close(seen[0], augment.change_intensity(image[:1].clone(), change)[0])
        assert torch.equal(seen[0], seen[1])  # the noise, too
        assert change.gamma != 1
        assert change.noise > 0


@pytest.mark.parametrize("geometric", [False, True])
def test_the_image_is_left_as_it_was(geometric):
    image = noise(2, 1, 8, 8)
    sampled(augmented(geometric=geometric), image, 6)
    assert torch.equal(image, noise(2, 1, 8, 8))


@pytest.mark.parametrize("together", [1, 2 * 3 * 100, 2**17])
def test_draws_depend_neither_on_the_patches_nor_on_how_many_go_together(monkeypatch, together):
    monkeypatch.setattr(module, "VOXELS", {"cpu": together})
    image, learner = noise(3, 1, 10, 10), augmented(mirror=[0, 1])
    found = sampled(learner, image, 7)
    assert {len(a) for a in learner.learner.asked[1:]} == {1: {3}, 600: {6, 3}, 2**17: {21}}[together]
    torch.testing.assert_close(found[:, :1], sampled(augmented(mirror=[0, 1]), image[:1], 7))


def test_half_precision_changes_neither_the_geometry_nor_the_type_of_the_answer():
    image = noise(1, 1, 32, 32)
    exact = sampled(augmented(), image, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(sampled(augmented(), image, 4), exact)
    assert sampled(augmented(lambda x: x.sigmoid().bfloat16()), image, 2).dtype == torch.float32


def test_a_change_is_applied_turn_first_then_mirror():
    # a quarter turn takes (i, j) from (-j, i); then the first axis is reversed
    matrix = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    change = ImageChange(matrix, np.array([[True, False]]), None)
    image = noise(1, 1, 5, 5)
    expected = torch.empty(5, 5)
    for i in range(5):
        for j in range(5):
            expected[i, j] = image[0, 0, 4 - j, i]
    seen = change.applied(image)
    torch.testing.assert_close(seen[0, 0], expected.flip(0))
    back = change.undone(torch.cat((1 - seen, seen), dim=1), torch.zeros(1, 2, 5, 5))
    torch.testing.assert_close(back[:, 1:], image)


@pytest.mark.parametrize("axes", [[2], [-1], [0, 3]])
def test_an_axis_that_patches_lack_is_refused(axes):
    with pytest.raises(ValueError, match=r"TestTimeAugmentation: mirror: expected axes of 0 to 1, got \["):
        augmented(mirror=axes)
