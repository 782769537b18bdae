"""Where this book has the survey's figures and equations, and what the survey prints wrongly."""

from functools import cache
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medseg_lab.survey.tables import read

FIGURES, EQUATIONS = 20, 15
"""How many the survey has."""


class Place(BaseModel):
    """A cell of a chapter, and what of the library it shows.

    Attributes:
        chapter: the section of the chapter; "" for none.
        cell: the id of a cell of its notebook.
        code: a class or function, or a method of a class, after `medseg_lab.`; "" for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chapter: str = ""
    cell: str = ""
    code: str = ""

    @model_validator(mode="after")
    def _a_cell_is_one_of_a_chapter(self) -> Self:
        if bool(self.chapter) != bool(self.cell):
            raise ValueError(
                f"place: expected chapter and cell, or neither, got {self.chapter!r}, {self.cell!r}"
            )
        return self


class Figure(Place):
    """A figure of the survey, and its counterpart.

    Attributes:
        number: the survey's.
        shows: what it shows, in our words.
    """

    number: int
    shows: str = Field(min_length=1)


class Equation(Place):
    """An equation of the survey, and its counterpart.

    Attributes:
        number: the survey's.
        tex: as it should be, in this book's notation.
        says: what it is, in our words.
    """

    number: int
    tex: str = Field(min_length=1)
    says: str = Field(min_length=1)


class Erratum(Place):
    """Something that the survey prints wrongly.

    Attributes:
        place: where in the survey; the number of its section comes first.
        kind: a formula, the name of a method, or whose work it is, and when.
        printed: what the survey prints, as Markdown.
        right: what is right, as Markdown.
        why: how one can see that.
    """

    place: str = Field(pattern=r"^\d(\.\d)*\b")
    kind: Literal["formula", "name", "reference"]
    printed: str = Field(min_length=1)
    right: str = Field(min_length=1)
    why: str = Field(min_length=1)


@cache
def figures() -> tuple[Figure, ...]:
    """All figures of the survey, in order.

    Raises:
        ValueError: if one is missing or occurs twice.
    """
    found = tuple(Figure(**row) for row in read("figures.toml")["figure"])
    _each_once("figures", [one.number for one in found], FIGURES)
    return found


@cache
def equations() -> tuple[Equation, ...]:
    """All equations of the survey, in order.

    Raises:
        ValueError: if one is missing or occurs twice.
    """
    found = tuple(Equation(**row) for row in read("figures.toml")["equation"])
    _each_once("equations", [one.number for one in found], EQUATIONS)
    return found


@cache
def errata() -> tuple[Erratum, ...]:
    """What the survey prints wrongly: formulas first, then names and references, each in its order."""
    return tuple(Erratum(**row) for row in read("errata.toml")["erratum"])


def places() -> tuple[Place, ...]:
    """All cells that the book's pages on the survey lead to."""
    return tuple(one for one in (*figures(), *equations(), *errata()) if one.cell)


def _each_once(what: str, numbers: list[int], last: int) -> None:
    if numbers != list(range(1, last + 1)):
        raise ValueError(f"{what}: expected 1 to {last}, each once and in order, got {numbers}")
