"""Answers to flipped and scaled copies are brought back, then averaged; equivariant networks gain nothing."""

from dataclasses import field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.task import Task
from medseg_lab.inference.flips_and_scales import FlipsAndScales
from medseg_lab.training.segmenter import Segmenter


class Answering(Segmenter):
    """A foreground of f(image)."""

    task: Task = field(kw_only=False)
    f: Any = field(kw_only=False)

    def predict(self, image: Tensor) -> Tensor:
        foreground = self.f(image)
        return torch.cat((1 - foreground, foreground), dim=1)


def asked(f, shape, mirror=None, scales=(), allowed=()):
    task = Task(1, ("background", "a"), len(shape), mirror=allowed)
    return FlipsAndScales(learner=Answering(task, f), mirror=mirror, scales=list(scales))


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(7, 8), (5, 6, 4)])
def test_an_exactly_equivariant_network_is_left_as_it_is(shape):
    """Its kernels are their own mirror images, so it answers a flipped image with the flipped answer."""
    d = len(shape)
    torch.manual_seed(0)
    conv = (nn.Conv2d, nn.Conv3d)[d - 2](1, 1, 3, padding=1)
    with torch.no_grad():
        for axis in range(2, 2 + d):
            conv.weight += conv.weight.flip(axis)
        learner = asked(lambda x: conv(x).sigmoid(), shape, mirror=list(range(d)))
        image = noise(2, 1, *shape)
        assert len(learner.changes) == 2**d - 1
        torch.testing.assert_close(learner.predict(image), learner.learner.predict(image))
        conv.weight[(0, 0, *[0] * d)] += 1
        assert not torch.allclose(learner.predict(image), learner.learner.predict(image), atol=1e-3)


def test_answers_are_flipped_back_before_the_mean():
    # whatever the image, it says 0 in the first row to 1 in the last: of a flipped image that is 1 to 0
    ramp = torch.linspace(0, 1, 5).view(1, 1, 5, 1)
    learner = asked(lambda x: ramp.expand(x.shape), (5, 4), mirror=[0])
    torch.testing.assert_close(learner.predict(noise(1, 1, 5, 4)), torch.full((1, 2, 5, 4), 0.5))
    first, second, third = learner.sample(noise(1, 1, 5, 4), 3)[:, 0, 1, :, 0]
    torch.testing.assert_close(first, ramp.flatten())
    torch.testing.assert_close(second, ramp.flatten().flip(0))
    assert torch.equal(third, first)


def test_scales_are_undone_and_what_was_out_of_view_is_plain():
    # a plane is interpolated without error, but near the border of a smaller copy, where zeros come in
    plane = 0.3 + 0.02 * torch.arange(12.0).view(1, 1, 12, 1).expand(1, 1, 12, 12)
    learner = asked(lambda x: x, (12, 12), scales=[0.5, 2.0])
    small, large = learner.sample(plane, 3)[1:, 0, 1]
    torch.testing.assert_close(large, plane[0, 0])
    torch.testing.assert_close(small[3:-3, 3:-3], plane[0, 0, 3:-3, 3:-3], atol=1e-5, rtol=0)
    # it says how large a square it sees: the copy of twice the size shows four times the foreground
    square = torch.zeros(1, 1, 12, 12)
    square[..., 4:8, 4:8] = 1
    seen = asked(lambda x: x.mean((2, 3), keepdim=True).expand(x.shape), (12, 12), scales=[2.0])
    plain, doubled = seen.sample(square, 2)[:, 0, 1]
    assert plain[6, 6] == pytest.approx(16 / 144)
    assert doubled[6, 6] == pytest.approx(4 * 16 / 144, rel=1e-3)
    assert doubled[0, 0] == pytest.approx(16 / 144)


def test_the_card_says_which_axes_are_flipped_also_of_slices():
    card = load_card("virtual-brain").preprocessing
    assert (card.mirror, card.slice_axis) == ((0,), 2)
    task = Task(1, ("background", "a"), 3, slice_axis=0, mirror=(0, 2))
    assert task.in_dimension(3) == task
    assert task.in_dimension(2) == replace(task, spatial_dims=2, mirror=(1,))
    learner = asked(torch.sigmoid, (6, 6), allowed=(1,))
    assert [change.mirrored.tolist() for change in learner.changes] == [[[False, True]]]
    assert not asked(torch.sigmoid, (6, 6)).changes


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"mirror": [2]}, r"mirror: expected axes of 0 to 1, got \[2\]"), ({"scales": [0.0]}, "sizes above 0")],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        asked(torch.sigmoid, (6, 6), **wrong)
