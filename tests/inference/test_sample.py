"""Samples of a whole image from windows: one draw throughout."""

import pytest
import torch
from torch import Tensor, nn
from toys import task

from medseg_lab.data.task import Task
from medseg_lab.inference.predict import VOXELS
from medseg_lab.inference.sample import sample_case
from medseg_lab.training.segmenter import Segmenter


class Drawing(Segmenter):
    """Logits: plus and minus the voxel plus one number a draw. It notes how many patches it is given."""

    task: Task

    def build(self) -> None:
        self.weight = nn.Parameter(torch.ones(1))
        self.patches: list[int] = []

    def sample(self, image: Tensor, n: int) -> Tensor:
        self.patches.append(len(image))
        shift = torch.randn(n, 1, 1, *[1] * (image.ndim - 2))
        logits = self.weight * image[None] + shift
        return torch.cat((-logits, logits), dim=2).softmax(dim=2)


def drawing(dims: int = 2) -> Drawing:
    learner = Drawing(task=task(dims))
    learner.patch = (8,) * dims
    return learner


@pytest.mark.parametrize(
    ("dims", "shape"), [(2, (8, 8)), (2, (30, 21)), (2, (5, 40)), (3, (9, 20, 12)), (2, (11, 9, 13))]
)
def test_sample_i_is_one_draw_in_every_window_and_slice(dims, shape, monkeypatch):
    monkeypatch.setitem(VOXELS, "cpu", 1)  # a call for each window
    torch.manual_seed(0)
    learner, image = drawing(dims), torch.rand(1, *shape)  # small: where p nears 1, logits lose their digits
    found = sample_case(learner, image, 5, slice_axis=1)
    assert found.shape == (5, 2, *shape)
    assert found.dtype == torch.float32
    shift = found[:, 1].logit() / 2 - image
    spread = shift.flatten(1).std(dim=1)
    assert spread.max() < 1e-4  # the same number at every voxel
    assert shift.flatten(1).mean(dim=1).std() > 0.1  # another in every sample
    assert set(learner.patches) == {1}
    torch.testing.assert_close(found.sum(dim=1), torch.ones(5, *shape))


def test_the_same_seed_gives_the_same_samples_and_the_generator_moves_on():
    learner, image = drawing(), torch.randn(1, 20, 20)
    torch.manual_seed(3)
    first, second = sample_case(learner, image, 3), sample_case(learner, image, 3)
    torch.manual_seed(3)
    assert torch.equal(first, sample_case(learner, image, 3))
    assert not torch.allclose(first, second)


def test_the_generator_moves_on_by_one_number_however_large_the_image():
    after = []
    for size in (8, 50):
        torch.manual_seed(3)
        sample_case(drawing(), torch.randn(1, size, size, generator=torch.Generator()), 3)
        after.append(torch.rand(()).item())
    assert after[0] == after[1]


def test_many_samples_take_fewer_windows_at_once(monkeypatch):
    monkeypatch.setitem(VOXELS, "cpu", 16 * 64)
    image = torch.randn(1, 40, 40)
    few, many = drawing(), drawing()
    sample_case(few, image, 1)
    sample_case(many, image, 8)
    assert max(few.patches) == 16
    assert max(many.patches) == 8


def test_no_sample_is_refused():
    with pytest.raises(ValueError, match="samples: expected 1 or more, got 0"):
        sample_case(drawing(), torch.randn(1, 8, 8), 0)
