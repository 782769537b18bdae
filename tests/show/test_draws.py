"""The spread over draws of the labelled patients: which runs count, and what is drawn of them."""

from pathlib import Path

import pandas as pd
import pytest

from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.show.draws import by_draw, draws, spreads
from tests.show.legible import assert_legible

EFFECT = {"U-Net with dropout": 0.0, "Mean Teacher": 0.02}
SHIFT = {0: 0.0, 1: 0.1, 2: -0.1}


def ledger(*runs: tuple[str, int, int, float], **more) -> Ledger:
    """Of (method, draw, seed, Dice) a run with two cases."""
    rows, cases = {}, []
    for number, (method, draw, seed, dice) in enumerate(runs):
        same = {"dataset": "toy", "labelled": 2, "unlabelled": 5, "steps": 9, "voxels": 8, "patch": 4}
        rows[f"r{number}"] = {**same, "judge": "j", "method": method, "draw": draw, "seed": seed} | more
        for case, off in (("a", 0.05), ("b", -0.05)):
            cases.append({"run": f"r{number}", "part": "test", "case": case, "dice": dice + off})
    return Ledger(Path("store"), pd.DataFrame(rows).T.rename_axis("run").infer_objects(), pd.DataFrame(cases))


def runs(drawn=SHIFT, seeds=(0, 1), without=()) -> list[tuple[str, int, int, float]]:
    return [
        (name, draw, seed, 0.7 + gain + SHIFT[draw] + 0.01 * seed)
        for name, gain in EFFECT.items()
        for draw in drawn
        for seed in seeds
        if (name, draw, seed) not in without
    ]


def test_a_mean_of_each_method_on_each_draw_over_seeds_and_cases():
    found = by_draw(ledger(*runs()), list(EFFECT), "toy")
    assert list(found.index) == list(EFFECT)
    assert found.loc["Mean Teacher"].to_dict() == pytest.approx({0: 0.725, 1: 0.825, 2: 0.625})
    over_draws, over_methods = spreads(found)
    assert over_draws == pytest.approx(0.1)  # of -.1, 0, .1
    assert over_methods == pytest.approx(0.02 / 2**0.5)  # of 0, .02


def test_draws_and_seeds_that_a_method_lacks_do_not_count():
    lacking = ledger(*runs(without=[("Mean Teacher", 2, 0), ("Mean Teacher", 2, 1)]))
    assert list(by_draw(lacking, list(EFFECT), "toy")) == [0, 1]
    one_seed = by_draw(ledger(*runs(without=[("U-Net with dropout", 1, 1)])), list(EFFECT), "toy")
    assert one_seed.loc["U-Net with dropout"].to_dict() == pytest.approx({0: 0.7, 1: 0.8, 2: 0.6})


def test_one_draw_another_data_set_or_all_labels_give_nothing():
    assert by_draw(ledger(*runs(drawn=[0])), list(EFFECT), "toy").empty
    assert by_draw(ledger(*runs()), list(EFFECT), "another").empty
    assert by_draw(ledger(*runs(), unlabelled=0), list(EFFECT), "toy").empty


@pytest.mark.filterwarnings("error")
def test_the_figure_has_a_line_a_draw_and_can_be_read():
    found = by_draw(ledger(*runs()), list(EFFECT), "toy")
    fig = draws(found)
    lines = fig.axes[0].get_lines()
    assert [list(line.get_ydata()) for line in lines] == [pytest.approx(list(of)) for _, of in found.items()]
    assert "0.100 over draws, mean over the methods, and 0.014 over methods" in fig.get_label()
    assert_legible(fig)
    with pytest.raises(ValueError, match=r"two methods and two draws at least, got \(2, 1\)"):
        draws(found[[0]])
