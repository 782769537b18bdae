"""The table of methods: every number where it belongs, and a mark only where the best can be told."""

import re
from html import escape, unescape
from types import SimpleNamespace

import numpy as np
import pytest

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.show.uncertainty_table import best, caption, methods_page, show_methods
from tests.evaluation.test_comparison import results

METHODS = ("U-Net", "V<Net>", "PHiSeg")
PASSES = {"U-Net": 1, "V<Net>": 16, "PHiSeg": 4}
RUNS = {
    "U-Net": [SimpleNamespace(record=SimpleNamespace(seconds=s, parameters=470_000)) for s in (38.0, 42.4)],
    "V<Net>": [SimpleNamespace(record=SimpleNamespace(seconds=200.0, parameters=1_500_000))],
    "PHiSeg": [SimpleNamespace(record=SimpleNamespace(seconds=7.0, parameters=900))],
}
EIGHT = (
    *("ged", "matched_iou", "rater_ncc", "ece"),
    *("brier", "nll", "error_auroc", "error_retention"),
)


def comparison(metric: str, *levels: float, noise=0.0, seeds=2, cases=8, methods=METHODS) -> Comparison:
    """Methods that are so good on every case, but for noise of their own."""
    rng = np.random.default_rng(0)
    base = rng.uniform(-0.05, 0.05, (1, cases, 1))
    made = {
        name: results(base + level + noise * rng.normal(size=(seeds, cases, 1)), metric=metric)
        for name, level in zip(methods, levels, strict=True)
    }
    return compare(made, metric)


ALL = {metric: comparison(metric, 0.3, 0.4, 0.5) for metric in EIGHT}


def html(comparisons, runs=RUNS, passes=PASSES) -> str:
    return methods_page(comparisons, runs, passes)[0]


def tables(markup: str) -> list[list[list[str]]]:
    """Tables, their rows, their cells' markup."""
    return [
        [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
        for table in re.findall(r"<table.*?</table>", markup)
    ]


def plain(cell: str) -> str:
    return re.sub(r"<[^>]+>", "", cell)


def test_columns_are_spread_over_tables_that_a_page_can_hold():
    found = tables(html(ALL))
    assert [len(rows[0]) for rows in found] == [5, 5, 4]
    heads = [unescape(plain(head)) for rows in found[:2] for head in rows[0][1:]]
    arrows = ["↓", "↑", "↑", "↓", "↓", "↓", "↑", "↓"]
    assert heads == [f"{ALL[m].title}\u00a0{arrow}" for m, arrow in zip(EIGHT, arrows, strict=True)]
    for rows in found:
        assert [row[0] for row in rows] == ["method", "U-Net", "V&lt;Net&gt;", "PHiSeg"]
    five = tables(html({m: ALL[m] for m in EIGHT[:5]}))
    assert [len(rows[0]) for rows in five] == [4, 3, 4]
    four = tables(html({m: ALL[m] for m in EIGHT[:4]}))
    assert [len(rows[0]) for rows in four] == [5, 4]


def test_a_cell_is_the_mean_and_below_it_the_interval():
    found = tables(html(ALL))
    for m, metric in enumerate(EIGHT):
        for row, method in enumerate(METHODS, start=1):
            mean, low, high = ALL[metric].table.loc[method, ["mean", "low", "high"]]
            digits = ALL[metric].digits
            cell = found[m // 4][row][1 + m % 4]
            said = re.fullmatch(r"(\S+?)\*? \[(\S+), (\S+)\]", plain(cell))
            assert said.groups() == tuple(
                f"{value:.{digits}f}".replace("-", "−") for value in (mean, low, high)
            )
            assert f"<small>[{said[2]}, {said[3]}]</small>" in cell
    assert ALL["error_retention"].digits == 4


def test_costs_come_last_and_are_not_judged():
    costs = tables(html(ALL))[-1]
    assert [[plain(cell) for cell in row] for row in costs] == [
        ["method", "seconds of training", "passes at test time", "parameters"],
        ["U-Net", "40", "1", "470k"],
        ["V&lt;Net&gt;", "200", "16", "1.5M"],
        ["PHiSeg", "7", "4", "900"],
    ]


def test_the_best_is_marked_in_the_direction_of_the_measure():
    lower, higher = comparison("ece", 0.3, 0.4, 0.5), comparison("error_auroc", 0.3, 0.4, 0.5)
    assert best(lower) == "U-Net"
    assert best(higher) == "PHiSeg"
    found = tables(html({"ece": lower, "error_auroc": higher}))[0]
    marked = [[cell.count("<strong>") for cell in row[1:]] for row in found[1:]]
    assert marked == [[1, 0], [0, 0], [0, 1]]
    assert "*" in plain(found[1][1])


def test_the_best_is_not_marked_where_it_cannot_be_told_from_the_next():
    assert best(comparison("ece", 0.3, 0.3, 0.5)) is None
    noisy = comparison("ece", 0.3, 0.301, 0.5, noise=0.05)
    (row,) = noisy.paired([("U-Net", "V<Net>")]).to_dict("records")
    assert row["low"] < 0 < row["high"]
    assert best(noisy) is None
    assert best(comparison("error_auroc", 0.5, 0.499, 0.3, noise=0.05)) is None


def test_nor_where_another_than_the_next_may_be_better():
    # The second is surely worse than the first; the third, worse on average, varies so much as to hide it.
    cases = np.linspace(0.3, 0.4, 8).reshape(1, -1, 1).repeat(2, axis=0)
    wild = cases + 0.03 + 0.3 * np.array([1, -1] * 4).reshape(1, -1, 1)
    made = {"a": cases, "b": cases + 0.01, "c": wild}
    assert (
        best(compare({name: results(values, metric="ece") for name, values in made.items()}, "ece")) is None
    )
    pair = {name: results(made[name], metric="ece") for name in "ab"}
    assert best(compare(pair, "ece")) == "a"


def test_one_seed_one_method_or_a_measure_without_a_better_side_mark_nothing():
    assert best(comparison("ece", 0.3, 0.4, 0.5, seeds=1)) is None
    assert best(comparison("ece", 0.3, methods=METHODS[:1])) is None
    entropy = comparison("expected_entropy", 0.3, 0.4, 0.5)
    assert best(entropy) is None
    head = tables(html({"expected_entropy": entropy}))[0][0]
    assert head == ["method", "expected entropy (nats)"]


def test_one_patient_has_means_without_brackets():
    alone = {"ece": comparison("ece", 0.3, 0.4, 0.5, cases=1)}
    markup = html(alone)
    assert "nan" not in markup
    assert "[" not in plain(re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL))


def test_each_cell_carries_its_head_for_narrow_screens():
    markup = html(ALL)
    assert len(re.findall(r"<td ", markup)) == 3 * (8 + 3)
    for metric in EIGHT:
        assert markup.count(f'data-head="{escape(ALL[metric].title)}') == 3
    assert markup.count('data-head="parameters"') == 3


def test_text_holds_the_same_numbers(monkeypatch):
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_methods(ALL, RUNS, PASSES)
    (output,) = shown
    assert output["text/html"] == html(ALL)
    lines = output["text/plain"].splitlines()
    assert lines.index("V<Net>") - lines.index("U-Net") == 12
    assert "  parameters: 1.5M" in lines
    cells = [plain(cell) for rows in tables(output["text/html"]) for row in rows[1:] for cell in row[1:]]
    ends = [line.split(": ", 1)[1] for line in lines if line.startswith("  ")]
    assert sorted(cells) == sorted(ends)


def test_the_caption_says_what_the_numbers_stand_for():
    said = caption(ALL)
    assert said.startswith(
        "Means of 8 validation cases of 8 patients, 2 seeds, k0. Brackets: 95% interval over"
    )
    assert "over trainings and patients" in said
    assert "* better than every other method, with" in said
    assert html(ALL).count(f"<caption>{said}</caption>") == 1
    single = methods_page({"ece": comparison("ece", 0.3, 0.4, 0.5, seeds=1)}, RUNS, PASSES)[1].splitlines()[
        -1
    ]
    assert "1 seed, k0. Brackets: 95% interval over patients." in single
    assert "*" not in single


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(ValueError, match="comparisons: expected one or more, got none"):
        html({})
    other = comparison("nll", 0.3, 0.4, methods=METHODS[:2])
    with pytest.raises(
        ValueError, match="comparisons: expected the same methods for all, got others for nll than for ece"
    ):
        html({"ece": ALL["ece"], "nll": other})
    with pytest.raises(ValueError, match="expected the same cases for all, got others for nll"):
        html({"ece": ALL["ece"], "nll": comparison("nll", 0.3, 0.4, 0.5, cases=7)})
    with pytest.raises(ValueError, match="expected the same seeds for all, got others for nll"):
        html({"ece": ALL["ece"], "nll": comparison("nll", 0.3, 0.4, 0.5, seeds=3)})
    with pytest.raises(ValueError, match="runs: expected one or more of each method, got none of V<Net>, P"):
        html(ALL, {"U-Net": RUNS["U-Net"], "PHiSeg": []}, PASSES)
    with pytest.raises(ValueError, match="passes of PHiSeg: expected 0 or more, got None"):
        html(ALL, RUNS, {"U-Net": 1, "V<Net>": 1})
