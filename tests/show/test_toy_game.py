"""The game over numbers: an even one finds both kinds, one with a slow discriminator runs after them."""

import numpy as np
import pandas as pd
import pytest
import torch
from legible import assert_legible
from matplotlib.patches import StepPatch

from medseg_lab.show import toy_game as toy
from medseg_lab.show.game import game_curves
from medseg_lab.show.toy_game import BINS, GRID, MODES, Moment, Played, moment, play


@pytest.fixture(scope="module")
def games():
    return {"even": play(), "slow": play(0.1)}


def shares(played: Played) -> np.ndarray:
    """Near each mode, for the second half of the moments."""
    late = sorted(played.moments)[-3:]
    return np.array([[played.moments[step].near(mode) for mode in MODES] for step in late])


def test_an_even_game_finds_both_kinds_of_numbers_and_a_slow_discriminator_never_has_both(games):
    assert shares(games["even"]).min() > 0.25
    assert shares(games["slow"]).min(axis=1).max() < 0.1


def test_both_discriminators_are_hardly_better_than_a_coin_at_the_end(games):
    """So the accuracy alone does not say which of the two it is."""
    for played in games.values():
        late = played.curves["noted.discriminator_accuracy"].tail(toy.STEPS // 2).mean()
        assert late == pytest.approx(0.5, abs=0.1)


def test_it_is_drawn_as_any_game(games):
    assert len(games["even"].curves) == toy.STEPS
    assert_legible(game_curves({name: [played] for name, played in games.items()}))


def test_the_same_seed_plays_the_same_game_and_leaves_the_callers_chance(monkeypatch):
    monkeypatch.setattr(toy, "STEPS", 6)
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    one, again, other = play(), play(), play(seed=1)
    assert torch.rand(1) == drawn
    assert one.curves.equals(again.curves)
    assert not one.curves.equals(other.curves)


def test_the_picture_shows_what_was_made():
    made = np.concatenate([np.full(300, -1.05), np.full(600, 1.05), np.full(100, 0.05)])
    still = Played(pd.DataFrame(), {5: Moment(made, np.full(len(GRID), 0.5))})
    fig = moment({"still": still}, steps=5)
    (steps,) = (one for one in fig.axes[0].patches if isinstance(one, StepPatch))
    heights = dict(zip(np.round(BINS[:-1], 2), steps.get_data().values, strict=True))
    assert {at: height for at, height in heights.items() if height} == {-1.1: 0.5, 1.0: 1.0, 0.0: 1 / 6}
    assert fig.get_label() == "After 5 steps. still: of the numbers made 30% near -1, 60% near 1."
    with pytest.raises(ValueError, match=r"steps: expected one of \[5\], got 4"):
        moment({"still": still}, steps=4)
