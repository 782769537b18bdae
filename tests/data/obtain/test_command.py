"""What a person sees and types."""

import io
import runpy
import sys

import pytest
from rich.console import Console
from served import Answer, below

from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.obtain import command
from medseg_lab.data.obtain.terms import terms

DATASETS = [dataset for dataset in known_cards() if load_card(dataset).download]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=60)


@pytest.fixture
def known(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "load_card", lambda dataset: toy())
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path / "sets"))


def test_terms_come_before_anything_is_downloaded(server, known, archive, console):
    server.give(Answer(archive))
    with pytest.raises(ValueError, match="medseg data get toy --accept-licence"):
        command.get("toy", console=console)
    shown = console.file.getvalue()
    for said in ("CC BY 4.0", "Fraz et al.", "2.5 MB", "not yet", f"{server.url}/set.zip"):
        assert said in shown
    assert server.asked == []


def test_getting_and_verifying_say_where_it_is_and_what_was_compared(
    server, known, archive, console, tmp_path
):
    server.give(Answer(archive))
    command.get("toy", accept_licence=True, console=console)
    folder = tmp_path / "sets" / "toy"
    assert f"laid out: {folder}\nfiles: 6 match\n" in console.file.getvalue()
    command.get("toy", console=console)
    assert f"already there: {folder}\n" in console.file.getvalue()
    command.check("toy", console)
    (folder / "Image_01L.jpg").write_bytes(b"other")
    with pytest.raises(
        ValueError, match=r"toy: expected the published checksums, got others for Image_01L\.jpg"
    ):
        command.check("toy", console)
    assert "files: 5 match, 1 differ\n" in console.file.getvalue()
    with pytest.raises(ValueError, match=f"{tmp_path}: expected the data set toy, got no "):
        command.check("toy", console, folder=tmp_path)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_set_says_its_terms_and_no_address_is_cut_by_a_narrow_terminal(dataset):
    card, console = load_card(dataset), Console(file=io.StringIO(), width=30)
    command._show(terms(card), console)
    shown = console.file.getvalue()
    text = " ".join(shown.split())
    assert "last confirmed not yet" in text
    assert "MB" in text
    for said in (card.licence, card.citation, card.download.by_hand):
        assert " ".join(said.split()) in text
    for address in (card.home, *(archive.url for archive in card.download.archives)):
        assert address in shown


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_set_has_a_script_that_downloads_nothing_unasked(root, tmp_path, monkeypatch, capsys, dataset):
    script = root / "data_scripts" / f"{dataset.replace('-', '_')}.py"
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setattr(sys, "argv", [str(script), "--to", str(tmp_path / "set")])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr()
    assert left.value.code == 2
    assert load_card(dataset).licence in said.out
    assert said.err.startswith(f"error: data set {dataset}: ")
    assert f"medseg data get {dataset} --" in said.err
    assert said.err.count("\n") == 1
    assert below(tmp_path) == []


def test_a_script_ends_with_1_where_the_server_is_at_fault(known, root, server, monkeypatch, capsys):
    server.give(Answer(b"", 404))
    script = str(root / "data_scripts" / "chase_db1.py")
    monkeypatch.setattr(sys, "argv", [script, "--accept-licence"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(script, run_name="__main__")
    assert left.value.code == 1
    assert "404" in capsys.readouterr().err
