"""Labels that spread along a graph of voxels."""

import warnings

import numpy as np
import pytest
import torch
from toys import SMALL, task

from medseg_lab.data.case import Case
from medseg_lab.rounds.gaussian_random_field import GaussianRandomField, seeds, spread


def harmonic(
    image: np.ndarray, label: np.ndarray, classes: int, beta: float, spacing: tuple[float, ...]
) -> np.ndarray:
    """y_U = L_UU^-1 W_UL y_L, with the dense Laplacian of a grid, `(K, *S)`."""
    shape = label.shape
    at = np.argwhere(np.ones(shape, dtype=bool))
    W = np.zeros((len(at), len(at)))
    for i, here in enumerate(at):
        for j, there in enumerate(at):
            if np.abs(here - there).sum() == 1:
                side = spacing[np.flatnonzero(here != there)[0]] / min(spacing)
                difference = (image[(slice(None), *here)] - image[(slice(None), *there)]) / image.std()
                W[i, j] = np.exp(-beta * np.mean((difference / side) ** 2))
    L = np.diag(W.sum(axis=1)) - W
    known = label.ravel() >= 0
    y = np.zeros((len(at), classes))
    y[known] = np.eye(classes)[label.ravel()[known]]
    y[~known] = np.linalg.solve(L[~known][:, ~known], W[~known][:, known] @ y[known])
    return y.T.reshape(classes, *shape)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (3.0, 2.0), (1.0, 1.0, 2.0)])
def test_it_is_the_closed_form_of_the_harmonic_solution(channels, spacing):
    rng = np.random.default_rng(0)
    shape = (7, 6, 4)[: len(spacing)]
    image = rng.normal(1, 5, (channels, *shape))
    said = rng.dirichlet([0.5, 0.5, 0.5], shape).transpose(-1, *range(len(shape)))
    label = seeds(said, 0.8)
    assert 0.2 < (label < 0).mean() < 0.9
    wanted = harmonic(image, label, 3, 1.5, spacing)
    np.testing.assert_allclose(spread(said, image, 0.8, 1.5, spacing), wanted, atol=1e-6)


def test_between_two_seeds_a_label_changes_evenly_or_at_the_edge():
    """Five pixels in a row: on an even ramp y falls by a quarter a step; else where the image does."""
    said = np.array([[0.95, 0.6, 0.6, 0.6, 0.05], [0.05, 0.4, 0.4, 0.4, 0.95]])[:, None]
    ramp, edge = np.arange(5.0)[None, None], np.array([0.0, 0, 0, 1, 1])[None, None]
    np.testing.assert_allclose(spread(said, ramp, 0.9, 1.0)[0, 0], [1, 0.75, 0.5, 0.25, 0], atol=1e-6)
    np.testing.assert_allclose(spread(said, edge, 0.9, 10.0)[0, 0], [1, 1, 1, 0, 0], atol=1e-6)


def test_seeds_are_the_certain_voxels_and_the_best_of_each_class():
    said = np.array([[0.95, 0.6, 0.35, 0.3, 0.2], [0.05, 0.3, 0.25, 0.3, 0.3], [0.0, 0.1, 0.4, 0.4, 0.5]])
    assert seeds(said, 0.9).tolist() == [0, -1, -1, -1, 2]
    assert seeds(said, 0.4).tolist() == [0, 0, 2, 2, 2]


@pytest.mark.parametrize(
    ("said", "image", "wanted"),
    [
        ([[0.95, 0.6, 0.95], [0.05, 0.4, 0.05]], [0.0, 1.0, 2.0], [0, 0, 0]),
        ([[0.95, 0.02, 0.95], [0.05, 0.98, 0.05]], [0.0, 1.0, 2.0], [0, 1, 0]),
        ([[0.95, 0.4, 0.95], [0.05, 0.6, 0.05]], [3.0, 3.0, 3.0], [0, 1, 0]),
    ],
    ids=["one class", "nothing to label", "nothing to see"],
)
def test_where_nothing_spreads_nothing_warns_or_fails(said, image, wanted):
    with warnings.catch_warnings(action="error"):
        found = spread(np.array(said)[:, None], np.array(image)[None, None], 0.9, 10.0)
    assert found.argmax(axis=0).tolist() == [wanted]
    np.testing.assert_allclose(found.sum(axis=0), 1)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_each_slice_is_a_graph_of_its_own(plane):
    torch.manual_seed(0)
    learner = GaussianRandomField(task(3), network=SMALL, spatial_dims=2, plane=plane, certain=0.7, beta=10.0)
    said, image = torch.randn(3, 9, 7, 8).softmax(dim=0), torch.randn(2, 9, 7, 8)
    spacing, axis = (1.0, 2.0, 5.0), (2 + plane) % 3
    case = Case("a", "a", image, torch.zeros((0, 9, 7, 8), dtype=torch.uint8), spacing)
    across = np.delete(spacing, axis)
    slices = zip(said.unbind(axis + 1), image.unbind(axis + 1), strict=True)
    wanted = [spread(p.numpy(), x.numpy().astype(float), 0.7, 10.0, across) for p, x in slices]
    found = learner.refined(said, case)
    torch.testing.assert_close(found, torch.from_numpy(np.stack(wanted, axis=axis + 1)))
    assert found.dtype == torch.float32


def test_what_the_network_is_unsure_of_takes_the_label_of_what_looks_alike():
    """A bright square, of whose middle the network is certain; it marks a dark ring around it, too."""
    label = torch.zeros(12, 12)
    label[4:8, 4:8] = 1
    foreground = torch.full((12, 12), 0.02)
    foreground[3:9, 3:9], foreground[5:7, 5:7] = 0.6, 0.98
    case = Case("a", "a", label[None], torch.zeros((0, 12, 12), dtype=torch.uint8), None)
    learner = GaussianRandomField(task(2), network=SMALL)
    found = learner.refined(torch.stack([1 - foreground, foreground]), case)
    assert torch.equal(found.argmax(dim=0), label.long())
