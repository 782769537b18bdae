import pytest

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.locate import find, places, require

CARD = load_card("msd-hippocampus")


def put(folder):
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text("{}")
    return folder


def test_the_named_folder_comes_before_the_cache(tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path))
    assert places(CARD.id)[0] == tmp_path / CARD.id
    assert own_cache in places(CARD.id)[1].parents


def test_the_publishers_own_folder_is_found_inside(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path))
    assert find(CARD) is None
    inner = put(tmp_path / CARD.id / "Task04_Hippocampus")
    assert find(CARD) == inner
    (tmp_path / CARD.id / "dataset.json").write_text("{}")
    assert find(CARD) == tmp_path / CARD.id


def test_what_is_not_at_hand_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path))
    (tmp_path / CARD.id).mkdir()
    with pytest.raises(ValueError, match=r"no dataset\.json inside") as error:
        require(CARD)
    how = "medseg data get msd-hippocampus"
    for said in (str(tmp_path / CARD.id), "no such folder", how, "CC BY-SA 4.0"):
        assert said in str(error.value)
