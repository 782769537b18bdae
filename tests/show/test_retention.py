"""Error-retention curves: what is left after so much was handed over, and the bands they are held against."""

import numpy as np
import pytest
import torch

from medseg_lab.show.retention import averaged, error_after, show_retention
from medseg_lab.uncertainty.measures.error_detection import Retention, error_retention, oracle
from tests.show.legible import assert_legible

KEPT = torch.linspace(0, 1, 5, dtype=torch.float64)


def curve(*error: float) -> Retention:
    return Retention(KEPT, torch.tensor(error, dtype=torch.float64))


GOOD, POOR = curve(0, 0, 0, 0.02, 0.06), curve(0, 0.02, 0.04, 0.06, 0.1)
IDEAL = {"good": curve(0, 0, 0, 0, 0.06), "poor": curve(0, 0, 0, 0, 0.1)}
BOTH = {"good": GOOD, "poor": POOR}


def crowd(n: int = 7) -> tuple[dict, dict]:
    """Methods whose errors are ever harder to find."""
    rng = torch.Generator().manual_seed(0)
    wrong = torch.rand(4000, generator=rng) < 0.05
    noise = torch.rand(4000, generator=rng)
    names = [f"Supervised(network=UNet(dropout=0.{i}))" for i in range(n)]
    found = {name: error_retention(wrong + (1 + i) * noise, wrong) for i, name in enumerate(names)}
    return found, dict.fromkeys(names, oracle(wrong))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(crowd(), id="seven"),
        pytest.param((BOTH, IDEAL), id="two"),
        pytest.param((BOTH,), id="no ideal"),
        pytest.param(({"never wrong": curve(0, 0, 0, 0, 0)},), id="never wrong"),
    ],
)
def test_no_words_are_cut_off_or_cover_each_other(arguments):
    assert_legible(show_retention(*arguments))


def test_lines_run_from_nothing_handed_over_to_everything():
    ax = show_retention(BOTH, IDEAL).axes[0]
    good, poor = ax.lines
    np.testing.assert_allclose(good.get_xydata(), [[1, 0], [0.75, 0], [0.5, 0], [0.25, 0.02], [0, 0.06]])
    np.testing.assert_allclose(poor.get_ydata(), POOR.error)
    assert ax.get_xlim() == (0, 1)
    assert ax.get_ylim()[0] == 0


def test_the_first_hundredths_have_room():
    ax = show_retention(BOTH).axes[0]
    left, tenth, right = (ax.transData.transform((x, 0))[0] for x in (0, 0.1, 1))
    assert (tenth - left) / (right - left) == pytest.approx(0.1**0.5)


def test_bands_run_from_the_least_to_the_largest():
    ax = show_retention(BOTH, IDEAL).axes[0]
    level, ideal = (found.get_paths()[0].vertices for found in ax.collections)
    assert (level[:, 1].min(), level[:, 1].max()) == pytest.approx((0.06, 0.1))
    assert set(ideal[:, 1].round(6)) == {0, 0.06, 0.1}
    kept_all = ideal[ideal[:, 0] == 0][:, 1]
    assert (kept_all.min(), kept_all.max()) == pytest.approx((0.06, 0.1))


def test_areas_stand_in_the_legend():
    # by trapezoids of width 1/4
    said = [text.get_text() for text in show_retention(BOTH, IDEAL).legends[0].get_texts()]
    assert said == [
        "good\n0.0125",
        "poor\n0.0425",
        "in random order\n0.0600 to 0.1000",
        "errors first\n0.0075 to 0.0125",
    ]
    alone = show_retention({"good": GOOD}).legends[0].get_texts()
    assert [text.get_text() for text in alone] == ["good\n0.0125", "in random order\n0.0600"]


def test_cases_are_averaged_and_so_are_their_areas():
    mean = averaged([GOOD, POOR])
    assert mean.error.tolist() == pytest.approx([0, 0.01, 0.02, 0.04, 0.08])
    assert mean.area == pytest.approx((GOOD.area + POOR.area) / 2)
    drawn = show_retention({"both": [GOOD, POOR]}).axes[0].lines[0]
    np.testing.assert_allclose(drawn.get_ydata(), mean.error)
    assert averaged(GOOD).error.tolist() == GOOD.error.tolist()


def test_what_is_left_after_a_share_is_read_off_the_line():
    assert error_after(GOOD, 0) == pytest.approx(0.06)
    assert error_after(GOOD, 0.25) == pytest.approx(0.02)
    assert error_after(GOOD, 0.1) == pytest.approx(0.02 + 0.04 * 0.15 / 0.25)


def test_it_is_said_in_words():
    assert show_retention({"good": GOOD}, {"good": IDEAL["good"]}).get_label() == (
        "Errors among the voxels kept, against the share handed to an expert, the most uncertain first. "
        "After a tenth: good from 6.00% to 4.40%, ideally 3.60%, area 0.0125."
    )
    assert show_retention({"good": GOOD}).get_label().endswith("good from 6.00% to 4.40%, area 0.0125.")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="curves: expected one or more, got none"):
        show_retention({})
    with pytest.raises(ValueError, match="curves: expected one or more for each method, got none"):
        show_retention({"good": []})
    with pytest.raises(ValueError, match="ideals: expected those of good, poor, got good"):
        show_retention(BOTH, {"good": GOOD})
    finer = Retention(torch.linspace(0, 1, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="curves: expected the same shares for all cases"):
        averaged([GOOD, finer])
    with pytest.raises(ValueError, match="curves: expected the same shares for all cases"):
        averaged([GOOD, Retention(KEPT**2, GOOD.error)])
