"""What chapters need is a graph without a circle, and paths stop at its chapters."""

import re
from typing import Any

import pytest

from medseg_lab.publishing.house import Chapter, find_house, source
from medseg_lab.survey import paths as module
from medseg_lab.survey.paths import Path, needs, paths

CHAPTERS = find_house().chapters()


def test_every_chapter_is_in_the_table_in_the_survey_s_order_and_in_the_semester() -> None:
    sections = [chapter.section for chapter in CHAPTERS]
    assert list(needs()) == sections
    semester = paths()[-1]
    stops = [stop for sitting in semester.sitting for stop in sitting.stops]
    assert sorted(stop.chapter for stop in stops) == sorted(sections)
    assert not any(stop.start or stop.until for stop in stops)


def test_what_is_needed_comes_first_so_that_there_is_no_circle() -> None:
    """In the table, in the semester, and on every path as far as it has the chapter at all."""
    for one in needs().values():
        before = list(needs())[: list(needs()).index(one.section)]
        assert set(one.needs) <= set(before)
    for path in paths():
        way = [stop.chapter for sitting in path.sitting for stop in sitting.stops]
        for place, section in enumerate(way):
            assert not set(needs()[section].needs) & set(way[place + 1 :]), (path.title, section)


@pytest.mark.parametrize("path", paths()[:-1], ids=lambda path: path.title.partition(":")[0])
def test_a_short_path_has_all_that_its_chapters_need(path: Path) -> None:
    way = [stop.chapter for sitting in path.sitting for stop in sitting.stops]
    assert {name for section in way for name in needs()[section].needs} <= set(way)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.section)
def test_a_chapter_says_that_it_needs_what_the_table_says(chapter: Chapter) -> None:
    text = source(next(cell for cell in chapter.notebook["cells"] if cell["cell_type"] == "markdown"))
    said = re.search(r"^You need.*?\.(?=\s+[A-Z])", text, re.MULTILINE | re.DOTALL)
    if said:
        found = re.findall(r"(?<![\d.])\d(?:\.\d)+|(?<=chapter )0", said[0])
        assert set(found) == set(needs()[chapter.section].needs)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (
            {"chapter": [{"section": "1", "needs": ["2"]}, {"section": "2", "needs": []}]},
            "before it, got '2'",
        ),
        ({"chapter": [{"section": "1", "needs": ["1"]}]}, "before it, got '1'"),
        ({"chapter": [{"section": "1", "needs": []}] * 2}, "chapter '1' occurs twice"),
    ],
)
def test_a_table_with_a_circle_or_a_chapter_twice_is_refused(
    table: dict[str, Any], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read", lambda name: table)
    with pytest.raises(ValueError, match=error):
        needs.__wrapped__()


def test_a_path_to_a_chapter_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sitting = {"aim": "a", "stops": [{"chapter": "9"}]}
    table = {"path": [{"title": "a way", "minutes": 1, "sitting": [sitting]}]}
    known = needs()
    monkeypatch.setattr(module, "read", lambda name: table)
    monkeypatch.setattr(module, "needs", lambda: known)
    with pytest.raises(ValueError, match="a way: expected a chapter of the table, got '9'"):
        paths.__wrapped__()
