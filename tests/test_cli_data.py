"""`medseg data`: what it prints, draws and writes, and how it fails."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.cli.tables import show as table
from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.choose import path_of
from tests.data.conftest import msd_folder, own_cache  # noqa: F401
from tests.data.readers.layouts import build, save_picture


def medseg(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", *arguments])


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nuclei images where `MEDSEG_DATA` points; the working folder is another."""
    build("nuclei", tmp_path / "sets" / "dsb2018-nuclei", cases=6)
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path / "sets"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_help_names_every_command() -> None:
    out = medseg("--help").output
    assert all(name in out for name in ("list", "show", "get", "verify", "add"))


def test_list_names_every_set_and_variant_and_what_is_at_hand(at_hand: Path) -> None:
    out = plain(medseg("list").output)
    for name in known_cards():
        assert name in out
        assert all(f"+{variant}" in out for variant in load_card(name).variants)
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows["dsb2018-nuclei"].split()[-1] == "yes"
    assert rows["chase-db1"].split()[-1] == "no"
    assert rows["virtual-brain"].split()[-1] == "made"
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("dsb2018-nuclei:"))
    assert f"dsb2018-nuclei: {at_hand / 'sets' / 'dsb2018-nuclei'}" in out


def test_show_prints_the_card_and_draws_a_sheet(at_hand: Path) -> None:
    result = medseg("show", "dsb2018-nuclei")
    out = plain(result.output)
    assert result.exit_code == 0, out
    for said in ("CC0 1.0", "nucleus", "train:", "last confirmed: not yet", "6 cases of 6 patients"):
        assert said in out
    assert "contact sheet: dsb2018-nuclei.png" in out
    with Image.open(at_hand / "here" / "dsb2018-nuclei.png") as image:
        assert image.format == "PNG"
        assert image.width == 1400
    assert [path.name for path in (at_hand / "here").iterdir()] == ["dsb2018-nuclei.png"]


def test_show_never_overwrites_unasked(at_hand: Path) -> None:
    sheet = at_hand / "here" / "dsb2018-nuclei.png"
    sheet.write_text("mine")
    assert "already exists" in plain(medseg("show", "dsb2018-nuclei").output)
    named = medseg("show", "dsb2018-nuclei", "-o", str(sheet))
    assert named.exit_code == 2
    assert "already exists" in named.stderr
    assert sheet.read_text() == "mine"
    assert medseg("show", "dsb2018-nuclei", "-o", str(sheet), "--overwrite").exit_code == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_show_into_a_folder_that_is_not_there_is_one_error(at_hand: Path) -> None:
    result = medseg("show", "dsb2018-nuclei", "-o", str(at_hand / "nowhere" / "x.png"))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "No such file or directory" in result.stderr


def test_show_of_what_is_not_here_tells_how_to_get_it(at_hand: Path) -> None:
    result = medseg("show", "chase-db1")
    out = " ".join(plain(result.output).split())
    assert result.exit_code == 0
    assert "chase-db1 is not on this machine" in out
    assert "medseg data get chase-db1" in out
    assert "CC BY 4.0" in out
    assert not list((at_hand / "here").iterdir())


def test_a_card_that_was_not_measured_says_so(at_hand: Path) -> None:
    assert "not measured" in plain(medseg("show", "msd-brain-tumour").output)


@pytest.mark.parametrize("command", ["show", "get", "verify"])
def test_an_unknown_set_is_one_line_that_names_the_known(command: str, at_hand: Path) -> None:
    result = medseg(command, "no-such-set")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "virtual-brain" in result.stderr


def test_get_shows_the_terms_and_wants_the_licence_accepted(at_hand: Path) -> None:
    result = medseg("get", "chase-db1", "--to", str(at_hand / "target"))
    assert result.exit_code == 2
    assert "CC BY 4.0" in plain(result.output)
    assert "--accept-licence" in result.stderr
    assert not (at_hand / "target").exists()


def test_get_hands_on_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("medseg_lab.data.obtain.command.get", lambda *given, **named: seen.append(given))
    assert medseg("get", "acdc", "--accept-licence", "--from", "a.zip", "--to", "b").exit_code == 0
    assert seen == [("acdc", True, Path("a.zip"), Path("b"))]


def test_verify_of_other_files_fails(at_hand: Path) -> None:
    result = medseg("verify", "dsb2018-nuclei")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_add_prints_what_it_saw_and_writes_a_card(msd_folder: Callable[..., Path]) -> None:  # noqa: F811
    folder = msd_folder(6)
    (folder / "imagesTr" / "toy_002.nii.gz").write_bytes(b"no volume")
    result = medseg("add", str(folder))
    out = plain(result.output)
    assert result.exit_code == 0, out
    assert "5 read" in out
    assert "toy_002" in out
    assert "every case counts as one patient" in out
    assert tomllib.loads((folder / "card.toml").read_text())["classes"] == ["background", "front", "back"]
    assert "refuses this folder until the faults of toy_002 are corrected" in " ".join(out.split())
    again = medseg("add", str(folder))
    assert again.exit_code == 2
    assert "there is a card already" in again.stderr
    checked = medseg("check", str(folder))
    assert checked.exit_code == 0, checked.output
    assert "toy_002" in checked.output


def test_add_ends_with_the_command_that_trains_and_its_cost(msd_folder: Callable[..., Path]) -> None:  # noqa: F811
    folder = msd_folder(6)
    out = medseg("add", str(folder)).output
    assert f"medseg run run_your_own -p folder={folder}" in out
    assert re.search(r"A U-Net at budget class trains for about .*300 steps, .* timed on toy_00\d", out)


def test_show_of_ones_own_folder(msd_folder: Callable[..., Path], tmp_path: Path) -> None:  # noqa: F811
    folder = msd_folder(6)
    result = medseg("show", str(folder), "-o", str(tmp_path / "own.png"))
    assert result.exit_code == 0, result.output
    assert "Task99_Toy" in plain(result.output)
    assert "a folder of your own (6 cases of" in plain(result.output)
    with Image.open(tmp_path / "own.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


def test_add_of_two_folders_prints_how_they_pair_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for i in range(10):
        save_picture(
            tmp_path / "cells" / "pictures" / f"{i}.png", rng.integers(0, 255, (16, 16)).astype(np.uint8)
        )
        save_picture(tmp_path / "cells" / "drawn" / f"{i}_mask.png", np.eye(16, dtype=np.uint8) * 255)
    monkeypatch.chdir(tmp_path)
    result = medseg("add", "cells/pictures", "cells/drawn")
    out = " ".join(plain(result.output).split())
    assert result.exit_code == 0, out
    assert "10 pairs" in out
    assert "the image <case> belongs to the mask <case>_mask. Left over: 0 images, 0 masks" in out
    assert "masks store 0 and 255: taken as background and foreground" in out
    assert tomllib.loads((tmp_path / "cells" / "card.toml").read_text())["pairs"]["images"] == "pictures"
    again = medseg("add", "cells/pictures", "cells/drawn", "-o", "elsewhere")
    assert again.exit_code == 0, again.output
    assert Path(tomllib.loads(Path("elsewhere/card.toml").read_text())["pairs"]["images"]).is_absolute()


def test_add_of_no_folder_is_one_error(tmp_path: Path) -> None:
    result = medseg("add", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "no such folder" in result.stderr


def test_brackets_in_a_table_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table("A [/b] title", ("where",), [("[/red] a.nii: got [1, 2]",)])
    out = capsys.readouterr().out
    assert "[/red] a.nii: got [1, 2]" in out
    assert "A [/b] title" in out


@pytest.mark.parametrize("name", ["acdc", "auto"])
def test_a_folder_that_is_called_like_a_known_set_is_named_as_a_path(name: str) -> None:
    assert path_of(Path(name)) == f"./{name}"
    assert path_of(Path("sets") / name) == f"sets/{name}"
