"""The graph of superpixels by hand, and what it asks of a network."""

from math import exp

import numpy as np
import pytest
import torch
from toys import SMALL, one_weight, task

from medseg_lab.data.batch import Batch
from medseg_lab.semi.graphs.superpixel_graph import (
    Graph,
    SuperpixelGraph,
    edges,
    means,
    smoothness,
    superpixels,
)

IMAGE = torch.tensor([1.0, 3.0, 2.0, 2.0, 9.0, 9.0]).view(1, 1, 6)
REGIONS = torch.tensor([[0, 0, 1, 1, 2, 2]])
V = torch.tensor([[0.0], [0.5], [0.9]])
NEAR, BETWEEN, FAR = exp(-0.25), exp(-0.16), exp(-0.81)


class Known(SuperpixelGraph):
    """Three superpixels of two pixels each, whatever the image."""

    def graph(self, image):
        return Graph(REGIONS, *edges(V, self.epsilon))


def weight_of(pairs, weights):
    return {tuple(sorted(pair)): w for pair, w in zip(pairs.T.tolist(), weights.tolist(), strict=True)}


def test_means_and_edges_by_hand():
    """Three superpixels; the first and the last are joined if an edge may weigh as little as .44."""
    assert means(IMAGE, REGIONS).tolist() == [[2.0], [2.0], [9.0]]
    assert weight_of(*edges(V, 0.5)) == pytest.approx({(0, 1): NEAR, (1, 2): BETWEEN})
    assert weight_of(*edges(V, 0.4)) == pytest.approx({(0, 1): NEAR, (1, 2): BETWEEN, (0, 2): FAR})


def test_r_by_hand():
    """y = (.9, .1), (.7, .3), (.2, .8): |y_1 - y_2|^2 = .08, |y_2 - y_3|^2 = .5."""
    y = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    graph = Graph(REGIONS, *edges(V, 0.5))
    assert smoothness(graph, y).item() == pytest.approx(NEAR * 0.08 + BETWEEN * 0.5)
    L = np.diag([NEAR, NEAR + BETWEEN, BETWEEN])
    L -= np.array([[0, NEAR, 0], [NEAR, 0, BETWEEN], [0, BETWEEN, 0]])
    assert smoothness(graph, y).item() == pytest.approx(np.trace(y.numpy().T @ L @ y.numpy()))
    said = torch.tensor([0.85, 0.95, 0.7, 0.7, 0.4, 0.0]).view(1, 6)
    loss, connected, across = one_weight(Known).of_patch(IMAGE, torch.stack((said, 1 - said)))
    assert loss.item() == pytest.approx((NEAR * 0.08 + BETWEEN * 0.5) / (NEAR + BETWEEN))
    assert connected.item() == pytest.approx(2 / 3)
    assert across.item() == pytest.approx(BETWEEN / (NEAR + BETWEEN))


def test_its_gradient_reaches_the_network():
    """By finite differences of the one weight; foreground is sigmoid(w x)."""

    def term(w):
        learner = one_weight(Known, w).double()
        image = IMAGE[None].double()
        return learner, learner.consistency_loss(Batch(image, REGIONS[None], image), 0)

    learner, loss = term(0.3)
    loss.backward()
    slope = (term(0.301)[1] - term(0.299)[1]).item() / 0.002
    assert learner.network.weight.grad.item() == pytest.approx(slope, rel=1e-3)
    assert slope > 0  # towards 0, where all regions are alike


@pytest.mark.parametrize("shape", [(16, 20), (8, 10, 12)])
def test_superpixels_keep_to_edges_and_have_about_the_size(shape):
    image = torch.zeros(2, *shape)
    image[1, :, 7:] = 3.0
    regions = superpixels(image, 20, compactness=0.1)
    assert regions.shape == shape
    counts = regions.flatten().bincount()
    assert counts.min() > 0
    assert 10 < counts.float().mean() < 40
    bright = means(image[1:], regions)[:, 0]
    assert torch.all((bright == 0) | (bright == 3))  # none lies on both sides


@pytest.mark.parametrize("dims", [2, 3])
def test_regions_far_apart_or_of_other_intensity_are_not_joined(dims):
    """Two bright blocks at the two ends of a dark patch."""
    image = torch.zeros(1, *(8, 40, 8)[:dims])
    image[0, :, :8], image[0, :, 32:] = 1, 1
    graph = SuperpixelGraph(task(dims), network=SMALL, contrast=0.5, reach=8.0).graph(image)
    place = torch.arange(40.0).view(1, 1, 40, *[1] * (dims - 2)).expand_as(image)
    first, second = means(torch.cat((image, place)), graph.regions)[graph.pairs]
    assert len(graph.weights) > 20
    assert torch.all((first[:, 0] - second[:, 0]).abs() < 0.5)
    assert torch.all((first[:, 1] - second[:, 1]).abs() < 8)


def test_one_superpixel_asks_for_nothing():
    learner = one_weight(SuperpixelGraph, size=100)
    loss = learner.consistency_loss(Batch(IMAGE[None], REGIONS[None], IMAGE[None]), 0)
    loss.backward()
    assert loss.item() == 0
    assert np.isfinite(learner.network.weight.grad.item())


def test_it_goes_on_from_the_labels_alone_for_its_share():
    assert one_weight(SuperpixelGraph).steps_within(600) == 100
    assert one_weight(SuperpixelGraph, weight=0.0).steps_within(600) == 600


def test_a_channel_twice_says_nothing_new(monkeypatch):
    regions = torch.arange(144).view(12, 12) // 4
    monkeypatch.setattr("medseg_lab.semi.graphs.superpixel_graph.superpixels", lambda image, *_: regions)
    image, learner = torch.randn(1, 12, 12), SuperpixelGraph(task(2), network=SMALL)
    once, twice = learner.graph(image), learner.graph(image.expand(2, -1, -1))
    torch.testing.assert_close(once.weights.sort().values, twice.weights.sort().values)
