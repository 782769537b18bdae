"""The student's copy is the chapter without its solutions."""

import json
from pathlib import Path

import pytest

from medseg_lab.publishing.exercise import YOUR_TURN, exercise
from medseg_lab.publishing.house import source, tags
from tests.chapters.small import small_house


def test_solutions_are_emptied_and_outputs_removed(tmp_path: Path) -> None:
    chapter = small_house(tmp_path).chapter("2.1.1")
    copy = json.loads(exercise(chapter, tmp_path / "class").read_text())
    for ours, theirs in zip(chapter.notebook["cells"], copy["cells"], strict=True):
        assert source(theirs) == (YOUR_TURN if "solution" in tags(ours) else source(ours))
        assert not theirs.get("outputs")


def test_students_work_is_not_overwritten(tmp_path: Path) -> None:
    chapter = small_house(tmp_path).chapter("2.1.1")
    path = exercise(chapter, tmp_path / "class")
    path.write_text("my answers")
    with pytest.raises(ValueError, match="already exists"):
        exercise(chapter, tmp_path / "class")
    assert path.read_text() == "my answers"
