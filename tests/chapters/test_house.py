"""Chapters are found by their section's number, pages by their name, and nothing else is."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from medseg_lab.publishing.execute import run_chapter
from medseg_lab.publishing.house import House
from medseg_lab.publishing.inputs import inputs, key, named
from medseg_lab.publishing.parameters import checked, taken
from tests.chapters.small import cell, small_house

PARAMETERS = 'folder: str = ""\nbudget: str = "class"'


def with_page(house: House, name: str = "a_page", *more: Any) -> House:
    """The same house with a page in the part "Comparison"."""
    cells = [new_markdown_cell("# A page\n\nIt asks."), cell(PARAMETERS, "parameters"), *more]
    place = house.notebooks / "comparison"
    place.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), place / f"{name}.ipynb")
    return house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return with_page(small_house(tmp_path))


def test_pages_follow_the_chapters_by_name(house: House) -> None:
    with_page(house, "a_letter")
    assert [chapter.section for chapter in house.chapters()] == ["2.1.1", "a_letter", "a_page"]


def test_stray_notebooks_are_no_pages(house: House) -> None:
    page = house.notebooks / "comparison" / "a_page.ipynb"
    for stray in (
        "comparison/Untitled.ipynb",
        "comparison/a_page-Copy1.ipynb",
        "comparison/.ipynb_checkpoints/a_page.ipynb",
        "2_supervised/.ipynb_checkpoints/2.1.1_small.ipynb",
        "2_supervised/a_page.ipynb",
        "scratch.ipynb",
    ):
        path = house.notebooks / stray
        path.parent.mkdir(exist_ok=True)
        shutil.copy(page, path)
    assert [chapter.section for chapter in house.chapters()] == ["2.1.1", "a_page"]


def test_chapters_are_sorted_by_number(tmp_path: Path) -> None:
    house = small_house(tmp_path, section="2.1.10")
    for section in ("2.1.2", "2.2"):
        (house.notebooks / "2_supervised" / f"{section}_small.ipynb").write_text("{}")
    assert [chapter.section for chapter in house.chapters()] == ["2.1.2", "2.1.10", "2.2"]


def test_title_is_the_heading_without_its_number(house: House) -> None:
    chapter = house.chapter("2.1.1")
    chapter.path.write_text(chapter.path.read_text().replace("# A small", "# 2.1.1 A small"))
    assert chapter.title == "A small chapter"


def test_a_page_is_called_by_its_name_and_has_no_number(house: House) -> None:
    page, chapter = house.chapter("a_page"), house.chapter("2.1.1")
    assert (page.section, page.heading, page.is_numbered) == ("a_page", "A page", False)
    assert (chapter.heading, chapter.is_numbered) == ("2.1.1 A small chapter", True)
    assert house.chapter(page.path) == page


def test_a_page_without_a_heading_has_the_words_of_its_name(house: House) -> None:
    page = house.chapter("a_page")
    page.path.write_text(page.path.read_text().replace("# A page", "A page"))
    assert page.title == "a page"


def test_unknown_names_name_the_known(house: House) -> None:
    with pytest.raises(ValueError, match=r"expected one of 2\.1\.1, a_page, or .* got 'a_pag'$"):
        house.chapter("a_pag")


def test_a_chapter_takes_what_it_has_a_parameter_for(house: House) -> None:
    offered = {"dataset": "virtual-brain", "budget": "smoke", "folder": None}
    assert taken(house.chapter("a_page"), **offered) == {"budget": "smoke"}
    assert taken(house.chapter("2.1.1"), **offered) == {"dataset": "virtual-brain", "budget": "smoke"}


def test_the_files_in_the_folder_are_an_input(house: House, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "dataset.json").write_text("{}")

    def key_of(**parameters: str) -> str:
        page = house.chapter("a_page")
        return key(inputs(page, checked(page, parameters), house))

    before, without = key_of(folder=str(own)), key_of()
    (own / "dataset.json").write_text("{ }")
    assert key_of(folder=str(own)) != before
    assert key_of() == without


def test_a_folder_that_is_not_there_is_named_before_anything_runs(house: House) -> None:
    with pytest.raises(ValueError, match=r"expected one of .*, or a folder .*, got 'no/such'"):
        run_chapter("a_page", {"folder": "no/such"}, house=house)


def test_a_page_depends_on_the_methods_that_it_names_and_on_no_others(tmp_path: Path) -> None:
    cells = 'methods = ["U-Net++ pruned", "Mean Teacher(weight=300)", "Supervised(network=FCN())", "V-Nett"]'
    house = with_page(small_house(tmp_path), "a_page", new_code_cell(cells))
    page = house.chapter("a_page")
    rooms = ("networks.unetpp", "inference.prune", "semi.mean_teacher", "networks.fcn", "networks.unet")
    assert {f"medseg_lab.{room}" for room in rooms} <= set(named(page))
    assert not {"medseg_lab.networks.vnet", "medseg_lab.semi.ua_mt"} & set(named(page))
    rows = inputs(page, checked(page, {}), house)["survey"]
    assert {"U-Net++ pruned", "Mean Teacher"} <= rows.keys()
    assert "UA-MT" not in rows


CODE = '{"cells": [{"cell_type": "code", %s}]}'


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", '{"worksheets": []}', "[" * 10_000, '{"cells": [7]}', CODE % '"source": 3'),
        *(CODE % '"source": ["a", 3]', CODE % '"source": "", "metadata": {"tags": "parameters"}'),
    ],
)
def test_what_is_no_notebook_is_named(house: House, text: str) -> None:
    path = house.root / "mine.ipynb"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.ipynb: expected a notebook") as error:
        run_chapter(path, house=house)
    assert "\n" not in str(error.value)


def test_a_notebook_may_begin_with_a_byte_order_mark(house: House) -> None:
    path = house.notebooks / "comparison" / "a_page.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert house.chapter("a_page").title == "A page"
