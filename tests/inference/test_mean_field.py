"""Mean field against the sum over all pairs, and what a window leaves out."""

from itertools import product
from math import exp, pi

import numpy as np
import pytest
import torch
from scipy.stats import chi
from toys import task

from medseg_lab.data.task import Task
from medseg_lab.inference.conditional_random_field import ConditionalRandomField
from medseg_lab.inference.mean_field import mean_field
from medseg_lab.training.segmenter import Segmenter

SHAPES = [(5, 4), (4, 3, 3)]
SIZES = {2: (1.0, 1.5), 3: (1.0, 1.5, 2.0)}


def drawn(shape, classes=3, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((classes, *shape), generator=generator, dtype=torch.float64)
    image = torch.randn((channels, *shape), generator=generator, dtype=torch.float64)
    return logits.softmax(0), image


def brute_force(p, f, w1, w2, alpha, beta, gamma, sizes, updates):
    """The updates as they are written, voxel by voxel and pair by pair."""
    voxels = list(product(*(range(n) for n in p.shape[1:])))
    dims = len(sizes)

    def gauss(square, width):
        return np.prod(sizes) * exp(-square / 2 / width**2) / (2 * pi * width**2) ** (dims / 2)

    q = p
    for _ in range(updates):
        new = np.empty_like(p)
        for i in voxels:
            for k in range(len(p)):
                heard = 0.0
                for j in voxels:
                    if j != i:
                        square = sum(((a - b) * size) ** 2 for a, b, size in zip(i, j, sizes, strict=True))
                        unlike = sum((f[c][i] - f[c][j]) ** 2 for c in range(len(f))) / len(f)
                        alike = exp(-unlike / (2 * beta**2))
                        heard += (w1 * gauss(square, alpha) * alike + w2 * gauss(square, gamma)) * q[k][j]
                new[k][i] = p[k][i] * exp(heard)
            new[(slice(None), *i)] /= sum(new[k][i] for k in range(len(p)))
        q = new
    return q


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_sum_over_all_pairs(shape):
    p, f = drawn(shape)
    sizes = SIZES[len(shape)]
    found = mean_field(
        p,
        f,
        appearance=3,
        smoothness=2,
        alpha=2.5,
        beta=0.7,
        gamma=0.8,
        radius=99,
        iterations=3,
        spacing=sizes,
    )
    wanted = brute_force(p.numpy(), f.numpy(), 3, 2, 2.5, 0.7, 0.8, sizes, 3)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    assert (found - p).abs().max() > 0.05  # or the two would agree for nothing


@pytest.mark.parametrize("dims", [2, 3])
def test_a_window_leaves_out_no_more_than_the_mass_beyond_it(dims):
    """Of one update: log q is off by at most the weights times what a Gaussian has beyond the radius."""
    p, f = drawn((11,) * dims)
    how = {"appearance": 2.0, "smoothness": 0.0, "alpha": 1.0, "iterations": 1}
    full = mean_field(p, f, radius=99, **how)
    off = []
    for radius in (1.0, 2.0, 3.0):  # 1, 2 and 3 widths
        window = mean_field(p, f, radius=radius, **how)
        off.append(float((window.log() - full.log()).abs().max()))
        assert off[-1] <= 2.0 * beyond(radius, dims) + 0.02  # a grid is not quite a plane
    assert off[0] > off[1] > off[2]
    assert off[2] < 0.02


def beyond(widths, dims):
    """The share of a normal distribution that is so far out."""
    return float(chi(dims).sf(widths))


def test_like_neighbours_decide_and_unlike_ones_do_not():
    """Two halves of a picture, one voxel undecided beside the edge: by hand for one update.

    It has two neighbours, one in each half. The like one adds w1 G_alpha(1) exp(0), the other exp(-4^2 / 2)
    of this, for its own class.
    """
    p = torch.tensor([[[0.9, 0.5, 0.1]], [[0.1, 0.5, 0.9]]])
    f = torch.tensor([[[0.0, 4.0, 4.0]]])
    found = mean_field(p, f, appearance=5, smoothness=0, alpha=1, beta=1, radius=1, iterations=1)
    tie = 5 * exp(-0.5) / (2 * pi)
    odds = (tie * 0.9 + tie * exp(-8) * 0.1) - (tie * 0.1 + tie * exp(-8) * 0.9)
    assert float((found[1] / found[0]).log()[0, 1]) == pytest.approx(odds, abs=1e-6)


def test_without_weights_or_with_certainty_nothing_moves():
    p, f = drawn((6, 5))
    torch.testing.assert_close(mean_field(p, f, appearance=0, smoothness=0), p)
    sure = torch.nn.functional.one_hot(p.argmax(0), 3).movedim(-1, 0).double()
    assert torch.equal(mean_field(sure, f).argmax(0), sure.argmax(0))


def test_a_speck_goes_and_a_border_moves_to_the_edge():
    f = torch.zeros(1, 12, 12)
    f[:, :, 6:] = 3  # the edge is in front of column 6
    p = torch.full((2, 12, 12), 0.3)
    p[0, :, :7], p[1, :, 7:] = 0.7, 0.7  # the network says column 7
    p[:, 3, 2] = torch.tensor([0.3, 0.7])  # and has a speck
    found = mean_field(p, f, appearance=6, smoothness=0.5, alpha=3, radius=6).argmax(0)
    assert torch.equal(found, (f[0] > 0).long())


def test_what_does_not_fit_is_said():
    p, f = drawn((5, 4))
    with pytest.raises(ValueError, match=r"mean_field: expected \(K, \*S\), \(C, \*S\)"):
        mean_field(p, f[:, 1:])
    with pytest.raises(ValueError, match=r"mean_field: expected widths above 0, got 2\.0, 0 and 1\.0"):
        mean_field(p, f, beta=0)


class Blob(Segmenter):
    """Predicts nothing by itself."""

    task: Task

    def build(self):
        self.unused = torch.nn.Parameter(torch.zeros(1))


@pytest.mark.parametrize("dims", [2, 3])
def test_the_box_about_the_foreground_stands_for_the_whole_case(dims):
    """What is left out is background with a probability of .999, before and after."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randn((1, *[24] * dims), generator=generator)
    logit = torch.full([24] * dims, -9.0)
    logit[(slice(9, 14),) * dims] = 2 * torch.randn([5] * dims, generator=generator)
    p = torch.stack([-logit / 2, logit / 2]).softmax(0)
    field = ConditionalRandomField(learner=Blob(task=task(dims)))
    boxed, whole = field.process(p, image), mean_field(p, image)
    assert torch.equal(boxed.argmax(0), whole.argmax(0))
    torch.testing.assert_close(boxed, whole, atol=1e-3, rtol=0)
    assert not torch.equal(boxed.argmax(0), p.argmax(0))
    nothing = torch.stack([torch.ones([24] * dims), torch.zeros([24] * dims)])
    assert torch.equal(field.process(nothing, image), nothing)
