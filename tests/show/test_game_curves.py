"""What is drawn of a game, and said of it."""

from math import log
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from legible import assert_legible

from medseg_lab.show.game import game_curves


def game(accuracy: float, loss: float = 0.3, **more):
    """A run of twenty steps; the game begins after ten of them."""
    begun = np.where(np.arange(20) < 10, np.nan, 1.0)
    noted = {"discriminator_accuracy": accuracy, "told_apart": loss, "taken_for_real": 2.0} | more
    return SimpleNamespace(
        curves=pd.DataFrame({"step": np.arange(20)} | {f"noted.{k}": v * begun for k, v in noted.items()})
    )


def test_each_game_has_its_losses_and_its_accuracy():
    fig = game_curves({"one": [game(0.9), game(0.7)], "another": [game(0.5)]})
    above, below = fig.axes[0], fig.axes[2]
    drawn = {line.get_label(): line.get_ydata()[-1] for line in above.lines if len(line.get_xdata()) == 10}
    assert drawn == pytest.approx({"discriminator": 0.3, "the other side": 2.0})
    assert log(2) in above.lines[2].get_ydata()
    assert below.lines[0].get_ydata() == pytest.approx([0.8] * 10)
    assert fig.get_label().endswith("Its accuracy at the end: one 80%, another 50%.")
    assert_legible(fig)


def test_many_games_go_below_each_other():
    fig = game_curves({f"a game with a long name, number {n}": [game(0.6)] for n in range(5)})
    assert sum(ax.axison for ax in fig.axes) == 10
    assert_legible(fig)


def test_what_is_no_game_is_refused():
    no_game = SimpleNamespace(curves=pd.DataFrame({"step": [0, 1]}))
    with pytest.raises(ValueError, match="U-Net: expected a game that notes its discriminator_accuracy"):
        game_curves({"U-Net": [no_game]})
    with pytest.raises(ValueError, match="expected one game or more"):
        game_curves({})
