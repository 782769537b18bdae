"""`medseg compare`: what it prints, writes and draws, and what it refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.cli.tables import broken
from tests.evaluation.stored import store_run

OWN = "Supervised(network=UNet(features=[8, 16]), spatial_dims=2)"
DICE = {"U-Net": 0.8, "FCN-8s": 0.6, OWN: 0.7}


def compare(store: Path, *arguments: str, columns: int = 140) -> Result:
    command = ["compare", "--store", str(store), *arguments]
    return CliRunner().invoke(app, command, env={"COLUMNS": str(columns)})


def plain(result: Result) -> str:
    """What was printed, its lines joined as a wide terminal would show them."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", result.output))


def fill(store: Path, **terms) -> None:
    """Three methods with two seeds on the same terms."""
    for name, dice in DICE.items():
        for seed in (0, 1):
            values = [dice + 0.02 * case + 0.01 * seed * (name == OWN) for case in range(6)]
            store_run(store, name, seed, dice=values, **terms)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill(tmp_path / "runs")
    return tmp_path / "runs"


def test_without_filters_each_set_of_terms_is_a_table_the_largest_budget_first(store):
    fill(store, spend="full")
    fill(store, dataset="squares")
    said = compare(store)
    assert said.exit_code == 0
    headings = re.findall(r"(\w+), 4 labelled patients, validation part; budget (\w+)", plain(said))
    assert headings == [("circles", "full"), ("circles", "class"), ("squares", "class")]


PARTS = ("0.650", "0.850", "−0.200", "100%", "[3, 3]", "60 s", "900 MB", "1.0 k", "Holm p", "FCN-8s")


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_all_numbers_of_a_method_are_shown_no_line_is_too_wide_and_nothing_is_cut(store, columns):
    result = compare(store, columns=columns)
    if columns >= 80:
        assert [part for part in PARTS if part not in plain(result)] == []
        assert "6 validation cases of 6 patients; 2 seeds" in plain(result)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", result.output).splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in result.output
    if columns >= 80:
        assert "[−0.200, −0.200]" in result.output
        assert all(piece in result.output for piece in ("Supervised(", "features=", "spatial_dims="))


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        (OWN, 20, ["Supervised(network=", "UNet(features=[8,", "16]), spatial_dims=", "2)"]),
        ("U-Net without skips", 13, ["U-Net without", "skips"]),
        ("U-Net without skips", 12, ["U-Net", "without", "skips"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("UNet(features=[8])", 8, ["UNet(", "features", "=[8])"]),
        ("short", 10, ["short"]),
    ],
)
def test_a_name_is_broken_after_its_signs_and_spaces(name, width, lines):
    assert broken(name, width).split("\n") == lines


def test_filters_choose_among_the_terms(store):
    fill(store, spend="full")
    fill(store, dataset="squares", labelled=9, parts=("test",))
    assert "squares" not in plain(compare(store, "--dataset", "circles"))
    assert "budget class" not in plain(compare(store, "--budget", "full"))
    assert "circles" not in plain(compare(store, "--labelled", "9"))
    assert "circles" not in plain(compare(store, "--part", "test"))
    assert "budget class" not in plain(compare(store, "--where", "steps=20000"))
    assert "squares" not in plain(compare(store, "--where", "cohort=circles"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--dataset", "stars"], "dataset: expected one of circles, got 'stars'"),
        (["--budget", "full"], "budget: expected one of class, got 'full'"),
        (["--labelled", "5"], "labelled: expected one of 4, got 5"),
        (["--part", "test"], "part: expected one of validation, got 'test'"),
        (["--method", "U-Nett"], "method: got 'U-Nett', which has no runs here; there are runs of U-Net"),
        (["--baseline", "V-Net"], "method: got 'V-Net', which has no runs here"),
        (["--metric", "beauty"], "metric: expected one of dice"),
        (["--metric", "assd"], "assd: not measured"),
        (["--where", "steps"], "--where: expected NAME=VALUE with one of method"),
        (["--where", "colour=red"], ", got 'colour=red'"),
        (["--where", "steps=many"], "--where: expected a number for steps, got 'steps=many'"),
        (["--names", "none.toml"], "none.toml"),
        (["--out", "x.xlsx"], "export: expected a name that ends in .csv, .html, .tex, got x.xlsx"),
        (["--figure", "x.gif"], "figure: expected a name that ends in .png, .svg, .pdf, got x.gif"),
        (["--figure", "nowhere/x.png"], "figure: expected a folder that exists, got nowhere"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(store, arguments, reason):
    said = compare(store, *arguments)
    assert said.exit_code == 2
    assert reason in plain(said)
    assert "Traceback" not in said.output


def test_methods_that_share_no_terms_are_refused_with_the_reason(store):
    store_run(store, "V-Net", 0, spend="full")
    said = compare(store, "--method", "U-Net", "--method", "V-Net")
    assert said.exit_code == 2
    assert "U-Net and V-Net cannot be compared: they differ in steps (300 and" in plain(said)
    said = compare(store, "--method", "V-Net", "--budget", "class")
    assert (
        "V-Net: no runs with budget class; there are runs with dataset circles, budget full, labelled 4"
        in plain(said)
    )


def test_methods_and_baseline_are_chosen_and_the_baseline_joins_the_methods(store):
    text = plain(compare(store, "--method", "FCN-8s", "--method", OWN))
    assert "minus FCN-8s" in text
    assert "0.850" not in text
    assert "minus FCN-8s" in plain(compare(store, "--baseline", "FCN-8s"))
    text = plain(compare(store, "--method", "FCN-8s", "--baseline", "U-Net"))
    assert "minus U-Net" in text
    assert "0.850" in text


def test_comparisons_without_the_baseline_are_left_out_and_counted(store):
    for seed in (0, 1):
        store_run(store, "V-Net", seed, dataset="squares")
    text = plain(compare(store, "--baseline", "FCN-8s"))
    assert "1 of 2 comparisons are left out: FCN-8s is not in them" in text
    assert "squares," not in text


def test_a_metric_that_only_some_have_leaves_the_others_out_with_the_reason(store, tmp_path):
    from tests.evaluation.stored import results

    cases = results(0.5).drop(columns=["hd95", "diagonal"])
    store_run(store, "U-Net", 0, dataset="flat", cases=cases)
    text = plain(compare(store, "--metric", "hd95"))
    assert "left out: flat, 4 labelled patients" in text
    assert "hd95: not measured on every case" in text
    assert "HD95 (mm)" in text


def test_smoke_is_headed_by_what_it_is(tmp_path):
    fill(tmp_path, spend="smoke")
    assert (
        plain(compare(tmp_path)).lstrip().startswith("smoke: proves that it runs, compares nothing; circles")
    )


def test_an_empty_store_is_one_line(tmp_path):
    said = compare(tmp_path / "nowhere")
    assert said.exit_code == 0
    assert plain(said).strip() == f"nothing to compare: no runs in {tmp_path / 'nowhere'}"


def test_runs_without_results_are_counted_and_alone_are_refused(store, tmp_path):
    store_run(store, "V-Net", parts=None)
    assert "1 of 7 runs have no results: they were trained without a judge" in plain(compare(store))
    store_run(tmp_path / "other", "V-Net", parts=None)
    said = compare(tmp_path / "other")
    assert said.exit_code == 2
    assert "runs: none has results" in plain(said)


def test_superseded_unreadable_and_left_out_runs_are_a_line_each(store):
    for day in (1, 2):
        store_run(store, "V-Net", 0, dice=[0.5] * 6, started=f"2020-01-0{day}")
    for number in range(3):
        folder = store / f"old{number}"
        folder.mkdir()
        for name in ("curves.csv", "weights.safetensors"):
            (folder / name).write_text("")
        (folder / "run.json").write_text('{"schema_version": 1}')
    text = plain(compare(store))
    assert "1 run is left out: a newer one has the same method, data, budget and seed" in text
    assert text.count("note:") == 1
    assert "3 runs whose records are of version 1" in text
    assert "UserWarning" not in text
    assert "V-Net: has seed 0, not seeds 0, 1" in text


def test_tables_are_written_in_several_formats(store, tmp_path):
    outs = [tmp_path / f"x{suffix}" for suffix in (".csv", ".html", ".tex")]
    said = compare(store, *(part for out in outs for part in ("--out", str(out))))
    assert said.exit_code == 0
    assert pd.read_csv(outs[0])["method"].tolist() == ["FCN-8s", "U-Net", OWN]
    assert "<table>" in outs[1].read_text()
    assert r"\toprule" in outs[2].read_text()
    assert all(f"written: {out}" in plain(said) for out in outs)


def test_differences_cases_and_ranks_are_drawn(store, tmp_path):
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<svg"), (".pdf", b"%PDF")):
        target = tmp_path / f"x{suffix}"
        said = compare(store, "--figure", str(target))
        assert said.exit_code == 0, said.output
        assert target.read_bytes().startswith(start)
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.height > 0.5 * picture.width
    assert (tmp_path / "x.svg").read_text().count("<svg") == 4  # three in one


def test_a_drawing_of_several_comparisons_is_refused_with_the_filters(store, tmp_path):
    fill(store, dataset="squares")
    target = tmp_path / "x.png"
    said = compare(store, "--figure", str(target))
    assert said.exit_code == 2
    assert (
        "--figure: expected one comparison, got 2: dataset circles; or dataset squares. Choose by dataset"
        in (plain(said))
    )
    assert not target.exists()
    assert compare(store, "--figure", str(target), "--dataset", "squares").exit_code == 0


def test_a_grid_s_own_names_are_used(store, tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text(
        f'budget = "smoke"\ndatasets = ["virtual-brain"]\nseeds = 1\n[recipes]\n"my U-Net" = "{OWN}"\n'
    )
    said = compare(store, "--names", str(grid))
    assert said.exit_code == 0, said.output
    assert "my U-Net" in said.output
    assert "features" not in said.output
    said = compare(store, "--names", str(grid), "--method", "my U-Net", "--method", "U-Net")
    assert said.exit_code == 0, said.output
    assert "FCN-8s" not in said.output


def test_one_seed_is_not_drawn(tmp_path):
    for name in ("U-Net", "V-Net"):
        store_run(tmp_path / "runs", name)
    said = compare(tmp_path / "runs", "--figure", str(tmp_path / "x.png"))
    assert said.exit_code == 2
    assert "expected two seeds or more, got one" in plain(said)


def test_the_command_imports_no_torch(store):
    code = (
        "import sys; from medseg_lab.cli.app import app\n"
        "sys.argv = ['medseg', 'compare', '--store', sys.argv[1]]\n"
        "try: app()\nexcept SystemExit as end: assert not end.code\n"
        "print([name for name in ('torch', 'monai', 'statsmodels', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
