"""The book is assembled from executed chapters, and a warning is an error."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_output

from medseg_lab.publishing.book import Book, BookError, assemble, with_chapters
from medseg_lab.publishing.execute import Executed, Waiting, find_chapter, run_chapter
from medseg_lab.publishing.house import House
from medseg_lab.publishing.pages import status, survey_map
from medseg_lab.publishing.standings_page import standings_pages
from medseg_lab.survey.methods import beside, methods
from tests.book.toy_ledger import METHODS, nothing, together, toy_ledger
from tests.chapters.small import add_chapter, cell, small_house, with_book

ANCHORED = "from IPython.display import HTML\n\nHTML('<b>bold words</b>')"
LONG = "Supervised(network=UNet(features=[32, 64]), spatial_dims=2)"
LEDGERS = {
    "standings": together(toy_ledger({**METHODS, LONG: 0.7}), toy_ledger(METHODS, dataset="msd-hippocampus")),
    "smoke": toy_ledger(METHODS, budget="smoke"),
    "empty": nothing(),
}
LEDGER = "medseg_lab.publishing.book.read_ledger"


@dataclass(frozen=True)
class Built:
    """A small book, built once: what it was made of, its sources, and its pages."""

    executed: list[Executed]
    missing: list[Waiting]
    sources: Path
    html: Path


def with_standings(house: House, kind: str) -> None:
    """A further page of the book: the standings of another ledger."""
    pages = standings_pages(LEDGERS[kind])
    text = pages.pop("comparison/_standings.md").decode().replace("standing-", f"{kind}-")
    (house.book / "comparison" / f"{kind}.md").write_text(f"# Standings\n\n{text}")
    for name, picture in pages.items():
        (house.book / name.replace("standing-", f"{kind}-")).write_bytes(picture)
    contents = yaml.safe_load((house.book / "_toc.yml").read_text())
    contents["parts"][-1]["chapters"].append({"file": f"comparison/{kind}"})
    (house.book / "_toc.yml").write_text(yaml.safe_dump(contents))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Built:
    """One book with all kinds of generated pages: building one takes long."""
    folder = tmp_path_factory.mktemp("house")
    house = with_book(small_house(folder, cell(ANCHORED)), root)
    for kind in ("smoke", "empty"):
        with_standings(house, kind)
    executed = [run_chapter(chapter.path, house=house) for chapter in house.chapters()]
    for section in ("2.1.2", "2.1.3", "2.1.4"):
        add_chapter(house, section, cell("1 + 1"))
    fresh, older, failed = (find_chapter(section, house=house) for section in ("2.1.2", "2.1.3", "2.1.4"))
    last, line = (
        executed[0].record.model_copy(update={"date": "a day"}),
        "cell 2: KeyError: 'a_b*c* <d> | `e`'",
    )
    missing = [fresh, replace(older, last=last, reasons=("lock",)), replace(failed, failure=line)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LEDGER, lambda: LEDGERS["standings"])
        index = Book(house, folder / "out").build([*executed, *missing])
    return Built(executed, missing, folder / "build" / "book-source", index.parent)


def test_book_builds_without_a_warning(built: Built) -> None:
    chapter = (built.html / "2_supervised" / "2.1.1_small.html").read_text()
    assert "<b>bold words</b>" in chapter
    assert "unpkg.com" not in chapter
    for name in (
        "survey_map",
        "does_the_survey_hold",
        "status",
        "design",
        "search",
        "data/index",
        "data/virtual-brain",
    ):
        assert (built.html / f"{name}.html").is_file()


def test_chapters_without_results_say_why_and_the_book_says_which_they_are(built: Built) -> None:
    said = {
        "2.1.2": ("Not executed yet on this machine", "warning admonition"),
        "2.1.3": ("Changed since it was last executed", "a day", "lock"),
        "2.1.4": ("failed on this machine", "danger admonition", "KeyError: 'a_b*c* &lt;d&gt; | `e`'"),
    }
    for section, words in said.items():
        text = (built.html / "2_supervised" / f"{section}_more.html").read_text().partition("<article")[2]
        assert [word for word in words if word not in text] == [], section
        assert text.index("</h1>") < text.index("admonition") < text.index("Prose.")
        assert "cell_input" in text
        assert "cell_output" not in text
    for name in ("intro", "does_the_survey_hold", "status", "comparison/standings"):
        assert "2 of 5 chapters have been executed" in (built.html / f"{name}.html").read_text(), name
    page = status([*built.executed, *built.missing])
    rows = [row for row in page.splitlines() if row.startswith("| 2.1.")]
    assert [re.findall(r"not yet|not since a change|failed", row) for row in rows[1:4]] == [
        ["not yet"],
        ["not since a change"],
        ["failed"],
    ]
    assert "have been executed" not in status(built.executed)


def test_generated_parts_are_inside_the_written_pages(built: Built) -> None:
    inside = {
        "does_the_survey_hold": ("A <strong>verdict</strong> rests on", "In short"),
        "data/index": ('href="virtual-brain.html"', "Bringing your own"),
        "data/virtual-brain": ("A virtual subject is not a person", "Variants"),
        "comparison/standings": ("Every comparison that the runs", "How to read it", "3D U-Net"),
    }
    for name, said in inside.items():
        text = (built.html / f"{name}.html").read_text()
        assert [words for words in said if words not in text] == [], name


@pytest.mark.parametrize(("kind", "shown"), [("standings", 4), ("smoke", 2), ("empty", 0)])
def test_pages_of_standings_have_their_tables_and_pictures(built: Built, kind: str, shown: int) -> None:
    text = (built.html / "comparison" / f"{kind}.html").read_text()
    assert ("medseg-compact" in text) == (shown > 0)
    assert text.count("<details") == text.count('class="medseg-picture"') == shown


def test_pages_of_the_contents_are_there(built: Built) -> None:
    contents = yaml.safe_load((built.sources / "_toc.yml").read_text())
    names = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    assert {"2_supervised/2.1.1_small.ipynb", "data/virtual-brain.md"} <= set(names)
    assert not any("/_" in name for name in names)
    for name in [contents["root"], *names]:
        assert (built.sources / name).is_file() or (built.sources / f"{name}.md").is_file()


def test_a_warning_fails_the_build_and_the_book_is_there(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a book can be read, and is built again the next time."""
    monkeypatch.setattr(Book, "data", {})  # pictures take seconds
    house = with_book(small_house(tmp_path), root)
    (house.book / "intro.md").write_text("# A book\n\nSee {doc}`no_such_page`.")
    (house.book / "_toc.yml").write_text(
        "{format: jb-book, root: intro, parts: [{chapters: [{file: licence}]}]}"
    )
    book = Book(house)
    with pytest.raises(BookError, match="no_such_page"):
        book.build([])
    assert "A book" in (book.html / "intro.html").read_text()
    assert not book.is_current([])
    assert [path.name for path in book.html.parent.iterdir() if not path.name.startswith(".")] == ["html"]


def test_chapters_follow_the_survey_where_the_contents_place_them() -> None:
    """A part without a chapter is left out."""
    own = [{"file": "comparison/standings"}, {"file": "does_the_survey_hold"}, {"glob": "comparison/*"}]
    parts = [{"chapters": [{"glob": "2_a/*"}]}, {"chapters": [{"glob": "3_b/*"}]}, {"chapters": own}]
    pages = ["2_a/2.1.2_x.ipynb", "2_a/2.1.10_y.ipynb", "comparison/run_your_own.ipynb"]
    found = with_chapters({"parts": parts}, pages)["parts"]
    assert [[entry["file"] for entry in part["chapters"]] for part in found] == [
        pages[:2],
        ["comparison/standings", "does_the_survey_hold", pages[2]],
    ]


def test_sources_have_twins_of_widgets_and_the_standings_of_the_usual_store(
    built: Built, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path / "runs"))
    house = with_book(small_house(tmp_path), root)
    notebook = nbformat.read(built.executed[0].notebook, as_version=4)
    executed = Executed(house.chapter("2.1.1"), tmp_path / "notebook.ipynb", built.executed[0].record, False)
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/html": "<i>twin</i>"}
    notebook.cells[-1].outputs = [new_output("display_data", data=view)]
    nbformat.write(notebook, executed.notebook)
    assemble([executed], house, tmp_path / "source", {})
    page = json.loads((tmp_path / "source" / "2_supervised" / "2.1.1_small.ipynb").read_text())
    assert list(page["cells"][-1]["outputs"][0]["data"]) == ["text/html"]
    assert "There are no runs" in (tmp_path / "source" / "comparison" / "_standings.md").read_text()
    del notebook.cells[-1].outputs[0]["data"]["text/html"]
    nbformat.write(notebook, executed.notebook)
    with pytest.raises(BookError, match="widget"):
        assemble([executed], house, tmp_path / "source", {})


def test_status_states_cost_and_versions(built: Built) -> None:
    page, record = status(built.executed), built.executed[0].record
    cost = f"{record.seconds:.0f} | {record.peak_memory_mb} MB"
    assert f"| 2.1.1 A small chapter | none | class | {cost} |" in page
    assert "| Run your own | none | class |" in page
    assert record.key in page
    assert record.versions["torch"] in page


def test_survey_map_holds_every_method_with_its_module(built: Built) -> None:
    page = survey_map([item.chapter for item in built.executed])
    rows = [line for line in page.splitlines() if line.startswith("| ") and "Method |" not in line]
    assert len(rows) - sum("---" in row for row in rows) == len(methods()) + len(beside())
    places = [method.path.removeprefix("medseg_lab.") for method in methods()]
    assert all(f"`{place}`" in page for place in places)
