"""Every figure and equation of the survey has its cell and its code, and so has every erratum."""

import ast
import importlib
from functools import cache
from typing import Any

import pytest

from medseg_lab.publishing.house import find_house, source
from medseg_lab.survey import counterparts as module
from medseg_lab.survey.counterparts import Equation, Erratum, Figure, Place, equations, errata, figures
from medseg_lab.survey.methods import sections

EVERY = [*figures(), *equations(), *errata()]


@cache
def cells(chapter: str) -> dict[str, dict[str, Any]]:
    return {cell["id"]: cell for cell in find_house().chapter(chapter).notebook["cells"]}


def name_of(place: Place) -> str:
    kind = type(place).__name__.lower()
    return f"{kind} {place.place if isinstance(place, Erratum) else getattr(place, 'number', '')}"


def test_figures_and_equations_are_there_each_once() -> None:
    assert [one.number for one in figures()] == list(range(1, 21))
    assert [one.number for one in equations()] == list(range(1, 16))
    assert all(one.chapter and one.cell and one.code for one in (*figures(), *equations()))


@pytest.mark.parametrize("place", EVERY, ids=name_of)
def test_its_cell_is_in_its_chapter(place: Place) -> None:
    assert not place.cell or place.cell in cells(place.chapter)


@pytest.mark.parametrize("place", [one for one in EVERY if one.code], ids=name_of)
def test_its_code_exists(place: Place) -> None:
    parts = place.code.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["medseg_lab", *parts[:cut]]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        assert callable(found)
        assert found.__module__ == ".".join(["medseg_lab", *parts[:cut]])
        return
    pytest.fail(f"no module of {place.code}")


@pytest.mark.parametrize("place", [*figures(), *equations()], ids=name_of)
def test_its_cell_runs_its_code(place: Figure | Equation) -> None:
    """The cell is one of code that names the class or function; of a method, both."""
    cell = cells(place.chapter)[place.cell]
    assert cell["cell_type"] == "code"
    assert "solution" not in cell["metadata"].get("tags", ())
    said = {
        word
        for node in ast.walk(ast.parse(source(cell)))
        for word in (getattr(node, "id", ""), getattr(node, "attr", ""))
    }
    parts = place.code.split(".")
    assert {parts[-1], *(part for part in parts if part[0].isupper())} <= said
    assert "figure(" in source(cell) or "explore(" in source(cell) or isinstance(place, Equation)


def test_errata_stand_in_the_survey_s_order_kind_by_kind_and_the_printed_form_is_another() -> None:
    known = [section.id for section in sections()]
    for kind in ("formula", "name", "reference"):
        found = [one for one in errata() if one.kind == kind]
        assert found
        places = [known.index(one.place.partition(",")[0].partition(" ")[0]) for one in found]
        assert places == sorted(places)
    assert all(one.printed != one.right for one in errata())
    assert {"2.2.1, equation (4)", "2.2.1, equation (5)"} <= {one.place for one in errata()}


def test_a_number_that_is_missing_and_a_cell_without_a_chapter_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="expected chapter and cell, or neither, got '', 'a'"):
        Place(cell="a")
    row = {"number": 2, "shows": "a", "chapter": "2.1.1", "cell": "a"}
    monkeypatch.setattr(module, "read", lambda name: {"figure": [row]})
    figures.cache_clear()
    with pytest.raises(ValueError, match=r"figures: expected 1 to 20, each once and in order, got \[2\]"):
        figures()
    monkeypatch.undo()
    figures.cache_clear()
