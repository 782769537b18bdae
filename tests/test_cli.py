"""The command line: what it prints, and how it fails."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app, assignments
from medseg_lab.survey.methods import methods
from tests.chapters.small import cell, small_house
from tests.evaluation.stored import store_run


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small_house(tmp_path)
    monkeypatch.setenv("MEDSEG_HOME", str(tmp_path))
    return tmp_path


def medseg(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def lines(text: str) -> list[str]:
    return [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]


def test_help_names_every_command() -> None:
    out = medseg("--help").output
    assert all(name in out for name in ("run", "book", "runs", "chapters", "methods", "exercise"))


def test_run_executes_then_replays(house: Path) -> None:
    first, second = (medseg("run", "2.1.1", "-p", "seeds=3", "--budget", "smoke") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "executed" in first.output
    assert "replayed" in second.output
    assert Path(lines(second.output)[-1]).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "9.9"), "one of 2.1.1"),
        (("run", "2.1.1", "-p", "sead=3"), "known: dataset: str"),
        (("run", "2.1.1", "-p", "seeds=many"), "expected int"),
        (("run", "2.1.1", "-p", "seeds"), "expected name=value"),
        (("run", "2.1.1", "--budget", "huge"), "one of smoke, class, full"),
        (("run", "2.1.1", "--dataset", "no-such-set"), "virtual-brain"),
        (
            ("run", "2.1.1", "-p", "budget=class", "--budget", "smoke"),
            "budget: expected one value, got 'class' by -p and 'smoke' by --budget",
        ),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(house: Path, arguments: tuple[str, ...], said: str) -> None:
    result = medseg(*arguments)
    assert result.exit_code == 2
    assert len(lines(result.stderr)) == 1
    assert result.stderr.startswith("error: ")
    assert said in result.stderr


def test_failing_chapter_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_house(tmp_path, cell("1 / 0"))
    monkeypatch.setenv("MEDSEG_HOME", str(tmp_path))
    result = medseg("run", "2.1.1")
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr


def test_chapters_and_methods_are_listed(house: Path) -> None:
    out = medseg("chapters").output
    assert "2.1.1" in out
    assert "small" in out
    assert f"{len(methods())} methods" in medseg("methods").output


def test_runs_of_an_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    assert lines(medseg("runs").output) == [f"Runs in {tmp_path}: none"]


def test_exercise_writes_a_copy(house: Path) -> None:
    assert medseg("exercise", "2.1.1", "-o", str(house / "class")).exit_code == 0
    assert medseg("exercise", "2.1.1", "-o", str(house / "class")).exit_code == 2


def test_value_may_hold_an_equals_sign() -> None:
    assert assignments(["rule=a=b"]) == {"rule": "a=b"}


def test_runs_have_the_names_that_comparisons_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_run(tmp_path, "FCN-8s")
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    *_, row, hint = lines(medseg("runs").output)
    assert " FCN-8s " in row
    assert hint.startswith("`medseg predict RUN IMAGES -o MASKS`")
