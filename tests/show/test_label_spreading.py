"""Labels that spread step by step, until they are where the random field has them."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from toys import task

from medseg_lab.data.case import Case
from medseg_lab.rounds.gaussian_random_field import seeds, spread
from medseg_lab.show.half_moons import two_moons
from medseg_lab.show.label_spreading import (
    after_steps,
    grid_weights,
    spreading_on_image,
    spreading_on_moons,
)
from medseg_lab.show.spot import fullest


def test_a_label_goes_one_edge_a_step():
    """Four nodes in a row, with a label at each end, and weights 1, 3, 1."""
    W = np.array([[0, 1, 0, 0], [1, 0, 3, 0], [0, 3, 0, 1], [0, 0, 1, 0]], dtype=float)
    label = np.array([0, -1, -1, 1])
    assert after_steps(W, label, 2, 0).tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]
    assert after_steps(W, label, 2, 1).tolist() == [[1, 0], [0.25, 0], [0, 0.25], [0, 1]]
    assert after_steps(W, label, 2, 2)[1].tolist() == [0.25, 0.1875]
    np.testing.assert_allclose(after_steps(W, label, 2, 300)[1], [4 / 7, 3 / 7])


def test_many_steps_end_in_the_harmonic_solution():
    rng = np.random.default_rng(0)
    image, said = rng.normal(0, 3, (2, 7, 6)), rng.dirichlet([1, 1, 1], (7, 6)).transpose(2, 0, 1)
    label = seeds(said, 0.7)
    found = after_steps(grid_weights(image, 1.5), label.ravel(), 3, 2000).T.reshape(said.shape)
    np.testing.assert_allclose(found, spread(said, image, 0.7, 1.5), atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 6)])
def test_its_figure_says_how_much_was_reached(shape):
    label = torch.zeros(shape, dtype=torch.uint8)
    label[8:24, 8:24] = 1
    case = Case("a", "a", label[None].float(), label[None], None)
    place = fullest(case, 2, least=(40, 40))
    marked = np.full((40, 40), -1)
    marked[16, 16], marked[2, 2] = 1, 0
    fig = spreading_on_image(case, place, marked, task(len(shape)), beta=30.0, steps=500)
    assert [ax.get_title() for ax in fig.axes][:2] == ["reference", "0% of the voxels are seeds"]
    assert "after 500 steps: " in fig.axes[2].get_title()
    assert_legible(fig)


def test_on_two_moons_the_title_has_the_share_that_is_right():
    moons = two_moons(seed=1)
    none, joined = np.zeros((400, 400)), (moons.truth[:, None] == moons.truth).astype(float)
    assert "0.0% right" in spreading_on_moons(moons, none, 1).get_label()
    fig = spreading_on_moons(moons, joined, 1)  # each point is joined to all of its moon, and to no other
    assert "after 1 step: 100.0% right" in fig.get_label()
    assert_legible(fig)
