"""The toy of the three assumptions: what is drawn is what was computed, and consistency helps on it."""

import re

import numpy as np
import pytest
import torch
from matplotlib.path import Path

from medseg_lab.semi.pi_model import PiModel
from medseg_lab.show import assumptions as toy
from medseg_lab.show.assumptions import (
    CONSISTENCY,
    Moons,
    assumptions,
    density,
    mean_along,
    neighbours,
    pixels,
    predicted,
    trained,
    two_moons,
)
from medseg_lab.show.figure import png
from medseg_lab.training.supervised import Supervised
from tests.show.legible import assert_legible


@pytest.fixture(scope="module")
def drawn():
    return assumptions()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(toy, "STEPS", 20)


def accuracies(seed: int) -> list[float]:
    """Of labels alone, of the Pi-model, and of label spreading."""
    moons = two_moons(seed)
    networks = trained(moons, Supervised), trained(moons, PiModel, **CONSISTENCY)
    classes = [*(predicted(one, moons.points) > 0.5 for one in networks), toy.spread(moons)]
    return [moons.accuracy(found) for found in classes]


@pytest.fixture(scope="module")
def measured():
    return accuracies(1)


def test_consistency_and_spreading_do_better_than_labels_alone_on_every_draw(measured):
    for alone, pi, spread in (measured, accuracies(6)):
        assert pi > max(alone + 0.05, 0.95)
        assert spread > alone + 0.05


def test_three_points_of_each_moon_are_labelled_and_differ_from_draw_to_draw():
    moons, other = two_moons(0), two_moons(1)
    assert moons.truth[moons.labelled].tolist() == [0, 0, 0, 1, 1, 1]
    assert len(moons.unlabelled) == 394
    assert not set(moons.labelled) & set(moons.unlabelled)
    assert not np.array_equal(moons.labelled, other.labelled)
    assert not np.allclose(moons.points, other.points)
    np.testing.assert_allclose(moons.points.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(moons.points.std(axis=0), 1)


def test_only_unlabelled_points_count():
    moons = Moons(np.zeros((4, 2)), np.array([0, 1, 0, 1]), np.array([0, 1]), 0)
    assert moons.accuracy(np.array([0, 1, 0, 0])) == 0.5
    assert moons.accuracy(np.array([1, 0, 0, 1])) == 1


def test_a_point_is_classified_by_itself(short):
    moons = two_moons(0)
    learner = trained(moons, Supervised)
    np.testing.assert_allclose(
        predicted(learner, moons.points)[:5],
        [predicted(learner, point[None])[0] for point in moons.points[:5]],
        rtol=1e-5,
    )
    image = pixels(np.array([[1.0, 2], [3, 4], [5, 6]]))
    assert image.shape == (1, 2, 3, 1)
    assert image[0, :, 1, 0].tolist() == [3, 4]


def test_a_pi_model_without_weight_is_the_network_that_learns_from_labels_alone(short):
    moons = two_moons(3)
    alone = predicted(trained(moons, Supervised), moons.points)
    assert not np.array_equal(predicted(trained(moons, PiModel), moons.points), alone)

    np.testing.assert_array_equal(predicted(trained(moons, PiModel, weight=0.0), moons.points), alone)


def test_the_network_never_sees_the_truth_of_unlabelled_points(short):
    moons = two_moons(0)
    wrong = moons.truth.copy()
    wrong[moons.unlabelled] = 1 - wrong[moons.unlabelled]
    other = Moons(moons.points, wrong, moons.labelled, moons.seed)
    for method, options in ((Supervised, {}), (PiModel, CONSISTENCY)):
        same = [predicted(trained(one, method, **options), moons.points) for one in (moons, other)]
        np.testing.assert_array_equal(*same)
    np.testing.assert_array_equal(toy.spread(moons), toy.spread(other))


def test_learning_leaves_the_global_generator_where_it_was(short):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    trained(two_moons(0), PiModel)
    assert torch.equal(before, torch.get_rng_state())


def test_labels_spread_along_joints_and_not_across_a_gap():
    """Two rows of points, one labelled at an end of each: all of a row get its label, near or far."""
    row = np.stack([np.linspace(0, 10, 60), np.zeros(60)], axis=1)
    points = np.concatenate([row, row + np.array([0, 1.5])])
    moons = Moons(points, np.repeat([0, 1], 60), np.array([0, 119]), 0)
    np.testing.assert_array_equal(toy.spread(moons), moons.truth)


def test_joints_go_both_ways_and_a_point_has_at_least_seven():
    joined = neighbours(two_moons(0).points)
    np.testing.assert_array_equal(joined, joined.T)
    assert joined.sum(axis=1).min() == 7
    assert not joined.diagonal().any()


def test_density_is_that_of_gaussian_bumps_over_its_mean():
    points = np.array([[0.0, 0], [0.2, 0]])
    at = np.array([[0.0, 0], [0.0, 0.4]])
    near, far, farther = 1.0, np.exp(-0.5), np.exp(-2.0)  # 0, 1 and 2 kernel widths of 0.2 away
    wanted = [1, (farther + np.exp(-2.5)) / (near + far)]
    np.testing.assert_allclose(density(points, at), wanted, rtol=1e-4)


def test_a_mean_along_paths_weighs_segments_by_their_length():
    """0.3 at x = 0.15 on average, and 1 at x = 0.3; and 0.7 at x = 1."""
    paths = [Path([[0, 0], [0.3, 0], [0.3, 1.0]]), Path([[1, 0], [1, 0.7]])]
    assert mean_along(paths, lambda at: at[:, 0]) == pytest.approx((0.3 * 0.15 + 0.3 + 0.7) / 2)


def test_titles_have_the_shares_that_were_measured(drawn, measured):
    titles = [ax.get_title("center") for ax in drawn.axes]
    assert [title.split(": ")[1] for title in titles] == [f"{share:.1%} right" for share in measured]
    assert re.findall(r"[\d.]+%", drawn.get_label()) == [f"{share:.1%}" for share in measured]


def test_the_pi_models_boundary_runs_where_points_are_rare(drawn):
    alone, pi = map(float, re.findall(r"(\d\.\d\d) for", drawn.get_label()))
    assert pi < alone / 2
    words = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert f"labels alone, density {alone:.2f}" in words
    assert f"Pi-model, density {pi:.2f}" in words


@pytest.mark.filterwarnings("error")
def test_no_words_are_cut_off_or_cover_each_other(drawn):
    assert_legible(drawn)


def test_the_same_seed_gives_the_same_picture(drawn, short):
    one, two = (png(assumptions(4), dpi=50) for _ in range(2))
    assert one == two
    assert one != png(drawn, dpi=50)
