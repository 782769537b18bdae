"""Costs, training curves and forests say their finding in words, and names do not overlap."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from medseg_lab.evaluation.comparison import compare
from medseg_lab.show.cost import cost, short
from medseg_lab.show.curves import curves, smoothed
from medseg_lab.show.figure import png
from medseg_lab.show.forest import forest
from medseg_lab.show.names import spread
from tests.evaluation.test_comparison import results

RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.6, 0.8, size=(2, 8, 1))
COMPARISON = compare({"U-Net": results(BASE), "V-Net": results(BASE + 0.05)})
COSTS = {
    "U-Net": {"parameters": 5e5, "flops": 1e9, "seconds": 20},
    "V-Net": {"parameters": 2e6, "flops": 9e9, "seconds": 90},
}


def test_the_same_figure_gives_the_same_bytes():
    assert png(forest(COMPARISON)) == png(forest(COMPARISON))


def test_a_forest_says_its_differences():
    assert forest(COMPARISON).get_label() == (
        "Paired differences in Dice with 95% intervals: V-Net minus U-Net +0.050 [+0.050, +0.050]  p < 0.001."
    )


def test_one_seed_makes_no_forest():
    with pytest.raises(ValueError, match="comparison: expected two seeds or more, got one"):
        forest(compare({"a": results([[[0.5], [0.6]]]), "b": results([[[0.5], [0.6]]])}))


def test_costs_are_told_and_must_be_complete():
    fig = cost(COMPARISON, COSTS)
    assert "at 500k parameters, 1G FLOPs" in fig.get_label()
    assert [ax.get_xscale() for ax in fig.axes] == ["log"] * 3
    with pytest.raises(ValueError, match="costs of V-Net: expected a number above 0, got no seconds"):
        cost(COMPARISON, {**COSTS, "V-Net": {"parameters": 1, "flops": 1}})


def test_names_beside_a_panel_do_not_overlap():
    names = [f"method {i}" for i in range(7)]
    crowd = compare({name: results(BASE + 0.001 * i) for i, name in enumerate(names)})
    fig = cost(crowd, dict.fromkeys(names, COSTS["U-Net"]))
    fig.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in fig.axes[-1].texts]  # without the leader lines
    assert len(boxes) == 7
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_spread_moves_only_what_is_too_close_and_keeps_order_distance_and_range():
    assert spread([0.1, 0.9], 0.2, 0, 1) == pytest.approx([0.1, 0.9])
    assert spread([0.5, 0.5], 0.2, 0, 1) == pytest.approx([0.4, 0.6])
    assert spread([0.5, 0.4, 0.6], 0.2, 0, 1) == pytest.approx([0.5, 0.3, 0.7])
    assert spread([1.0, 1.0, 1.0], 0.2, 0, 1) == pytest.approx([0.6, 0.8, 1.0])
    assert spread([1.0, 1.0], 2, 0, 1) == pytest.approx([0, 2]), "no room: on above the end"
    for wanted in np.random.default_rng(0).uniform(size=(20, 6)):
        placed = np.array(spread(wanted.tolist(), 0.15, 0, 1))
        assert (np.argsort(placed) == np.argsort(wanted)).all()
        assert np.diff(np.sort(placed)).min() >= 0.15 - 1e-9
        assert placed.min() >= 0
        assert placed.max() <= 1 + 1e-9


def test_large_numbers_are_short():
    assert [short(x) for x in (12, 1500, 2e6, 3.14159e9)] == ["12", "1.5k", "2M", "3.14G"]


def trained(level: float) -> SimpleNamespace:
    steps = np.arange(100)
    table = {"step": steps, "seconds": steps * 0.5, "lr": 0.1, "dice": level / 2, "ce": level / 2}
    return SimpleNamespace(curves=pd.DataFrame(table))


def test_curves_add_the_losses_and_average_the_seeds():
    fig = curves({"a": [trained(0.4), trained(0.6)], "b": [trained(1.0)]})
    assert "At the end: a 0.50, b 1.00." in fig.get_label()
    assert fig.axes[0].lines[0].get_xdata()[-1] == 99


def test_curves_of_one_term_leave_the_others_out():
    fig = curves({"a": [trained(0.4), trained(0.6)]}, term="ce")
    assert fig.axes[0].get_ylabel() == "ce, weighted"
    assert "At the end: a 0.25." in fig.get_label()
    with pytest.raises(ValueError, match="term: expected one of dice, ce, which a has, got 'kl'"):
        curves({"a": [trained(0.4)]}, term="kl")


def test_smoothing_keeps_a_constant_and_damps_a_spike():
    table = pd.DataFrame({"step": range(50), "loss": np.ones(50)})
    np.testing.assert_allclose(smoothed(table, 0.2), 1)
    table.loc[25, "loss"] = 11
    assert smoothed(table, 0.2).max() < 3
