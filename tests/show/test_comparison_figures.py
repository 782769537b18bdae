"""Dots, ranks and forests: what they say, and that nothing is cut off or covered."""

import itertools

import numpy as np
import pytest

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.show.dots import LANES, dots, lanes
from medseg_lab.show.forest import forest
from medseg_lab.show.names import fitted, row_height
from medseg_lab.show.ranks import ranks
from tests.evaluation.test_comparison import results
from tests.show.legible import assert_legible, words

LONG = "pruned(learner=Supervised(network=UNetPlusPlus(deep=True), spatial_dims=2), depth={})"


def comparison(names, seeds=3, cases=10, metric="dice", step=0.01) -> Comparison:
    """Methods that get worse from the first to the last; case c0 is the worst, c1 the next."""
    rng = np.random.default_rng(0)
    base = 0.8 + rng.normal(0, 0.01, size=(seeds, cases, 1))
    base[:, :1] -= 0.3
    base[:, 1:2] -= 0.2
    made = {name: base - step * i + rng.normal(0, 0.005, size=base.shape) for i, name in enumerate(names)}
    if metric == "hd95":
        made = {name: 50 * (1 - values) for name, values in made.items()}
    return compare({name: results(values, metric=metric) for name, values in made.items()}, metric)


FEW = comparison(["U-Net", "V-Net"])
MANY = comparison([*(f"method {i}" for i in range(9)), *(LONG.format(i) for i in range(3))])
FAR = comparison(["U-Net", "V-Net", LONG.format(2)], metric="hd95")


FIGURES = [
    pytest.param(make, id=name)
    for name, make in {
        "dots few": lambda: dots(FEW),
        "dots many": lambda: dots(MANY),
        "dots mm": lambda: dots(FAR),
        "ranks few": lambda: ranks(FEW.ranking),
        "ranks many": lambda: ranks(MANY.ranking),
        "forest few": lambda: forest(FEW, margin=0.01),
        "forest many": lambda: forest(MANY),
        "forest mm": lambda: forest(FAR),
        "forest pairs": lambda: forest(MANY, list(itertools.pairwise(MANY.methods))),
    }.items()
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", FIGURES)
def test_words_are_legible_the_panel_keeps_a_third_of_the_page_and_the_figure_has_a_description(make):
    fig = make()
    assert_legible(fig)
    assert fig.axes[0].get_position().width > 1 / 3
    assert fig.get_figwidth() == 7
    assert fig.get_label().endswith(".")
    assert "nan" not in fig.get_label()


def test_dots_say_means_ranges_and_the_worst_cases():
    values = [[0.5, 0.9, 0.7, 0.8], [0.7, 0.9, 0.7, 0.8]]
    compared = compare({"a": results(np.array(values)[..., None])})
    label = dots(compared, worst=1).get_label()
    assert label.startswith("Dice, a dot for each of 4 cases: a 0.750 [")
    assert label.endswith("cases from 0.600 to 0.900. Worst on average: c0.")


def test_every_case_has_a_dot_in_every_row():
    fig = dots(FEW)
    for row in range(2):
        xs = []
        for line in fig.axes[0].lines:
            x, y = np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata())
            near = (row - 0.5 < y) & (y < row + 0.2)
            if line.get_marker() not in ("", "None") and not (line.get_marker() == "s" and len(x) == 1):
                xs += list(x[near])
        cases = FEW.of(FEW.methods[row]).mean(axis=0).tolist()
        np.testing.assert_allclose(sorted(xs), sorted(cases))


def test_the_worst_cases_are_named_the_worst_first():
    assert [text.get_text() for text in dots(FEW).legends[0].get_texts()][:2] == ["c0", "c1"]
    assert [text.get_text() for text in dots(FAR).legends[0].get_texts()][:2] == ["c0", "c1"]
    assert not dots(FEW, worst=0).legends
    assert "Worst" not in dots(FEW, worst=0).get_label()


def test_of_few_cases_at_most_half_are_called_the_worst():
    four = comparison(["a", "b"], cases=4)
    assert len(dots(four).legends[0].get_texts()) == 2
    assert not dots(comparison(["a"], cases=1)).legends


def test_dots_may_show_some_methods_in_another_order():
    fig = dots(MANY, ["method 3", "method 0"])
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == ["method 3", "method 0"]
    with pytest.raises(ValueError, match="method: expected one of method 0"):
        dots(MANY, ["x"])
    with pytest.raises(ValueError, match="methods: expected one or more, got none"):
        dots(MANY, [])
    with pytest.raises(ValueError, match="worst: expected 0 to 8, got 9"):
        dots(MANY, worst=9)


def test_dots_need_no_second_seed_and_no_second_patient():
    one = compare({"a": results([[[0.5], [0.6]]]).assign(patient="p")})
    assert "a 0.550, cases from" in dots(one).get_label()
    assert_legible(dots(one))


def test_dots_that_would_touch_stand_in_different_lanes():
    rng = np.random.default_rng(1)
    x = rng.uniform(size=12)
    placed = lanes(x, 0.1)
    for i, j in itertools.combinations(range(12), 2):
        assert placed[i] != placed[j] or abs(x[i] - x[j]) >= 0.1
    assert lanes(np.array([0.0, 1.0, 2.0]), 0.5).tolist() == [0, 0, 0]
    assert lanes(np.array([2.0, 1.0, 0.9]), 0.5).tolist() == [0, 1, 0]
    assert set(lanes(np.zeros(20), 0.5).tolist()) == set(LANES)


def test_a_ranking_is_drawn_as_its_shares():
    ranking = comparison(["a", "b", "c"], step=0.002).ranking
    fig = ranks(ranking)
    cells = [patch for patch in fig.axes[0].patches if patch.get_fill()]
    np.testing.assert_allclose([cell.get_alpha() for cell in cells], ranking.shares.to_numpy().ravel())
    written = [text.get_text() for text in fig.axes[0].texts]
    assert written == [f"{100 * s:.0f}" for s in ranking.shares.to_numpy().ravel() if s >= 0.1]
    frames = [patch for patch in fig.axes[0].patches if not patch.get_fill()]
    assert [frame.get_x() + frame.get_width() / 2 for frame in frames] == pytest.approx([1, 2, 3])
    ends = [line.get_xdata() for line in fig.axes[0].lines]
    np.testing.assert_array_equal(ends, ranking.table[["low", "high"]])


def test_a_ranking_says_itself_in_words():
    label = ranks(comparison(["a", "b"], step=0.2).ranking).get_label()
    assert "Ranked by mean Dice" in label
    assert label.endswith("a rank 1 [1, 1], first in 100%; b rank 2 [2, 2], first in 0%.")


def test_one_method_alone_has_no_rank_and_no_difference():
    with pytest.raises(
        ValueError, match=r"ranking: expected two methods.*One method has no rank among others"
    ):
        ranks(comparison(["a"]).ranking)
    with pytest.raises(ValueError, match="comparison: expected two methods or more, got one"):
        forest(comparison(["a"]))


def test_a_forest_tells_both_sides_where_the_second_varies():
    fig = forest(MANY, [("method 1", "method 0"), ("method 2", "method 1")])
    labels = [text.get_text() for text in fig.axes[0].get_yticklabels()]
    assert labels == ["method 1\n− method 0", "method 2\n− method 1"]
    assert "minus that of" not in fig.axes[0].get_xlabel()


def test_the_ps_of_a_forest_stand_in_a_column():
    fig = forest(MANY)
    right = [t.get_window_extent().x1 for t in words(fig) if t.axes is fig.axes[1] and t.get_ha() == "right"]
    assert len(right) == 12  # eleven and their head
    np.testing.assert_allclose(right, right[0], atol=1)


def test_names_are_shortened_in_the_middle_and_stay_different():
    names = ["U-Net", LONG.format(2), LONG.format(3)]
    short = fitted(names)
    assert short[0] == "U-Net"
    assert len(set(short)) == 3
    for name in short[1:]:
        assert len(name.split("\n")) == 2
        assert max(map(len, name.split("\n"))) <= 26
        assert name.startswith("pruned(learner=")
        assert "…" in name
    assert short[1].endswith("depth=2)")


def test_names_that_would_look_the_same_are_given_in_full():
    names = [f"{'a' * 60}{middle}{'b' * 60}" for middle in "xy"]
    assert [name.replace("\n", "") for name in fitted(names)] == names


def test_a_name_that_fits_is_only_broken():
    name = "Supervised(network=UNet(skips=False))"
    assert fitted([name])[0].replace("\n", "") == name
    assert fitted(["U-Net without skips"], 13) == ["U-Net without\nskips"]
    assert fitted([LONG, LONG], 20, 1)[0].count("\n") == 0, "a name that stands twice is shortened, too"
    assert fitted(["LIDC-IDRI-0001_nodule-0_slice-4"], 20, after="_") == ["LIDC-IDRI-0001_\nnodule-0_slice-4"]


def test_rows_are_as_high_as_their_names():
    assert row_height(["a", "b"], 0.36) == 0.36
    assert row_height(["a\nb\nc"], 0.36) == pytest.approx(3 * 0.17 + 0.05)
    assert row_height([], 0.5) == 0.5
