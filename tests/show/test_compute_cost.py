"""A measure against what it costs: points at their seconds, and apart where these are the same."""

from types import SimpleNamespace

import numpy as np
import pytest

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.show.cost import GAP, apart, show_value_for_compute
from tests.evaluation.test_comparison import results
from tests.show.legible import assert_legible

SECONDS = {
    **{"U-Net": 40.0, "deep ensemble": 200.0, "MC dropout": 40.0, "multiple hypotheses": 43.0},
    **{"Probabilistic U-Net": 61.0, "PHiSeg": 95.0},
    "Supervised(network=UNet(dropout=0.5), spatial_dims=2)": 40.0,
}
PASSES = dict(zip(SECONDS, (1, 5, 16, 1, 16, 16, 16), strict=True))


def runs(seconds: dict[str, float]) -> dict[str, list]:
    """Two seeds, one of which took a quarter longer than the other."""

    def run(seconds: float) -> SimpleNamespace:
        return SimpleNamespace(record=SimpleNamespace(seconds=seconds, parameters=9))

    return {name: [run(s * by) for by in (8 / 9, 10 / 9)] for name, s in seconds.items()}


def comparison(metric="error_auroc", methods=tuple(SECONDS)) -> Comparison:
    rng = np.random.default_rng(0)
    made = {name: 0.8 + 0.01 * i + rng.normal(0, 0.02, (4, 8, 1)) for i, name in enumerate(methods)}
    return compare({name: results(values, metric=metric) for name, values in made.items()}, metric)


FIG = show_value_for_compute(comparison(), runs(SECONDS), PASSES)


def points(fig) -> np.ndarray:
    """`(methods, 2)`: those inside the panel, without the ones beside the names."""
    marks = [line for line in fig.axes[0].lines if line.get_marker() not in ("None", "")]
    return np.array([line.get_xydata()[0] for line in marks[: len(marks) // 2]])


@pytest.mark.filterwarnings("error")
def test_no_words_are_cut_off_or_cover_each_other():
    assert_legible(FIG)


def test_points_are_means_with_their_intervals():
    table = comparison().table
    np.testing.assert_allclose(points(FIG)[:, 1], table["mean"])
    bars = [bar.get_segments()[0] for bar in FIG.axes[0].collections]
    for (x, _), bar, (low, high) in zip(points(FIG), bars, table[["low", "high"]].to_numpy(), strict=True):
        np.testing.assert_allclose(bar, [[x, low], [x, high]])


def test_seconds_are_means_over_the_runs():
    two = dict(list(SECONDS.items())[:2])
    fig = show_value_for_compute(comparison(methods=tuple(two)), runs(two), PASSES)
    np.testing.assert_allclose(points(fig)[:, 0], [40, 200])
    assert fig.axes[0].get_xscale() == "log"
    assert fig.axes[0].get_xlabel() == "seconds of training"


def test_methods_of_one_training_stand_side_by_side():
    x = points(FIG)[:, 0]
    ordered = np.sort(np.log(x))
    gap = GAP * (np.log(200 / 40) + 2 * np.log(1.6))
    assert np.diff(ordered).min() >= gap - 1e-9
    assert np.abs(np.log(x / np.array(list(SECONDS.values())))).max() < 3 * gap
    left, right = FIG.axes[0].get_xlim()
    assert (left < x).all()
    assert (x < right).all()


def test_places_farapart_stay():
    assert apart([10, 20, 40]) == pytest.approx([10, 20, 40])
    one, two = apart([10, 10])
    assert one * two == pytest.approx(100)  # as far below as above
    assert one < 10 < two
    assert apart([7]) == pytest.approx([7])


def test_passes_stand_by_the_names():
    said = [text.get_text() for text in FIG.axes[0].texts]
    assert said[:3] == ["U-Net, 1 pass", "deep ensemble, 5 passes", "MC dropout, 16 passes"]


def test_which_side_is_better_is_said():
    assert FIG.axes[0].get_ylabel() == "AUROC of error detection; higher is better"
    other = show_value_for_compute(comparison("error_retention"), runs(SECONDS), PASSES)
    assert other.axes[0].get_ylabel().endswith("; lower is better")


def test_it_is_said_in_words():
    made = {
        name: results(np.full((2, 3, 1), value), metric="error_auroc")
        for name, value in (("a", 0.8), ("b", 0.9))
    }
    fig = show_value_for_compute(compare(made, "error_auroc"), runs({"a": 10, "b": 10}), {"a": 1, "b": 16})
    assert fig.get_label() == (
        "AUROC of error detection against seconds of training, and passes: "
        "a 0.800 [0.800, 0.800] after 10 s, 1 at test time; "
        "b 0.900 [0.900, 0.900] after 10 s, 16 at test time."
    )


def test_what_is_missing_is_refused():
    with pytest.raises(ValueError, match="runs: expected one or more of each method, got none of U-Net"):
        show_value_for_compute(comparison(), {**runs(SECONDS), "U-Net": []}, PASSES)
    with pytest.raises(ValueError, match="passes of MC dropout: expected 0 or more, got -1"):
        show_value_for_compute(comparison(), runs(SECONDS), {**PASSES, "MC dropout": -1})
