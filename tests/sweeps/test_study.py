"""The folder of a study: where it is, and whose grid counts."""

import os
from pathlib import Path

import pytest

from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.own.inspection import inspect_folder, write_card
from medseg_lab.publishing.inputs import data_identity
from medseg_lab.sweeps.study import propose_grid, study_folder
from tests.sweeps.sweep_toys import toy_folder

TABLE = {"budget": "smoke", "seeds": 2, "methods": ["U-Net"], "datasets": ["../toy"]}


def test_a_study_is_beside_the_images_or_where_one_says(tmp_path: Path) -> None:
    images = toy_folder(tmp_path / "toy")
    assert study_folder(images) == tmp_path / "toy-study"
    assert study_folder(images, str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(ValueError, match="gone: no such folder"):
        study_folder(tmp_path / "gone")


def test_a_study_that_cannot_be_made_names_the_parameter(tmp_path: Path, monkeypatch) -> None:
    images = toy_folder(tmp_path / "toy")
    (tmp_path / "toy-study").write_text("a file")
    with pytest.raises(RuntimeError, match=r"toy-study: it cannot be written .*; name a folder .*output="):
        study_folder(images)
    (tmp_path / "toy-study").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: path != images)  # as on a read-only disk
    with pytest.raises(RuntimeError, match=r"toy: no card can be written there; name a folder .*output="):
        study_folder(images)
    assert study_folder(images, str(tmp_path / "out")) == tmp_path / "out"


def test_a_grid_is_proposed_anew_until_somebody_edits_it(tmp_path: Path, capsys) -> None:
    assert propose_grid(TABLE, tmp_path).seeds == 2
    assert propose_grid(TABLE | {"seeds": 3}, tmp_path).seeds == 3
    assert capsys.readouterr().out == ""
    grid = tmp_path / "grid.toml"
    edited = grid.read_text().replace("seeds = 3", "seeds = 5  # mine")
    grid.write_text(edited)
    assert propose_grid(TABLE, tmp_path).seeds == 5
    assert capsys.readouterr().out == "grid.toml is there already: it is used as it is.\n"
    assert grid.read_text() == edited


def test_a_grid_of_ones_own_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_bytes(b"\xef\xbb\xbfseeds = 7")
    assert propose_grid(TABLE, tmp_path).seeds == 7
    assert (tmp_path / "grid.toml").read_bytes() == b"\xef\xbb\xbfseeds = 7"


def test_a_card_elsewhere_names_the_folder_of_the_files(tmp_path: Path) -> None:
    images, home = toy_folder(tmp_path / "toy"), tmp_path / "new" / "place"
    before = sorted(images.rglob("*"))
    card = write_card(inspect_folder(images, home))
    assert card == home / "card.toml"
    assert f'folder = "{images}"' in card.read_text()
    assert sorted(images.rglob("*")) == before
    elsewhere, beside = load_cohort(str(home)), load_cohort(str(images))
    assert (elsewhere.id, elsewhere.fingerprint) == ("toy", beside.fingerprint)
    with pytest.raises(ValueError, match="there is a card already"):
        inspect_folder(images, home)


def test_files_elsewhere_count_for_the_identity_of_the_data(tmp_path: Path) -> None:
    images, home = toy_folder(tmp_path / "toy"), tmp_path / "home"
    write_card(inspect_folder(images, home))
    before = data_identity(str(home))
    assert before.keys() == {str(home), str(images)}
    (images / "labelsTr" / "toy_000.nii.gz").touch()
    assert data_identity(str(home)) != before
    write_card(inspect_folder(images))
    assert data_identity(str(images)).keys() == {str(images)}
