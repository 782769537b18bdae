"""The survey's map: its sections, and every method with its place in this library, or beside them."""

import importlib
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from medseg_lab.survey.tables import in_order, read, rows


class Section(BaseModel):
    """A section of the survey.

    Attributes:
        id: its number, "2.1.1".
        title: in English.
        chinese: as printed.
        methods: ids of the systems that it treats, in its order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    chinese: str
    methods: tuple[str, ...] = ()

    @property
    def parent(self) -> str:
        """The number of the section above, "" at the top."""
        return self.id.rpartition(".")[0]


class Method(BaseModel):
    """A system that the survey names, or one that stands beside them for comparison.

    Attributes:
        id: short and unique.
        name: as the field calls it.
        section: where the survey treats it.
        references: numbers of the survey's bibliography.
        idea: in one line.
        chapter: the section whose chapter shows it; empty for one beside the survey.
        beside: whether it is none of the survey's systems, and counts as none.
        source: where it was published, if that is not a reference of the survey.
        code: the class or function in the module beside the table.
        module: that module's dotted name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    name: str
    section: str
    references: tuple[int, ...]
    idea: str
    chapter: str = ""
    beside: bool = False
    source: str = ""
    code: str = ""
    module: str

    @property
    def path(self) -> str:
        """The dotted path of the class or function."""
        return f"{self.module}.{self.code}"

    def load(self) -> Any:
        """The class or function itself."""
        return getattr(importlib.import_module(self.module), self.code)


@cache
def sections() -> tuple[Section, ...]:
    """The survey's sections, in its order."""
    return tuple(Section(**row) for row in read("sections.toml")["section"])


def methods() -> tuple[Method, ...]:
    """Every method of the survey, in its order.

    Raises:
        ValueError: as `all_methods`.
    """
    return tuple(method for method in all_methods() if not method.beside)


def beside() -> tuple[Method, ...]:
    """The methods beside the survey's, which are compared with them and count as none of them."""
    return tuple(method for method in all_methods() if method.beside)


@cache
def all_methods() -> tuple[Method, ...]:
    """The survey's methods in its order, then those beside them.

    Raises:
        ValueError: if an id occurs twice, a section does not exist, or a method has no code.
    """
    found = [Method(**row.values, module=row.module) for row in rows("method")]
    known = [section.id for section in sections()]
    seen: set[str] = set()
    for method in found:
        if method.id in seen:
            raise ValueError(f"method {method.id!r} occurs twice")
        for place in (method.section, *([] if method.beside else [method.chapter])):
            if place not in known:
                raise ValueError(
                    f"{method.id}: expected one of the sections {', '.join(known)}, got {place!r}"
                )
        if not method.code:
            raise ValueError(f"{method.id}: expected `code`, the class or function that it is, got none")
        seen.add(method.id)
    rank = {id: place for place, id in enumerate(id for section in sections() for id in section.methods)}
    return tuple(sorted(found, key=lambda m: (m.beside, known.index(m.section), in_order(rank, m.id))))


def method(id: str) -> Method:
    """The method called `id`.

    Raises:
        ValueError: if there is none.
    """
    for found in all_methods():
        if found.id == id:
            return found
    raise ValueError(f"method: expected one that a table of the library has, got {id!r}")


def within(one: str, section: str) -> bool:
    """Whether a section, by its number, is another one or below it: "2.1.1" is within "2.1"."""
    return f"{one}.".startswith(f"{section}.")
