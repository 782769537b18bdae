"""Uncertainty over training sizes: a panel a quantity, one look a method, and the truth where it belongs."""

import numpy as np
import pytest

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.show.label_curve import alt_text
from medseg_lab.show.training_sizes import show_training_sizes
from tests.evaluation.test_comparison import results
from tests.show.legible import assert_legible

SEVEN = (
    *("U-Net", "deep ensemble", "MC dropout", "multiple hypotheses"),
    *("Probabilistic U-Net", "PHiSeg", "test-time augmentation"),
)
SIZES = (4, 8, 16, 64)


def comparison(metric: str, level: float, methods=SEVEN, seeds=3, cases=6) -> Comparison:
    rng = np.random.default_rng(int(1e4 * level))
    made = {
        name: level * (1 + 0.1 * i) + level * rng.normal(0, 0.05, (seeds, cases, 1))
        for i, name in enumerate(methods)
    }
    return compare({name: results(values, metric=metric) for name, values in made.items()}, metric)


EPISTEMIC = {n: comparison("mutual_information", 0.1 / n, SEVEN[1:]) for n in SIZES}
ALEATORIC = {n: comparison("expected_entropy", 0.12 + 0.1 / n) for n in SIZES}
TOTAL = {n: comparison("predictive_entropy", 0.12 + 0.2 / n, SEVEN[-1:]) for n in SIZES}


def legend(fig) -> dict[str, str]:
    """What the legend names, and in which colour."""
    (shown,) = fig.legends
    names = [text.get_text() for text in shown.get_texts()]
    return {name: line.get_color() for name, line in zip(names, shown.get_lines(), strict=True)}


def drawn(ax) -> dict[str, np.ndarray]:
    """The points of the lines with marks, by their colour."""
    return {line.get_color(): line.get_xydata() for line in ax.lines if line.get_marker() not in ("None", "")}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("quantities", "truth"),
    [
        pytest.param((EPISTEMIC, ALEATORIC), 0.1, id="two"),
        pytest.param((EPISTEMIC, ALEATORIC, TOTAL), 0.1, id="three"),
        pytest.param((TOTAL,), None, id="one"),
    ],
)
def test_no_words_are_cut_off_or_cover_each_other(quantities, truth):
    assert_legible(show_training_sizes(*quantities, truth=truth))


def test_a_method_has_one_look_in_all_panels():
    fig = show_training_sizes(EPISTEMIC, ALEATORIC)
    named = legend(fig)
    assert set(named) == set(SEVEN)
    for ax, sizes in zip(fig.axes, (EPISTEMIC, ALEATORIC), strict=True):
        found = drawn(ax)
        for name in sizes[4].methods:
            np.testing.assert_allclose(
                found[named[name]][:, 1], [sizes[n].table.loc[name, "mean"] for n in SIZES]
            )
        assert len(found) == len(sizes[4].methods)


def test_methods_stand_in_the_order_they_are_met_and_the_truth_last():
    fig = show_training_sizes(EPISTEMIC, ALEATORIC, truth=0.1)
    assert list(legend(fig)) == [*SEVEN[1:], SEVEN[0], "the truth"]


def test_panels_begin_at_zero_and_hold_the_metrics_titles():
    fig = show_training_sizes(EPISTEMIC, ALEATORIC)
    assert [ax.get_ylim()[0] for ax in fig.axes] == [0, 0]
    assert [ax.get_ylabel() for ax in fig.axes] == ["mutual information (nats)", "expected entropy (nats)"]
    assert [ax.get_xlabel() for ax in fig.axes] == ["labelled patients"] * 2
    assert [ax.get_xscale() for ax in fig.axes] == ["log"] * 2


def level(ax) -> list[float]:
    """The heights of the black dashed lines across a panel."""
    return [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]]


def test_the_truth_is_drawn_where_the_metric_estimates_it():
    fig = show_training_sizes(EPISTEMIC, ALEATORIC, TOTAL, truth=0.125)
    assert [level(ax) for ax in fig.axes] == [[], [0.125], [0.125]]
    assert "The entropy of the true distribution is 0.125 nats." in fig.get_label()
    alone = show_training_sizes(EPISTEMIC, truth=0.125)
    assert level(alone.axes[0]) == []
    assert "true distribution" not in alone.get_label()
    assert "the truth" not in legend(alone)
    assert [level(ax) for ax in show_training_sizes(EPISTEMIC, ALEATORIC).axes] == [[], []]


def test_a_high_truth_is_inside_its_panel():
    (ax,) = show_training_sizes(TOTAL, truth=0.5).axes
    assert ax.get_ylim()[1] > 0.5


def test_it_is_said_in_words():
    said = show_training_sizes(EPISTEMIC, ALEATORIC).get_label()
    assert said == f"{alt_text(EPISTEMIC)} {alt_text(ALEATORIC)}"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="quantities: expected one or more, got none"):
        show_training_sizes()
    with pytest.raises(ValueError, match="comparisons: expected one or more, got none"):
        show_training_sizes(EPISTEMIC, {})
    with pytest.raises(
        ValueError, match="expected each metric once, got mutual_information, mutual_information"
    ):
        show_training_sizes(EPISTEMIC, EPISTEMIC)
    with pytest.raises(ValueError, match="expected the same metric with 8 labelled patients as with 4"):
        show_training_sizes({4: EPISTEMIC[4], 8: ALEATORIC[8]})
