"""The reliability diagram: every point where its bin's means are."""

import numpy as np
import pytest
import torch

from medseg_lab.show.reliability import show_reliability
from medseg_lab.uncertainty.measures.calibration import Reliability
from tests.show.legible import assert_legible

SEVEN = (
    *("U-Net", "deep ensemble", "MC dropout", "multiple hypotheses"),
    *("Probabilistic U-Net", "PHiSeg", "Supervised(network=UNet(dropout=0.5), spatial_dims=2)"),
)


def made(weight, confidence, accuracy) -> Reliability:
    """From each bin's voxels and its means."""
    count = torch.tensor(weight, dtype=torch.float64)
    return Reliability(count, count * torch.tensor(confidence), count * torch.tensor(accuracy))


HONEST = made([0, 0, 100, 9900], [0, 0, 0.6, 0.9], [0, 0, 0.6, 0.9])
BOLD = made([0, 1, 999, 9000], [0, 0.4, 0.7, 0.95], [0, 0.0, 0.5, 0.85])
# |.5 - .7| on 999 voxels, |.85 - .95| on 9000, |0 - .4| on one
BOLD_ERROR = (0.2 * 999 + 0.1 * 9000 + 0.4) / 10_000
CROWD = {
    name: made([9, 200, 3000, 50_000], [0.2, 0.4, 0.6, 0.9], [0.1, 0.3, 0.02 * i + 0.5, 0.95])
    for i, name in enumerate(SEVEN)
}


def marks(ax) -> list[np.ndarray]:
    return [line.get_xydata() for line in ax.lines if line.get_marker() not in ("None", "")]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "curves",
    [
        pytest.param(CROWD, id="seven"),
        pytest.param({"honest": HONEST}, id="one"),
        pytest.param({"honest": HONEST, "bold": BOLD}, id="hollow"),
    ],
)
def test_no_words_are_cut_off_or_cover_each_other(curves):
    assert_legible(show_reliability(curves))


@pytest.mark.filterwarnings("error")
def test_points_are_the_means_of_bins_with_voxels():
    upper = show_reliability({"honest": HONEST, "bold": BOLD}).axes[0]
    hollow_one, filled_one, hollow_two, filled_two = marks(upper)
    np.testing.assert_allclose(filled_one, [[0.6, 0.6], [0.9, 0.9]])
    np.testing.assert_allclose(filled_two, [[0.7, 0.5], [0.95, 0.85]])
    assert len(hollow_one) == 0
    np.testing.assert_allclose(hollow_two, [[0.4, 0]])  # 1 of 10,000 voxels
    diagonal, first, second = (line.get_xydata() for line in upper.lines if line.get_marker() in ("None", ""))
    np.testing.assert_allclose(diagonal, [[0, 0], [1, 1]])
    assert (len(first), len(second)) == (2, 3)


def test_rare_bins_are_hollow_and_the_legend_says_so():
    fig = show_reliability({"bold": BOLD})
    hollow, filled = (line for line in fig.axes[0].lines if line.get_marker() not in ("None", ""))
    assert hollow.get_markerfacecolor() == "white"
    assert filled.get_markerfacecolor() != "white"
    said = [text.get_text() for text in fig.legends[0].get_texts()]
    assert said == [f"bold\n{BOLD_ERROR:.3f}", "under 0.1% of\nthe voxels"]
    alone = show_reliability({"honest": HONEST}).legends[0]
    assert [text.get_text() for text in alone.get_texts()] == ["honest\n0.000"]


def test_below_are_the_shares_of_voxels():
    lower = show_reliability({"honest": HONEST, "bold": BOLD}).axes[1]
    shares = [patch.get_data() for patch in lower.patches]
    np.testing.assert_allclose(shares[0].values, [0, 0, 0.01, 0.99])
    np.testing.assert_allclose(shares[1].values, [0, 0.0001, 0.0999, 0.9])
    np.testing.assert_allclose(shares[0].edges, [0, 0.25, 0.5, 0.75, 1])
    assert lower.get_yscale() == "log"
    assert lower.get_ylim()[0] < 0.0001
    assert lower.get_ylim()[1] == 1


def test_the_panel_holds_every_point():
    fig = show_reliability(CROWD)
    (left, right), (bottom, top) = fig.axes[0].get_xlim(), fig.axes[0].get_ylim()
    assert left == 0  # the first of the four bins has voxels
    points = np.concatenate(marks(fig.axes[0]))
    assert (points > [left, bottom]).all()
    assert (points < [right, top]).all()
    assert show_reliability({"honest": HONEST}).axes[0].get_xlim()[0] == 0.5


def test_the_panel_reaches_down_to_a_bin_that_is_never_right():
    assert show_reliability({"bold": BOLD}).axes[0].get_ylim()[0] < 0


def test_cases_are_added_up():
    fig = show_reliability({"both": HONEST + HONEST})
    np.testing.assert_allclose(marks(fig.axes[0])[1], [[0.6, 0.6], [0.9, 0.9]])


def test_methods_look_unlike_each_other():
    lines = [line for line in show_reliability(CROWD).axes[0].lines if line.get_marker() not in ("None", "")]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 7
    assert len({line.get_marker() for line in lines}) == 7


def test_it_is_said_in_words():
    assert show_reliability({"honest": HONEST, "bold": BOLD}).get_label() == (
        "Accuracy against confidence. Expected calibration error: honest 0.000, most confident bin 90.0% "
        f"right at 90.0%; bold {BOLD_ERROR:.3f}, most confident bin 85.0% right at 95.0%."
    )


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="curves: expected one or more, got none"):
        show_reliability({})
    with pytest.raises(
        ValueError, match="expected the same number of bins for all methods, got 4 for honest, 2 for other"
    ):
        show_reliability({"honest": HONEST, "other": made([1, 1], [0, 1], [0, 1])})
    with pytest.raises(ValueError, match="curves: expected one voxel or more for other, got none"):
        show_reliability({"other": made([0, 0], [0, 1], [0, 1])})
