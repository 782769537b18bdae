"""The book is put together from executed chapters, and a warning is an error."""

from pathlib import Path

import pytest
import yaml
from nbformat.v4 import new_markdown_cell, new_output

from medseg_lab.publishing.book import BookError, assemble, build_book, with_chapters
from medseg_lab.publishing.execute import Executed, run_chapter
from medseg_lab.publishing.house import House
from medseg_lab.publishing.markdown import table
from medseg_lab.publishing.pages import status, survey_map
from medseg_lab.survey.methods import methods
from tests.chapters.small import cell, small_house, with_book

ANCHORED = "from IPython.display import HTML\n\nHTML('<b>bold words</b>')"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, root: Path) -> House:
    return with_book(small_house(tmp_path_factory.mktemp("house"), cell(ANCHORED)), root)


@pytest.fixture(scope="module")
def executed(house: House) -> list[Executed]:
    return [run_chapter(chapter.path, house=house) for chapter in house.chapters()]


def test_book_builds_without_a_warning(house: House, executed: list[Executed], tmp_path: Path) -> None:
    index = build_book(executed, house, tmp_path)
    assert index.is_file()
    chapter = (index.parent / "2_supervised" / "2.1.1_small.html").read_text()
    assert "<b>bold words</b>" in chapter
    assert "unpkg.com" not in chapter
    for name in ("survey_map", "claims", "status", "design", "search", "data/index", "data/virtual-brain"):
        assert (index.parent / f"{name}.html").is_file()


@pytest.fixture
def no_data_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of data take seconds, and are not what a test is about."""
    monkeypatch.setattr("medseg_lab.publishing.book.data_pages", lambda static: {})


@pytest.mark.usefixtures("no_data_pages")
def test_a_warning_fails_the_build(tmp_path: Path, root: Path) -> None:
    house = small_house(tmp_path, new_markdown_cell("See {doc}`no_such_page`."))
    executed = [run_chapter("2.1.1", house=with_book(house, root))]
    with pytest.raises(BookError, match="no_such_page"):
        build_book(executed, house)


def test_chapters_follow_the_survey_and_empty_parts_are_left_out() -> None:
    contents = {"parts": [{"chapters": [{"glob": "2_a/*"}]}, {"chapters": [{"glob": "3_b/*"}]}]}
    pages = ["2_a/2.1.2_x.ipynb", "2_a/2.1.10_y.ipynb"]
    assert with_chapters(contents, pages)["parts"] == [{"chapters": [{"file": page} for page in pages]}]


def test_chapters_are_sorted_by_number(tmp_path: Path) -> None:
    house = small_house(tmp_path, section="2.1.10")
    for section in ("2.1.2", "2.2"):
        (house.notebooks / "2_supervised" / f"{section}_small.ipynb").write_text("{}")
    assert [chapter.section for chapter in house.chapters()] == ["2.1.2", "2.1.10", "2.2"]


def test_title_is_the_heading_without_its_number(tmp_path: Path) -> None:
    chapter = small_house(tmp_path).chapter("2.1.1")
    chapter.path.write_text(chapter.path.read_text().replace("# A small", "# 2.1.1 A small"))
    assert chapter.title == "A small chapter"


def test_pages_of_the_contents_are_there(house: House, executed: list[Executed], tmp_path: Path) -> None:
    assemble(executed, house, tmp_path)
    contents = yaml.safe_load((tmp_path / "_toc.yml").read_text())
    names = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    assert "2_supervised/2.1.1_small.ipynb" in names
    for name in [contents["root"], *names]:
        assert (tmp_path / name).is_file() or (tmp_path / f"{name}.md").is_file()


@pytest.mark.usefixtures("no_data_pages")
def test_widget_is_replaced_by_its_twin_and_refused_without(tmp_path: Path, root: Path) -> None:
    import json

    import nbformat

    house = with_book(small_house(tmp_path), root)
    executed = run_chapter("2.1.1", house=house)
    notebook = nbformat.read(executed.notebook, as_version=4)
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/html": "<i>twin</i>"}
    notebook.cells[-1].outputs = [new_output("display_data", data=view)]
    nbformat.write(notebook, executed.notebook)
    assemble([executed], house, tmp_path / "source")
    page = json.loads((tmp_path / "source" / "2_supervised" / "2.1.1_small.ipynb").read_text())
    assert list(page["cells"][-1]["outputs"][0]["data"]) == ["text/html"]
    del notebook.cells[-1].outputs[0]["data"]["text/html"]
    nbformat.write(notebook, executed.notebook)
    with pytest.raises(BookError, match="widget"):
        assemble([executed], house, tmp_path / "source")


def test_status_states_cost_and_versions(executed: list[Executed]) -> None:
    page, record = status(executed), executed[0].record
    assert (
        f"| 2.1.1 A small chapter | none | class | {record.seconds:.0f} | {record.peak_memory_mb} MB |"
        in page
    )
    assert record.key in page
    assert record.versions["torch"] in page


def test_survey_map_holds_every_method_with_its_state(executed: list[Executed]) -> None:
    page = survey_map(executed)
    rows = [line for line in page.splitlines() if line.startswith("| ") and "Method |" not in line]
    assert len(rows) - sum("---" in row for row in rows) == len(methods())
    ready = [method for method in methods() if method.state == "ready"]
    places = [method.path.removeprefix("medseg_lab.") for method in ready]
    assert all(f"**ready**: `{place}`" in page for place in places)


def test_bars_in_cells_do_not_break_a_table() -> None:
    assert table(("a",), [("|x|",)])[-1] == r"| \|x\| |"
