"""How long chapters take is counted, and what they need and what comes next is said on top of each."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from medseg_lab.publishing import reading
from medseg_lab.publishing.house import Chapter, find_house
from medseg_lab.publishing.reading import computing, minutes, needs_and_next, reading_paths, taken
from medseg_lab.survey.paths import Stop, needs, paths

CHAPTERS = find_house().chapters()
AT = {chapter.section: chapter for chapter in CHAPTERS}


@pytest.fixture
def chapter(tmp_path: Path) -> Chapter:
    """360 words, then 20 lines of which two show something, a solution, and references: 2 + 1 + 1 minutes."""
    cells = [
        new_markdown_cell("# 2.1.1 Title: more\n\n" + "word " * 358, id="words"),
        new_code_cell("x = 1\n\n" * 18 + "figure(x)\ntable(x)", id="code"),
        new_code_cell("figure(x)\n" * 20, id="solved", metadata={"tags": ["solution", "hide-cell"]}),
        new_markdown_cell("## References\n\n" + "word " * 1000, id="references"),
    ]
    path = tmp_path / "2.1.1_title.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return Chapter("2.1.1", path)


def test_words_lines_and_what_is_shown_are_counted_and_solutions_are_not(chapter: Chapter) -> None:
    assert (reading.WORDS, reading.LINE, reading.LOOK) == (180, 3, 30)
    assert minutes(chapter) == 4
    assert minutes(chapter, Stop(chapter="2.1.1", until="code")) == 2
    assert minutes(chapter, Stop(chapter="2.1.1", start="code", until="references")) == 2


def test_a_part_that_ends_nowhere_is_refused(chapter: Chapter) -> None:
    with pytest.raises(ValueError, match=r"chapter 2\.1\.1: expected the id of a cell, got 'nowhere'"):
        minutes(chapter, Stop(chapter="2.1.1", until="nowhere"))


def test_costs_are_those_of_the_table_on_two_cores_and_what_is_unknown_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """90 s and 30 s on four cores are 180 s and 60 s on two."""
    table = tmp_path / "costs.toml"
    table.write_text('[class]\ncores = 4\nseconds = {"2.1.1" = 90, "2.2" = 30}\n')
    monkeypatch.setattr(reading, "COSTS", table)
    assert computing(["2.1.1", "2.2", "2.1.1"]) == (4, [])
    assert computing(["2.1.1", "5"]) == (3, ["5"])


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.title.partition(":")[0])
def test_each_path_fits_its_minutes(path) -> None:
    assert max(taken(path, AT)) <= path.minutes


def test_the_line_of_a_chapter_names_needs_next_reading_and_computing() -> None:
    line = needs_and_next(AT["3.4"], CHAPTERS)
    assert line.startswith("**Needs** {doc}`2.1.1 </2_supervised/2.1.1_encoder_decoder>`, {doc}`3.2 <")
    assert "**Next:** {doc}`4.1.1 Ensembles and latent variables </4_uncertainty/" in line
    assert f"**Reading:** {minutes(AT['3.4'])} minutes; **computing:** " in line
    assert line.endswith("on 2 cores. See {doc}`/reading_paths`.")
    assert needs_and_next(AT["0"], CHAPTERS).startswith("**Needs** no other chapter. **Next:** {doc}`2.1.1 ")
    assert "**Next:** {doc}`What the survey says, what we saw <" in needs_and_next(AT["5"], CHAPTERS)
    assert "**Next:**" not in needs_and_next(AT["run_your_own"], CHAPTERS)


def test_a_chapter_beside_the_table_has_no_line_and_a_neighbour_that_is_missing_no_link(
    chapter: Chapter,
) -> None:
    line = needs_and_next(chapter, [chapter])
    assert line.startswith("**Needs** 0. **Next:** 2.1.2. **Reading:** 4 minutes; ")
    assert not needs_and_next(Chapter("9", chapter.path), [chapter])


def test_the_page_has_every_path_with_its_sum_and_every_chapter() -> None:
    page = reading_paths(CHAPTERS)
    for path in paths():
        assert f"## {path.title}\n" in page
        assert f"{sum(taken(path, AT))} minutes to read" in page
    weeks = [line for line in page.splitlines() if line.startswith("| 1") and "{doc}" in line]
    assert len(paths()[-1].sitting) == 14
    assert weeks
    (rows,) = [part for part in page.split("\n\n") if part.startswith("| Chapter | Needs")]
    assert len(rows.splitlines()) == 2 + len(needs())
    assert "to before “Class imbalance, dialled”" in page


def test_parts_begin_and_end_at_cells_of_our_chapters_and_another_one_is_read_whole(chapter: Chapter) -> None:
    for path in paths():
        for stop in (stop for sitting in path.sitting for stop in sitting.stops):
            assert minutes(AT[stop.chapter], stop) > 0
    assert taken(paths()[0], {"2.1.1": chapter}) == [4]
