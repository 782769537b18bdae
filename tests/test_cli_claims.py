"""`medseg claims`: a table of verdicts, filtered and written."""

import csv
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.survey.claims import claims
from tests.evaluation.claim_runs import ledger, runs

ACDC = {"dataset": "acdc", "held_out": "acdc", "cohort": "acdc"}
SIDES = {"U-Net": 0.05, "U-Net without skips": 0.0, "FCN-8s": 0.06}


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in which skips help and FCN-8s is ahead of U-Net; on acdc skips do harm."""
    made = ledger(
        *(runs(name, ahead) for name, ahead in SIDES.items()),
        runs("U-Net", -0.05, **ACDC),
        runs("U-Net without skips", **ACDC),
    )
    monkeypatch.setattr("medseg_lab.cli.comparisons.read_ledger", lambda root=None: made)


def medseg(*arguments: str, width: int = 140) -> Result:
    return CliRunner().invoke(app, ["claims", *arguments], env={"COLUMNS": str(width), "NO_COLOR": "1"})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_claim_is_listed_and_counted() -> None:
    result = medseg(width=200)
    assert result.exit_code == 0
    assert all(claim.statement in result.output for claim in claims())
    total = len(claims())
    exact = sum(bool(claim.identity) for claim in claims())
    counts = f"{exact} supported, 1 not supported, 1 inconclusive, {total - exact - 2} not run"
    assert result.output.startswith(f"{total} claims of the survey, 15 runs in store: {counts}")


def test_a_row_holds_effect_interval_data_seeds_cases_and_budget() -> None:
    output = medseg("--section", "2.1.1", "--state", "not-supported", width=200).output
    (line,) = [line for line in output.splitlines() if "Dice" in line]
    assert "−0.010 [−0.0" in line
    assert "virtual-brain, class budget, 20 patients labelled, 3 seeds, 10 validation cases" in line
    assert "✗ not supported" in output


def test_each_data_set_has_a_line_with_its_mark_and_details_tell_sides_margin_and_reasons() -> None:
    short, long = (medseg("--section", "2.1.1", *more).output for more in ((), ("--details",)))
    assert "There are no runs of FCN-32s." in long
    assert "U-Net against FCN-8s; Dice, margin 0.01" in long
    assert "U-Net++ pruned against U-Net++; Dice, margin 0.01, non-inferior" in long
    assert "Not supported on acdc; supported on virtual-brain." in long
    assert "The difference goes the other way." in medseg("--state", "inconclusive", "--details").output
    assert "✗ Dice −0.05" in short
    assert "✓ Dice +0.05" in short
    assert "There are no runs" not in short
    assert "margin" not in short


def test_one_data_set_can_decide_alone() -> None:
    output = medseg("--section", "2.1.1", "--dataset", "virtual-brain").output
    assert f"1 supported, 1 not supported, {len(claims('2.1.1')) - 2} not run" in output
    assert "acdc" not in output


def test_a_section_includes_those_below_it() -> None:
    below = [claim for claim in claims() if claim.section == "2.3" or claim.section.startswith("2.3.")]
    assert medseg("--section", "2.3").output.startswith(f"{len(below)} claims")
    assert (
        medseg("--section", "6").output.strip()
        == "0 claims of the survey, 15 runs in store: no claim matches"
    )


def test_what_the_ledger_leaves_out_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def ledger_with_gaps(root: Path | None = None) -> Ledger:
        warnings.warn("left out 2 runs", stacklevel=2)
        return ledger()

    monkeypatch.setattr("medseg_lab.cli.comparisons.read_ledger", ledger_with_gaps)
    result = medseg("--section", "2.1.1")
    assert result.stderr == "note: left out 2 runs\n"
    assert f"0 runs in store: {len(claims('2.1.1'))} not run" in result.output


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(width: int) -> None:
    assert max(map(len, medseg("--details", width=width).output.splitlines())) <= width


def test_verdicts_are_written_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    result = medseg("--section", "2.1.1", "--out", str(path))
    assert f"written: {path}" in result.output.replace("\n", "")
    found = {(row["id"], row["dataset"]): row for row in rows(path)}
    assert found["skips-help", "acdc"]["state"] == "not supported"
    assert found["skips-help", "virtual-brain"]["overall"] == "inconclusive"
    assert float(found["unet-beats-fcn", "virtual-brain"]["effect"]) == pytest.approx(-0.01, abs=0.001)
    assert found["finer-strides-help", ""]["reason"] == "There are no runs of FCN-32s."
    assert [path.name for path in tmp_path.iterdir()] == ["claims.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--section", "9"), "section: expected one of"),
        (
            ("--state", "true"),
            "inconclusive, not-tested, not-run, got 'true'",
        ),
        (("--dataset", "mars"), "dataset: expected one of acdc, virtual-brain, got 'mars'"),
        (("--out", "claims.xlsx"), "--out: expected a name that ends in .csv, got claims.xlsx"),
        (("--out", "/no/such/folder/x.csv"), "--out: there is no folder /no/such/folder"),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = medseg(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
