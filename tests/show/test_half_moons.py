"""The half-moons: what is drawn is what was computed, and consistency helps on them."""

import re

import numpy as np
import pytest
import torch

from medseg_lab.semi.pi_model import PiModel
from medseg_lab.show import half_moons as toy
from medseg_lab.show.figure import png
from medseg_lab.show.half_moons import CONSISTENCY, Moons, half_moons, pixels, predicted, trained, two_moons
from medseg_lab.training.supervised import Supervised
from tests.show.legible import assert_legible


@pytest.fixture(scope="module")
def drawn():
    return half_moons()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(toy, "STEPS", 20)


def accuracies(seed: int) -> list[float]:
    """Of labels alone, and of the Pi-model."""
    moons = two_moons(seed)
    networks = trained(moons, Supervised), trained(moons, PiModel, **CONSISTENCY)
    return [moons.accuracy(predicted(one, moons.points) > 0.5) for one in networks]


@pytest.fixture(scope="module")
def measured():
    return accuracies(1)


def test_consistency_does_better_than_labels_alone_on_every_draw(measured):
    for alone, pi in (measured, accuracies(6)):
        assert pi > max(alone + 0.05, 0.95)


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


def test_learning_leaves_the_global_generator_where_it_was(short):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    trained(two_moons(0), PiModel)
    assert torch.equal(before, torch.get_rng_state())


def test_titles_have_the_shares_that_were_measured(drawn, measured):
    titles = [ax.get_title("center") for ax in drawn.axes]
    assert [title.split(": ")[1] for title in titles] == [f"{share:.1%} right" for share in measured]
    assert re.findall(r"[\d.]+%", drawn.get_label()) == [f"{share:.1%}" for share in measured]


@pytest.mark.filterwarnings("error")
def test_no_words_are_cut_off_or_cover_each_other(drawn):
    assert_legible(drawn)


def test_the_same_seed_gives_the_same_picture(drawn, short):
    one, two = (png(half_moons(4), dpi=50) for _ in range(2))
    assert one == two
    assert one != png(drawn, dpi=50)
