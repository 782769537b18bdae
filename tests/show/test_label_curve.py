"""The label curve: every mean and interval where it belongs, and no mark on another."""

import numpy as np
import pytest

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.show.label_curve import label_curve, spread
from tests.evaluation.test_comparison import results
from tests.show.legible import assert_legible

NINE = (
    *("supervised", "Pi-model", "temporal ensembling", "Mean Teacher", "UA-MT"),
    *("TCSM", "TCSMv2", "semiTC", "MASSL"),
)


def comparison(level: float, methods=NINE, metric="dice", seeds=3, cases=8) -> Comparison:
    rng = np.random.default_rng(int(100 * level))
    base = level + rng.uniform(-0.1, 0.1, (1, cases, 1))
    made = {name: base + 0.005 * i + rng.normal(0, 0.02, (seeds, cases, 1)) for i, name in enumerate(methods)}
    return compare({name: results(found, metric=metric) for name, found in made.items()}, metric)


ALL = {
    160: comparison(0.8, NINE[:1]),
    4: comparison(0.5),
    16: comparison(0.7, NINE[:4] + NINE[5:]),
    8: comparison(0.6),
}


def lines(fig) -> dict[str, np.ndarray]:
    """The points (n, 2) of each line of the legend, which stand in the order of the methods."""
    drawn = [line for line in fig.axes[0].lines if line.get_marker() != "None"]
    names = [text.get_text() for text in fig.legends[0].get_texts()]
    return {name: line.get_xydata() for name, line in zip(names, drawn, strict=True)}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "comparisons",
    [
        pytest.param(ALL, id="four counts"),
        pytest.param({8: ALL[8]}, id="one count"),
        pytest.param({8: ALL[8], 208: ALL[160]}, id="far apart"),
        pytest.param({3: comparison(9, NINE[:2], "hd95"), 7: comparison(7, NINE[:2], "hd95")}, id="mm"),
    ],
)
def test_no_words_are_cut_off_or_cover_each_other(comparisons):
    assert_legible(label_curve(comparisons))


def test_a_method_is_there_at_the_counts_at_which_it_was_compared():
    fig = label_curve(ALL)
    found, (low, high) = lines(fig), fig.axes[0].get_xlim()
    assert all(((low < points[:, 0]) & (points[:, 0] < high)).all() for points in found.values())
    assert list(found) == list(NINE)
    assert {name: len(points) for name, points in found.items()} == {
        **dict.fromkeys(NINE, 3),
        "supervised": 4,
        "UA-MT": 2,
    }


def test_heights_are_the_means_and_bars_the_intervals():
    fig = label_curve(ALL)
    drawn = zip(lines(fig).items(), fig.axes[0].collections, strict=True)
    for (name, points), bars in drawn:
        rows = [ALL[n].table.loc[name] for n in sorted(ALL) if name in ALL[n].methods]
        np.testing.assert_allclose(points[:, 1], [row["mean"] for row in rows])
        for x, row, bar in zip(points[:, 0], rows, bars.get_segments(), strict=True):
            np.testing.assert_allclose(bar, [[x, row["low"]], [x, row["high"]]])


def test_marks_stand_apart_in_the_same_order_at_each_count_and_about_it():
    points = lines(label_curve({4: ALL[4], 8: ALL[8]}))
    for i, count in enumerate((4, 8)):
        logs = np.log([points[name][i, 0] / count for name in NINE])
        assert (np.diff(logs) > 0).all()
        np.testing.assert_allclose(np.diff(logs), np.diff(logs)[0])
        assert logs[4] == pytest.approx(0)
        assert np.abs(logs).max() < np.log(2) / 2  # so that they are nearer to their count than to the other


def test_one_method_stands_on_its_count():
    only = {n: comparison(0.5, NINE[:1]) for n in (3, 7)}
    np.testing.assert_allclose(lines(label_curve(only))["supervised"][:, 0], [3, 7])


def test_the_spread_is_a_third_of_the_nearest_counts_or_a_share_of_all():
    assert spread([4, 8, 16, 4096]) == pytest.approx(0.33 * np.log(2))
    assert spread([8, 208]) == pytest.approx(0.09 * np.log(26))
    assert spread([8]) > 0


def test_ticks_are_the_counts():
    ax = label_curve(ALL).axes[0]
    assert ax.get_xscale() == "log"
    assert ax.get_xticks().tolist() == [4, 8, 16, 160]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["4", "8", "16", "160"]
    assert len(ax.get_xticks(minor=True)) == 0


def test_it_is_said_in_words():
    values = np.full((2, 6, 1), 0.5)
    fig = label_curve({8: compare({"a": results(values + 0.2)}), 4: compare({"a": results(values)})})
    assert fig.get_label() == (
        "Dice against the number of labelled patients, with 95% intervals. "
        "With 4: a 0.500 [0.500, 0.500]. With 8: a 0.700 [0.700, 0.700]."
    )
    assert fig.axes[0].get_ylabel() == "Dice; higher is better"
    sizes = label_curve({1: compare({"a": results(values)})}, counted="patches in a batch")
    assert "Dice against the number of patches in a batch, with" in sizes.get_label()
    assert sizes.axes[0].get_xlabel() == "patches in a batch"
    far = label_curve({4: comparison(9, NINE[:1], "hd95")})
    assert far.axes[0].get_ylabel() == "HD95 (mm); lower is better"


def test_one_patient_has_points_without_bars():
    alone = label_curve({4: comparison(0.5, NINE[:2], cases=1)})
    assert "nan" not in alone.get_label()
    assert_legible(alone)


def test_what_cannot_be_one_curve_is_refused():
    with pytest.raises(ValueError, match="comparisons: expected one or more, got none"):
        label_curve({})
    with pytest.raises(ValueError, match="comparisons: expected 1 labelled patient or more, got 0"):
        label_curve({0: ALL[4]})
    with pytest.raises(ValueError, match="expected the same metric with 4 labelled patients as with 8"):
        label_curve({8: ALL[8], 4: comparison(9, metric="hd95")})
    with pytest.raises(ValueError, match="expected the same cases with 4"):
        label_curve({8: ALL[8], 4: comparison(0.5, cases=7)})
