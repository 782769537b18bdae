"""FGSM by hand, and virtual adversarial examples against the exact direction."""

import numpy as np
import pytest
import torch
from torch import nn
from toys import SMALL

from medseg_lab.data.case import IGNORE
from medseg_lab.semi.adversarial import fast_gradient_sign, of_length, virtual


def linear(weight: list[list[float]]) -> nn.Conv2d:
    """A network whose logits of a pixel are W x."""
    network = nn.Conv2d(len(weight[0]), len(weight), 1, bias=False)
    network.weight.data = torch.tensor(weight)[..., None, None]
    return network


def test_fgsm_moves_each_value_by_epsilon_against_the_label():
    # logits (0, w x): dL/dx = (p - y) w. With w = (2, -1): label 1 wants w x larger, so it is made smaller.
    network = linear([[0.0, 0.0], [2.0, -1.0]])
    image = torch.randn(1, 2, 1, 3)
    found = fast_gradient_sign(network, image, torch.tensor([[[1, 0, IGNORE]]]), 0.03)
    moved = (found.image - image)[0, :, 0]  # (C, pixels)
    torch.testing.assert_close(moved, 0.03 * torch.tensor([[-1.0, 1.0, 0.0], [1.0, -1.0, 0.0]]))
    torch.testing.assert_close(found.prediction, network(image).softmax(1))


@pytest.mark.parametrize("iterations", [1, 2])
def test_of_two_classes_one_step_finds_the_direction_that_moves_the_prediction_most(iterations):
    # one pixel: KL(p(x) || p(x + r)) is p (1 - p) (w r)^2 / 2 to second order, largest along w
    torch.manual_seed(0)
    w = torch.tensor([3.0, -4.0])
    found = virtual(linear([[0.0, 0.0], w.tolist()]), torch.full((1, 2, 1, 1), 0.1), 0.5, iterations)
    change = (found.image - 0.1).flatten()
    cosine = change @ w / (change.norm() * w.norm())
    assert abs(cosine.item()) == pytest.approx(1, abs=1e-4)
    assert change.square().mean().sqrt().item() == pytest.approx(0.5)


def test_power_iteration_finds_the_first_eigenvector_of_the_quadratic_form():
    torch.manual_seed(0)
    weight = [[1.0, 0.5, -0.3], [-0.2, 0.8, 0.1], [0.4, -1.0, 0.9]]
    x = torch.tensor([0.2, -0.1, 0.3])
    found = virtual(linear(weight), x.view(1, 3, 1, 1), 1.0, iterations=40)
    W = np.array(weight)
    p = np.exp(W @ x.numpy()) / np.exp(W @ x.numpy()).sum()
    values, vectors = np.linalg.eigh(W.T @ (np.diag(p) - np.outer(p, p)) @ W)
    assert values[2] > 1.5 * values[1]  # so that forty steps decide
    change = (found.image.flatten() - x).numpy()
    assert abs(change @ vectors[:, 2]) / np.linalg.norm(change) == pytest.approx(1, abs=1e-3)


def test_each_patch_has_a_change_of_its_own_length():
    change = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-20, 0.0]]).view(3, 1, 2)
    wanted = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]]) / torch.tensor([[12.5], [1.0], [0.5]]).sqrt()
    torch.testing.assert_close(of_length(change), wanted.view(3, 1, 2))


def test_dropout_is_off_while_an_example_is_made_and_no_gradient_is_left():
    torch.manual_seed(0)
    network = SMALL.build(in_channels=1, out_channels=2, spatial_dims=2).train()
    image, label = torch.randn(2, 1, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64)
    first, again = (fast_gradient_sign(network, image, label, 0.1) for _ in range(2))
    assert torch.equal(first.image, again.image)
    torch.manual_seed(1)
    one = virtual(network, image, 0.1)
    torch.manual_seed(1)
    assert torch.equal(virtual(network, image, 0.1).image, one.image)
    assert network.training
    assert not any(tensor.requires_grad for tensor in (*first, *one))
    assert all(parameter.grad is None for parameter in network.parameters())
    virtual(network.eval(), image, 0.1)
    assert not network.training
