"""Comparisons as tables: what stands in them, and what the files hold."""

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medseg_lab.evaluation import export as module
from medseg_lab.evaluation.export import escaped, export
from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.evaluation.standings import Standing, standings
from medseg_lab.evaluation.summary import UNITS, _amount, summary
from tests.evaluation.stored import store_run

ODD = "50% of_the & <b>#1</b> {best} $x$ \\ ~ ^"


def standing(root: Path, seeds: int = 2, **more) -> Standing:
    """U-Net, and FCN-8s which is 0.1 below it, on cases that differ by more."""
    draw = np.random.default_rng(0)
    hard = draw.uniform(0.4, 0.9, size=8)
    for seed in range(seeds):
        dice = hard + draw.normal(0, 0.01, 8)
        store_run(root, "U-Net", seed, dice=dice.tolist(), seconds=30.0 + seed, parameters=1_500_000, **more)
        store_run(root, "FCN-8s", seed, dice=(dice - 0.1).tolist(), peak_memory_mb=2500.0, **more)
    (found,) = standings(read_ledger(root))
    return found


def cells(page: Path) -> list[list[str]]:
    """The rows of a page's tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.read_text(encoding="utf-8"), re.DOTALL)
    found = [re.findall(r"<t[hd] ?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in found]


def test_the_numbers_of_a_summary_are_those_of_the_comparison(tmp_path):
    found = standing(tmp_path)
    frame, compared = found.summary().frame, found.comparison()
    assert list(frame.index) == ["FCN-8s", "U-Net"]
    assert frame.loc["FCN-8s", "difference"] == pytest.approx(-0.1)
    assert frame["mean"].tolist() == pytest.approx([compared.of(name).mean() for name in frame.index])
    (row,) = compared.differences.to_dict("records")
    columns = ["difference", "difference_low", "difference_high", "p", "holm"]
    assert frame.loc["FCN-8s", columns].tolist() == [row[n] for n in ("mean", "low", "high", "p", "holm")]
    assert frame.loc["U-Net", columns].isna().all()
    assert frame["rank"].tolist() == [2, 1]
    assert frame["first"].tolist() == [0, 1]
    assert frame[["seeds", "cases"]].to_numpy().tolist() == [[2, 8], [2, 8]]
    assert frame["seconds"].tolist() == [60.0, 30.5]
    assert frame["parameters"].tolist() == [1000, 1_500_000]


def test_the_words_of_a_summary_are_its_numbers(tmp_path):
    found = standing(tmp_path).summary()
    words, frame = found.words, found.frame
    assert words["method"] == ["FCN-8s", "U-Net"]
    row = frame.loc["U-Net"]
    assert words["Dice\n[95%]"][1] == f"{row['mean']:.3f}\n[{row['low']:.3f}, {row['high']:.3f}]"
    other, none = words["minus U-Net\n[95%]"]
    assert other.startswith("−0.100\n[−0.1")
    assert none == ""
    assert frame.loc["FCN-8s", "holm"] < 0.001
    assert words["Holm p"] == ["< 0.001", ""]
    assert words["rank\n[95%]"] == ["2\n[2, 2]", "1\n[1, 1]"]
    assert words["first"] == ["0%", "100%"]
    assert (words["seeds"], words["cases"]) == (["2", "2"], ["8", "8"])
    assert words["training"] == ["60 s", "30 s"]
    assert words["memory"] == ["2.5 GB", "900 MB"]
    assert words["para-\nmeters"] == ["1.0 k", "1.5 M"]


def test_costs_are_written_in_the_largest_unit_that_fits():
    written = {0.25: "0.2 s", 9.96: "10 s", 119.0: "119 s", 120.0: "2.0 min", 7199: "120 min", 7200: "2.0 h"}
    assert {seconds: _amount(seconds, UNITS["seconds"]) for seconds in written} == written


def test_one_seed_makes_no_ranking_and_no_test(tmp_path):
    found = standing(tmp_path, seeds=1).summary()
    assert [head.split("\n")[0] for head in found.words] == [
        *("method", "Dice", "seeds", "cases", "training", "memory", "para-")
    ]
    assert found.frame[["rank", "rank_low", "rank_high", "first", "p", "holm"]].isna().all(axis=None)
    assert found.frame.loc["FCN-8s", "difference"] == pytest.approx(-0.1)
    assert "rank" not in found.caption


def test_one_patient_makes_no_ranking_and_no_test(tmp_path):
    for seed in (0, 1, 2):
        for name, dice in (("U-Net", 0.7), ("FCN-8s", 0.6)):
            store_run(tmp_path, name, seed, dice=[dice + seed / 100])
    (found,) = standings(read_ledger(tmp_path))
    shown = found.summary()
    assert shown.words["minus U-Net\n[95%]"] == ["−0.100", ""]
    assert not {"Holm p", "first"} & set(shown.words)
    assert "nan" not in f"{shown.words}{shown.caption}{shown.comparison}"


def test_one_method_is_no_ranking(tmp_path):
    for seed in (0, 1):
        store_run(tmp_path, "U-Net", seed, dice=[0.5, 0.6, 0.7, 0.8])
    (found,) = standings(read_ledger(tmp_path))
    assert not {"Holm p", "first"} & set(found.summary().words)


def test_smoke_is_headed_by_what_it_is(tmp_path):
    found = standing(tmp_path, spend="smoke").summary()
    assert found.title.startswith("smoke: proves that it runs, compares nothing; circles, 4 labelled")
    assert not standing(tmp_path / "class").summary().title.startswith("smoke")


def test_what_was_left_out_and_what_differs_is_in_the_caption(tmp_path):
    standing(tmp_path)
    store_run(tmp_path, "V-Net", 0, dice=[0.5] * 8)
    store_run(tmp_path, "3D U-Net", 0, dice=[0.5] * 8, versions={"torch": "1"})
    store_run(tmp_path, "3D U-Net", 1, dice=[0.5] * 8)
    (found,) = standings(read_ledger(tmp_path))
    caption = found.summary().caption
    assert "V-Net: has seed 0, not seeds 0, 1." in caption
    assert "Trained with different versions of torch: " in caption


def test_csv_holds_all_numbers_in_full_with_their_terms(tmp_path):
    found = standing(tmp_path)
    assert export(found, tmp_path / "x.csv") == tmp_path / "x.csv"
    read = pd.read_csv(tmp_path / "x.csv").set_index("method")
    frame = found.summary().frame
    np.testing.assert_array_equal(read[frame.columns].to_numpy(float), frame.to_numpy(float))
    terms = read.loc["U-Net", ["dataset", "labelled", "budget", "steps", "voxels", "part", "metric"]]
    assert terms.tolist() == ["circles", 4, "class", 300, 100_000, "validation", "dice"]
    assert read["baseline"].tolist() == ["U-Net", "U-Net"]
    assert read["cohort"].tolist() == ["circles-4-usual"] * 2


def test_several_standings_are_in_one_file(tmp_path):
    for dataset in ("a", "b"):
        for name in ("U-Net", "V-Net"):
            store_run(tmp_path, name, dataset=dataset)
    found = standings(read_ledger(tmp_path))
    export(found, tmp_path / "x.csv")
    assert pd.read_csv(tmp_path / "x.csv")["dataset"].tolist() == ["a", "a", "b", "b"]
    export(found, tmp_path / "x.html")
    assert re.findall(r"<h2>(..)", (tmp_path / "x.html").read_text()) == ["a,", "b,"]
    export(found, tmp_path / "x.tex")
    text = (tmp_path / "x.tex").read_text()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\caption{") == 2


def test_html_holds_the_words(tmp_path):
    found = standing(tmp_path)
    export(found, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    heads, *rows = cells(tmp_path / "x.html")
    words = found.summary().words
    assert heads == list(words)
    columns = [[cell.replace("\n", " ") for cell in column] for column in words.values()]
    assert rows == [list(row) for row in zip(*columns, strict=True)]
    assert "http" not in text.replace("http-equiv", "")  # nothing is fetched


def test_names_are_text_in_html(tmp_path):
    found = standing(tmp_path).ledger.named({ODD: "U-Net"})
    (named,) = standings(found)
    export(named, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert ODD in [row[0] for row in cells(tmp_path / "x.html")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a & b", r"a \& b"),
        ("50%", r"50\%"),
        ("spatial_dims", r"spatial\_dims"),
        ("#1", r"\#1"),
        ("$x$", r"\$x\$"),
        ("{best}", r"\{best\}"),
        ("a\\b", r"a\textbackslash{}b"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("−0.1 < 2 > 1", r"\ensuremath{-}0.1 \ensuremath{<} 2 \ensuremath{>} 1"),
        ("a|b", r"a\textbar{}b"),
        ("two\nlines", "two lines"),
        ("plain (text), [1, 2]", "plain (text), [1, 2]"),
    ],
)
def test_latex_prints_text_as_it_is(text, wanted):
    assert escaped(text) == wanted


def latex(root: Path) -> str:
    """The LaTeX of a comparison with an odd name and a recipe, which is long."""
    found = standing(root)
    for seed in (0, 1):
        recipe = "Supervised(network=UNet(features=[8, 16]), spatial_dims=2)"
        store_run(root, recipe, seed, dice=[0.5 + 0.04 * n for n in range(8)])
    (found,) = standings(read_ledger(root).named({ODD: "FCN-8s"}))
    export(found, root / "x.tex")
    return (root / "x.tex").read_text(encoding="utf-8")


def test_latex_is_a_table_with_the_rules_of_booktabs(tmp_path):
    text = latex(tmp_path)
    for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}", r"\end{table}"):
        assert text.count(command) == 1
    assert text.endswith("\\end{table}\n")
    columns = re.search(r"\\begin{tabular}{(.*)}", text)[1]
    assert columns == "p{5.5cm}" + "r" * 10
    body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.strip() and "rule" not in line]
    assert len(rows) == 4
    assert all(row.endswith(r"\\") for row in rows)
    assert all(len(re.findall(r"(?<!\\)&", row)) == 10 for row in rows)
    assert r"50\% of\_the \& \ensuremath{<}b\ensuremath{>}\#1" in text.replace(r"\allowbreak{}", "")


def test_the_braces_of_latex_balance_and_nothing_special_is_left(tmp_path):
    text = latex(tmp_path)
    bare = re.sub(r"\\[&%$#_{}\\]|\\ensuremath\{.\}", "", "\n".join(text.splitlines()[1:]))
    assert bare.count("{") == bare.count("}") > 10
    depth = np.cumsum([(sign == "{") - (sign == "}") for sign in bare])
    assert depth.min() >= 0
    assert not set("%$#_~^<>−") & set(bare)
    assert bare.isascii()


@pytest.mark.parametrize("name", ["[mine]", "*mine"])
def test_a_name_is_no_argument_of_the_line_before(tmp_path, name):
    (named,) = standings(standing(tmp_path).ledger.named({name: "FCN-8s"}))
    export(named, tmp_path / "x.tex")
    (line,) = [one for one in (tmp_path / "x.tex").read_text().splitlines() if name in one]
    assert line.startswith("{}" + name)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_latex_compiles(tmp_path):
    text = latex(tmp_path)
    page = (
        "\\documentclass{article}\n\\usepackage{adjustbox,booktabs}\n\\begin{document}\n%s\\end{document}\n"
    )
    (tmp_path / "page.tex").write_text(page % text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_a_comparison_without_a_ledger_is_exported_without_costs(tmp_path):
    compared = standing(tmp_path).comparison("iou")
    export(compared, tmp_path / "x.csv")
    read = pd.read_csv(tmp_path / "x.csv")
    assert read["metric"].tolist() == ["iou", "iou"]
    assert read["seconds"].isna().all()
    assert "training" not in summary(compared).words
    export([compared, standing(tmp_path / "more")], tmp_path / "x.html")


def test_metric_and_baseline_of_a_standing_may_be_chosen(tmp_path):
    export(standing(tmp_path), tmp_path / "x.csv", metric="hd95", baseline="FCN-8s")
    read = pd.read_csv(tmp_path / "x.csv")
    assert (set(read["metric"]), set(read["baseline"])) == ({"hd95"}, {"FCN-8s"})


@pytest.mark.parametrize("name", ["x.xlsx", "x", "x.CSV.gz"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"export: expected a name that ends in \.csv, \.html, \.tex"):
        export(standing(tmp_path), tmp_path / name)


def test_nothing_and_nowhere_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected at least one comparison"):
        export([], tmp_path / "x.csv")
    with pytest.raises(ValueError, match="expected a folder that exists"):
        export(standing(tmp_path), tmp_path / "nowhere" / "x.csv")


def test_a_file_is_replaced_whole_or_stays(tmp_path, monkeypatch):
    place = tmp_path / "out"
    place.mkdir()
    found = standing(tmp_path / "store")
    (place / "x.csv").write_text("old")

    def fails(*_: object) -> str:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setitem(module.FORMATS, ".csv", fails)
        with pytest.raises(ZeroDivisionError):
            export(found, place / "x.csv")
    assert (place / "x.csv").read_text() == "old"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(ZeroDivisionError):
            export(found, place / "x.csv")
    assert [path.name for path in place.iterdir()] == ["x.csv"]
    assert (place / "x.csv").read_text() == "old"
    export(found, place / "x.csv")
    assert (place / "x.csv").read_text() != "old"
    assert [path.name for path in place.iterdir()] == ["x.csv"]
