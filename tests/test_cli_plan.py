"""`medseg plan`: a table of decisions, or JSON."""

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from medseg_lab.cli.app import app
from tests.data.conftest import msd_folder  # noqa: F401


def test_a_folder_of_ones_own_is_planned(msd_folder: Callable[..., Path]) -> None:  # noqa: F811
    folder = msd_folder(5)
    out = CliRunner().invoke(app, ["plan", str(folder)], terminal_width=200).output
    words = ("spacing", "patch", "batch", "pooling", "features", "halved down to 4")
    assert all(word in out for word in words)
    plain = json.loads(CliRunner().invoke(app, ["plan", str(folder), "--json"]).output)
    assert plain["stages"][0]["name"] == "2D"
    assert {"about", "choice", "reason"} == plain["decisions"][0].keys()


def test_an_unknown_data_set_is_one_line() -> None:
    found = CliRunner().invoke(app, ["plan", "no-such-set"])
    assert found.exit_code == 2
    assert "expected one of auto" in found.output
