"""What a person sees and types."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console
from served import Answer, below

from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.obtain import command
from medseg_lab.data.obtain.terms import terms

TO_FETCH = [dataset for dataset in known_cards() if load_card(dataset).download]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=60)


@pytest.fixture
def known(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "load_card", lambda dataset: toy())
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path / "sets"))


def test_terms_come_before_anything_is_fetched(server, known, archive, console):
    server.give(Answer(archive))
    with pytest.raises(ValueError, match="medseg data get toy --accept-licence"):
        command.get("toy", console=console)
    shown = console.file.getvalue()
    for said in ("CC BY 4.0", "Fraz et al.", "2.5 MB", "not yet", f"{server.url}/set.zip"):
        assert said in shown
    assert server.asked == []


def test_getting_says_where_it_is_and_what_was_compared(server, known, archive, console, tmp_path):
    server.give(Answer(archive))
    command.get("toy", accept_licence=True, console=console)
    shown = console.file.getvalue()
    assert f"laid out: {tmp_path / 'sets' / 'toy'}" in shown
    assert "6 files match" in shown
    command.get("toy", console=console)
    assert "already there" in console.file.getvalue()


def test_verifying_names_what_differs(server, known, archive, console, tmp_path):
    server.give(Answer(archive))
    command.get("toy", accept_licence=True, console=console)
    command.check("toy", console)
    (tmp_path / "sets" / "toy" / "Image_01L.jpg").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"Image_01L\.jpg: got another checksum"):
        command.check("toy", console)
    assert "5 files match, 1 file differs" in console.file.getvalue()
    with pytest.raises(ValueError, match="wanted the data set toy"):
        command.check("toy", console, folder=tmp_path)


def test_no_address_is_cut_by_a_narrow_terminal():
    for dataset in TO_FETCH:
        console, offered = Console(file=io.StringIO(), width=30), terms(load_card(dataset))
        command._show(offered, console)
        shown = console.file.getvalue()
        assert all(address in shown for address in offered.addresses)
        assert all(word in shown for word in offered.by_hand.split())


@pytest.mark.parametrize("dataset", TO_FETCH)
def test_every_set_says_its_terms(dataset):
    card = load_card(dataset)
    text = str(terms(card))
    for said in (card.licence, card.citation, card.home, "last confirmed  not yet", "MB"):
        assert said in text
    assert bool(terms(card).addresses) != bool(terms(card).by_hand)


@pytest.mark.parametrize("dataset", TO_FETCH)
def test_every_set_has_a_script_that_fetches_nothing_unasked(root, tmp_path, dataset):
    script = root / "data_scripts" / f"{dataset.replace('-', '_')}.py"
    done = subprocess.run(
        [sys.executable, script, "--to", tmp_path / "set"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"},
    )
    assert done.returncode == 2
    assert load_card(dataset).licence in done.stdout
    assert done.stderr.startswith(f"error: data set {dataset}: got no --")
    assert done.stderr.count("\n") == 1
    assert below(tmp_path) == []


def test_a_script_ends_with_1_where_the_system_is_at_fault(known, server, archive, monkeypatch, capsys):
    server.give(Answer(b"", 404))
    monkeypatch.setattr(sys, "argv", ["toy.py", "--accept-licence"])
    with pytest.raises(SystemExit) as left:
        command.main("toy")
    assert left.value.code == 1
    assert "404" in capsys.readouterr().err
