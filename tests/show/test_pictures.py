"""Figures carry their finding in words, and what must hold of how they are drawn."""

import io
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.comparison import compare
from medseg_lab.show import figure, style
from medseg_lab.show.cases import best_and_worst, side_by_side, telling_slice
from medseg_lab.show.cost import cost, short
from medseg_lab.show.curves import curves, smoothed
from medseg_lab.show.forest import forest
from medseg_lab.show.labels import spread
from tests.evaluation.test_comparison import results

RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.6, 0.8, size=(2, 8, 1))
COMPARISON = compare({"U-Net": results(BASE), "V-Net": results(BASE + 0.05)})
COSTS = {
    "U-Net": {"parameters": 5e5, "flops": 1e9, "seconds": 20},
    "V-Net": {"parameters": 2e6, "flops": 9e9, "seconds": 90},
}


def displayed(monkeypatch) -> list[dict]:
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    return shown


def test_a_figure_is_shown_with_its_description(monkeypatch):
    shown = displayed(monkeypatch)
    figure.figure(style.canvas(2, 1), alt='A "quoted" <finding>')
    (output,) = shown
    assert 'alt="A &quot;quoted&quot; &lt;finding&gt;"' in output["text/html"]
    assert "http" not in output["text/html"]
    assert output["text/plain"] == '[figure: A "quoted" <finding>]'


def test_a_figure_without_description_is_refused():
    with pytest.raises(ValueError, match="alt"):
        figure.figure(style.canvas(2, 1))


def test_a_pyplot_figure_is_not_shown_twice(monkeypatch):
    import matplotlib.pyplot as plt

    displayed(monkeypatch)
    fig = plt.figure()
    figure.figure(fig, alt="An empty figure.")
    assert not plt.fignum_exists(fig.number)


def test_a_page_of_7_inches_is_drawn_at_1400_pixels_and_shown_at_700():
    fig = style.canvas(7, 1)
    assert Image.open(io.BytesIO(figure.png(fig))).size == (1400, 200)
    assert "width:700px" in figure.image(fig, "x")


def test_the_same_figure_gives_the_same_bytes():
    assert figure.png(forest(COMPARISON)) == figure.png(forest(COMPARISON))


def test_the_house_style_leaves_matplotlib_as_it_was():
    import matplotlib

    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]
    with style.house():
        assert matplotlib.rcParams["axes.grid"]
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]) == before


def test_methods_differ_by_marker_not_by_colour_alone():
    looks = [style.look(i) for i in range(8)]
    assert len({look.marker for look in looks}) == len({look.colour for look in looks}) == 8


def test_a_forest_says_its_differences():
    assert forest(COMPARISON).get_label() == (
        "Paired differences in Dice with 95% intervals: V-Net minus U-Net +0.050 [+0.050, +0.050]  p 0.008."
    )


def test_one_seed_makes_no_forest():
    with pytest.raises(ValueError, match="one seed"):
        forest(compare({"a": results([[[0.5], [0.6]]]), "b": results([[[0.5], [0.6]]])}))


def test_costs_are_told_and_must_be_complete():
    fig = cost(COMPARISON, COSTS)
    assert "at 500k parameters, 1G FLOPs" in fig.get_label()
    assert [ax.get_xscale() for ax in fig.axes] == ["log"] * 3
    with pytest.raises(ValueError, match="V-Net has no seconds"):
        cost(COMPARISON, {**COSTS, "V-Net": {"parameters": 1, "flops": 1}})


def test_names_beside_a_panel_do_not_overlap():
    names = [f"method {i}" for i in range(7)]
    crowd = compare({name: results(BASE + 0.001 * i) for i, name in enumerate(names)})
    fig = cost(crowd, dict.fromkeys(names, COSTS["U-Net"]))
    figure.png(fig)
    boxes = [Text.get_window_extent(text) for text in fig.axes[-1].texts]  # without the leader lines
    assert len(boxes) == 7
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_spread_moves_only_what_is_too_close():
    assert spread([0.1, 0.9], 0.2, 0, 1) == [0.1, 0.9]
    assert spread([0.5, 0.5], 0.2, 0, 1) == pytest.approx([0.4, 0.6])
    assert spread([0.5, 0.4, 0.6], 0.2, 0, 1) == pytest.approx([0.5, 0.3, 0.7])
    assert spread([1.0, 1.0, 1.0], 0.2, 0, 1) == pytest.approx([0.6, 0.8, 1.0])


@pytest.mark.parametrize("seed", range(20))
def test_spread_keeps_order_distance_and_range(seed):
    wanted = np.random.default_rng(seed).uniform(size=6)
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
    with pytest.raises(ValueError, match="term: got 'kl', wanted one of dice, ce, which a has"):
        curves({"a": [trained(0.4)]}, term="kl")


def test_smoothing_keeps_a_constant_and_damps_a_spike():
    table = pd.DataFrame({"step": range(50), "loss": np.ones(50)})
    np.testing.assert_allclose(smoothed(table, 0.2), 1)
    table.loc[25, "loss"] = 11
    assert smoothed(table, 0.2).max() < 3


def cube(id: str, wrong: int) -> tuple[Case, np.ndarray]:
    """A cube, and a prediction that misses `wrong` of its 6 slices."""
    label = torch.zeros(10, 12, 14, dtype=torch.uint8)
    label[2:8, 3:9, 4:10] = 1
    prediction = label.numpy().copy()
    prediction[2 : 2 + wrong] = 0
    return Case(id, id, label[None].float(), label[None], (2.0, 1.0, 1.0)), prediction


def test_cases_that_the_caller_picked_keep_their_titles_and_order():
    (first, drawn), (second, missed) = cube("a", 1), cube("b", 5)
    predictions = {"method": {"a": drawn, "b": missed}}
    fig = side_by_side({"hurt": second, "helped": first}, predictions, Task(1, ("background", "cube"), 3))
    assert [ax.get_ylabel() for ax in fig.axes if ax.get_ylabel()] == ["hurt\nb", "helped\na"]
    assert "hurt case b: method Dice 0.29. helped case a: method Dice 0.91" in fig.get_label()


def test_cases_are_picked_by_dice():
    pairs = [cube(f"c{wrong}", wrong) for wrong in (3, 0, 5, 1)]
    predictions = {"m": {case.id: found for case, found in pairs}}
    fig = best_and_worst([case for case, _ in pairs], predictions, Task(1, ("background", "cube"), 3))
    assert "best case c1: m Dice 1.00" not in fig.get_label()
    assert "best case c0: m Dice 1.00. median case c3: m Dice 0.67. worst case c5" in fig.get_label()
    figure.png(fig)


def test_more_methods_than_fit_are_refused():
    case, found = cube("c", 1)
    with pytest.raises(ValueError, match="6 methods"):
        best_and_worst([case], {str(i): {"c": found} for i in range(6)}, Task(1, ("background", "cube"), 3))


def test_the_telling_slice_is_where_readings_differ_most():
    reference = np.zeros((5, 4, 4), dtype=int)
    reference[1:4] = 1
    other = reference.copy()
    other[3, :2] = 0
    assert telling_slice(reference, [other], axis=0) == 3
    other[0] = 1  # wrong on all 16 voxels, yet the structure is not there
    assert telling_slice(reference, [other], axis=0) == 3
    assert telling_slice(reference, [reference], axis=0) == 1


def test_contours_differ_by_line_style():
    from medseg_lab.show.contours import CONTOURS

    assert len({line for _, line in CONTOURS}) == len(CONTOURS)
