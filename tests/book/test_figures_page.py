"""The page of figures and equations leads to the cells, and has the whole table."""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from medseg_lab.publishing.figures_page import figures_page
from medseg_lab.publishing.house import Chapter, find_house
from medseg_lab.publishing.places import below_heading, target, to_cell, to_chapter, with_targets
from medseg_lab.record.verdicts import judged_here, judged_on_record
from medseg_lab.show.families_table import families_rows
from medseg_lab.survey.counterparts import equations, figures
from medseg_lab.survey.families import FAMILIES
from medseg_lab.survey.methods import method
from tests.evaluation.claim_runs import ledger

NOTHING = ledger()
JUDGED = judged_here(NOTHING), judged_on_record()
PAGE = figures_page(find_house().chapters(), NOTHING, *JUDGED)


def small(folder: Path) -> Chapter:
    path = folder / "2.1.1_small.ipynb"
    cells = [new_markdown_cell("# 2.1.1 Small\n\nText.", id="a"), new_markdown_cell("more", id="B_c-d")]
    nbformat.write(new_notebook(cells=cells), path)
    return Chapter("2.1.1", path)


def test_every_figure_and_equation_links_to_its_cell() -> None:
    links = re.findall(r"\{ref\}`chapter ([\d.]+) <([a-z0-9-]+)>`", PAGE)
    expected = [(one.chapter, target(one.chapter, one.cell)) for one in (*figures(), *equations())]
    assert links == expected
    for one in equations():
        assert f"**({one.number})** {one.says}" in PAGE
        assert one.tex in PAGE


def test_table_1_has_its_five_rows_with_all_their_methods() -> None:
    said = PAGE.partition("## Table 1")[2]
    assert re.findall(r"^### (.+)$", said, re.MULTILINE) == [family.name for family in FAMILIES]
    for family in FAMILIES:
        rows = said.partition(f"### {family.name}\n")[2].partition("###")[0]
        assert "| Method | Verdict, here | Verdict, on record | Cost |" in rows
        assert all(f"| {method(one).name}" in rows for one in family.methods)


def test_without_chapters_nothing_is_a_link_to_one(tmp_path: Path) -> None:
    page = figures_page([small(tmp_path)], NOTHING, *JUDGED)
    assert "{ref}" not in page
    assert (
        "| 1 | The U-Net: an encoder, a decoder, and a skip connection on each level | chapter 2.1.1 |"
        in page
    )


def test_links_are_plain_text_where_there_is_nothing_to_lead_to(tmp_path: Path) -> None:
    one = small(tmp_path)
    known = [one]
    assert to_chapter("2.1.1", known) == f"{{doc}}`2.1.1 Small </{tmp_path.name}/2.1.1_small>`"
    assert to_chapter("2.1.2", known) == "2.1.2"
    assert to_cell("2.1.1", "B_c-d", known, "here") == "{ref}`here <cell-2-1-1-b-c-d>`"
    assert to_cell("2.1.1", "z", known, "here") == to_cell("2.1.2", "a", known, "here") == "here"


def test_a_target_stands_in_front_of_the_cells_that_are_asked_for_and_of_no_other(tmp_path: Path) -> None:
    notebook = small(tmp_path).notebook
    with_targets(notebook, "2.1.1", ["B_c-d", "not there"])
    assert [cell["id"] for cell in notebook["cells"]] == ["a", "cell-2-1-1-b-c-d", "B_c-d"]
    assert notebook["cells"][1]["source"] == "(cell-2-1-1-b-c-d)="
    below_heading(notebook, "A line.")
    assert notebook["cells"][0]["source"].split() == ["#", "2.1.1", "Small", "A", "line.", "Text."]


def test_table_1_here_says_what_its_chapter_says() -> None:
    """The verdicts are those that `families_rows` finds by itself."""
    asked = list(dict.fromkeys(family.section for family in FAMILIES))
    sources = {"here": NOTHING}
    known = {"here": [one.verdict for one in JUDGED[0].values()]}
    assert families_rows(sources, asked, verdicts=known) == families_rows(sources, asked)
