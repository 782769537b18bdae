"""What is changed is changed back, before it is averaged; the same change for all patches of a draw."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data import augment
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty import test_time_augmentation as module
from medseg_lab.uncertainty.test_time_augmentation import ImageChange, TestTimeAugmentation

OFF = {"mirror": [], "geometric": False, "intensity": False}


class Answering(Learner):
    """A foreground of f(image), voxel by voxel or not, and what it was asked about."""

    def __init__(self, f: Callable[[Tensor], Tensor], dims: int = 2) -> None:
        super().__init__(Task(1, ("background", "a"), dims))
        self.f = f
        self.asked: list[Tensor] = []

    def predict(self, image: Tensor) -> Tensor:
        self.asked.append(image.clone())
        foreground = self.f(image)
        return torch.cat((1 - foreground, foreground), dim=1)


def ramp(image: Tensor) -> Tensor:
    """Blind to the image: 0 in the first row, rising to 1 in the last."""
    height = image.shape[2]
    return torch.linspace(0, 1, height).view(1, 1, -1, 1).expand(image.shape)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def passes(learner: TestTimeAugmentation, image: Tensor, n: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return learner.sample(image, n)


def test_what_is_mirrored_is_mirrored_back():
    # a learner that answers voxel by voxel says of a mirrored image the mirror of what it says
    learner = TestTimeAugmentation(Answering(lambda x: x), [0, 1], geometric=False, intensity=False)
    image = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    found = passes(learner, image, 12)
    asked = learner.learner.asked[-1].unflatten(0, (12, 2))
    assert not torch.equal(asked, image.expand_as(asked))
    assert torch.equal(found[:, :, 1:], image.expand(12, 2, 1, 6, 7))
    torch.testing.assert_close(learner.predict(image), found[0])


def test_each_answer_is_turned_back_before_the_mean():
    # blind to the image, it says 0 to 1; of a mirrored image that means 1 to 0: the mean is 1/2 in between
    learner = TestTimeAugmentation(Answering(ramp), [0], geometric=False, intensity=False)
    image = noise(1, 1, 5, 4)
    found = passes(learner, image, 40)[:, 0, 1, :, 0]
    up = torch.linspace(0, 1, 5)
    turned = [torch.equal(answer, up.flip(0)) for answer in found]
    assert all(t or torch.equal(answer, up) for t, answer in zip(turned, found, strict=True))
    assert 10 < sum(turned) < 30
    share = sum(turned) / 40
    torch.testing.assert_close(found.mean(dim=0), share * up.flip(0) + (1 - share) * up)


@pytest.mark.parametrize("axes", [[], [0], [1], [0, 1]])
def test_only_the_axes_named_are_mirrored(axes):
    learner = TestTimeAugmentation(Answering(torch.sigmoid), axes, geometric=False, intensity=False)
    image = noise(1, 1, 6, 6)
    passes(learner, image, 30)
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
    learner = TestTimeAugmentation(Answering(lambda x: x), [0, 1], intensity=False)
    found = passes(learner, plane, 20)[:, :, 1:, 5:-5, 6:-6]
    torch.testing.assert_close(found, plane[..., 5:-5, 6:-6].expand_as(found), atol=1e-4, rtol=0)


def test_every_geometric_draw_is_turned_and_scaled():
    learner = TestTimeAugmentation(Answering(torch.sigmoid))
    rng = np.random.default_rng(0)
    for _ in range(20):
        (matrix,) = learner.drawn_change(rng).matrix
        scale = np.sqrt(np.linalg.det(matrix))
        np.testing.assert_allclose(matrix @ matrix.T, scale**2 * np.eye(2), atol=1e-12)  # voxels are squares
        assert abs(scale - 1) > 1e-4
        assert abs(matrix[0, 1]) > 1e-4
    learner.geometric = False
    assert not any(len(augment.turned(learner.drawn_change(rng).matrix)) for _ in range(20))


def test_out_of_view_the_plain_answer_stands_in():
    # all say .9 of a changed image, .2 of the image itself, which is asked about first
    said = iter([0.2, 0.9])
    learner = TestTimeAugmentation(Answering(lambda x: torch.full_like(x, next(said))), [], intensity=False)
    image = noise(1, 1, 15, 15)
    torch.manual_seed(5)
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    matrices = [learner.drawn_change(rng).matrix[0] for _ in range(8)]
    found = passes(learner, image, 8, seed=5)[:, 0]
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


def test_probabilities_sum_to_one():
    torch.manual_seed(0)
    learner = TestTimeAugmentation(Supervised(Task(1, ("a", "b", "c"), 2), recipe(UNet, features=(4, 8))))
    found = passes(learner.eval(), noise(2, 1, 16, 16), 6)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(dim=2), torch.ones(6, 2, 16, 16))
    assert found.min() >= 0
    torch.testing.assert_close(passes(learner, noise(2, 1, 16, 16), 8).mean(dim=0), mean_of_eight(learner))


def mean_of_eight(learner: TestTimeAugmentation) -> Tensor:
    torch.manual_seed(0)
    return learner.predict(noise(2, 1, 16, 16))


def test_with_all_off_it_is_the_learner_itself():
    torch.manual_seed(0)
    base = Supervised(Task(1, ("a", "b"), 2), recipe(UNet, features=(4, 8)))
    image = noise(2, 1, 16, 16)
    found = TestTimeAugmentation(base, **OFF).sample(image, 3)
    torch.testing.assert_close(found, base.predict(image).expand(3, 2, 2, 16, 16))


def test_intensity_is_changed_as_in_training(monkeypatch):
    monkeypatch.setattr(module, "STRENGTH", augment.Strength(gamma_share=1.0, noise_share=1.0))
    learner = TestTimeAugmentation(Answering(torch.sigmoid), [], geometric=False)
    image = noise(2, 1, 6, 6)
    image[1] = image[0]
    passes(learner, image, 4, seed=2)
    asked = learner.learner.asked[-1].unflatten(0, (4, 2))
    torch.manual_seed(2)
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    for seen in asked:
        change = learner.drawn_change(rng).intensity
        torch.testing.assert_close(seen[0], augment.change_intensity(image[:1].clone(), change)[0])
        assert torch.equal(seen[0], seen[1])  # the noise, too
        assert change.gamma != 1
        assert change.noise > 0


def test_the_image_is_left_as_it_was():
    image = noise(2, 1, 8, 8)
    for n in range(4):
        passes(TestTimeAugmentation(Answering(torch.sigmoid), geometric=bool(n % 2)), image, 3, seed=n)
    assert torch.equal(image, noise(2, 1, 8, 8))


@pytest.mark.parametrize("together", [1, 2 * 3 * 100, 2**17])
def test_draws_depend_neither_on_the_patches_nor_on_how_many_go_together(monkeypatch, together):
    monkeypatch.setattr(module, "VOXELS", {"cpu": together})
    image, learner = noise(3, 1, 10, 10), TestTimeAugmentation(Answering(torch.sigmoid), [0, 1])
    found = passes(learner, image, 7)
    assert found.shape == (7, 3, 2, 10, 10)
    assert {len(a) for a in learner.learner.asked[1:]} == {1: {3}, 600: {6, 3}, 2**17: {21}}[together]
    alone = passes(TestTimeAugmentation(Answering(torch.sigmoid), [0, 1]), image[:1], 7)
    torch.testing.assert_close(found[:, :1], alone)


def test_two_draws_differ_and_the_same_seeds_do_not():
    learner = TestTimeAugmentation(Answering(torch.sigmoid))
    first, second = passes(learner, noise(1, 1, 10, 10), 2)
    assert (first - second).abs().max() > 0.01
    assert torch.equal(first, passes(learner, noise(1, 1, 10, 10), 2)[0])
    assert not torch.equal(first, passes(learner, noise(1, 1, 10, 10), 2, seed=1)[0])


def test_geometry_keeps_its_precision_under_autocast():
    learner = TestTimeAugmentation(Answering(torch.sigmoid))
    exact = passes(learner, noise(1, 1, 32, 32), 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(passes(learner, noise(1, 1, 32, 32), 4), exact)


def test_answers_in_half_precision_become_float32():
    learner = TestTimeAugmentation(Answering(lambda x: x.sigmoid().bfloat16()))
    assert passes(learner, noise(1, 1, 8, 8), 2).dtype == torch.float32


def test_volumes_are_changed_too():
    learner = TestTimeAugmentation(Answering(torch.sigmoid, dims=3), [0, 1, 2])
    image = noise(2, 1, 8, 9, 10)
    found = passes(learner, image, 5)
    assert found.shape == (5, 2, 2, 8, 9, 10)
    torch.testing.assert_close(found.sum(dim=2), torch.ones(5, 2, 8, 9, 10))
    only = TestTimeAugmentation(Answering(lambda x: x, dims=3), [0, 1, 2], False, False)
    assert torch.equal(passes(only, image, 5)[:, :, 1:], image.expand(5, 2, 1, 8, 9, 10))


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


def test_nothing_is_trained_and_what_the_learner_knows_is_passed_on():
    base = Supervised(Task(1, ("a", "b"), 3), recipe(UNet, features=(4, 8)), spatial_dims=2, reading="random")
    base.patch, base.precision = (32, 48), "bf16-mixed"
    learner = TestTimeAugmentation(base).train()
    assert (learner.patch, learner.precision, learner.reading) == ((32, 48), "bf16-mixed", "random")
    assert learner.task.spatial_dims == 2
    assert not any(m.training for m in learner.modules() if isinstance(m, nn.Module))
    assert [name.removeprefix("learner.") for name in learner.state_dict()] == list(base.state_dict())


def test_its_recipe_has_the_learners_as_its_base():
    base = recipe(Supervised, network=recipe(UNet, features=(4, 8)))
    said = Recipe.from_dict(recipe(TestTimeAugmentation, learner=base, mirror=[0, 1]).to_dict())
    assert said.base == base
    learner = said.build(Task(1, ("a", "b"), 2))
    assert isinstance(learner.learner, Supervised)
    assert learner.mirror == (0, 1)


@pytest.mark.parametrize("axes", [[2], [-1], [0, 3]])
def test_an_axis_that_patches_lack_is_refused(axes):
    with pytest.raises(ValueError, match=r"mirror: got \[.+\], wanted axes of 0 to 1"):
        TestTimeAugmentation(Answering(torch.sigmoid), axes)
