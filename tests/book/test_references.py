"""The book's bibliography is the survey's, whole."""

import re
from pathlib import Path

from medseg_lab.survey.methods import all_methods


def test_the_survey_and_its_88_references_are_there_each_once(root: Path) -> None:
    keys = re.findall(r"^@\w+\{(\w+),$", (root / "book" / "references.bib").read_text(), re.MULTILINE)
    assert keys == ["survey", *(f"ref{number}" for number in range(1, 89))]
    assert {f"ref{number}" for method in all_methods() for number in method.references} <= set(keys)
