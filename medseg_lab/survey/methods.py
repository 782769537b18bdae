"""The survey's map: its sections, and every method with its place in this library."""

import importlib
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A section of the survey.

    Attributes:
        id: its number, "2.1.1".
        title: in English.
        chinese: as printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    chinese: str

    @property
    def parent(self) -> str:
        """The number of the section above, "" at the top."""
        return self.id.rpartition(".")[0]


class Method(BaseModel):
    """A system that the survey names, or that a chapter needs beside it.

    Attributes:
        id: short and unique.
        name: as the field calls it.
        section: where the survey treats it.
        references: numbers of the survey's bibliography.
        idea: in one line.
        chapter: the section whose chapter shows it.
        path: dotted path of the class or function, "" while planned.
        state: "ready" once a chapter or a test can use it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    name: str
    section: str
    references: tuple[int, ...]
    idea: str
    chapter: str
    path: str = ""
    state: Literal["ready", "planned"] = "planned"

    @model_validator(mode="after")
    def _ready_means_there_is_code(self) -> "Method":
        if (self.state == "ready") != bool(self.path):
            raise ValueError(
                f"{self.id}: got state {self.state!r} with path {self.path!r}; a ready method has a path"
            )
        return self

    def load(self) -> Any:
        """The class or function itself.

        Raises:
            ValueError: while the method is planned.
        """
        if not self.path:
            raise ValueError(f"{self.id}: planned, not yet written")
        module, _, name = self.path.rpartition(".")
        return getattr(importlib.import_module(module), name)


@cache
def sections() -> tuple[Section, ...]:
    """The survey's sections, in its order."""
    return tuple(Section(**row) for row in read("sections.toml")["section"])


@cache
def methods() -> tuple[Method, ...]:
    """Every method, in the survey's order.

    Raises:
        ValueError: if an id occurs twice, or a section does not exist.
    """
    found = tuple(Method(**row) for row in read("methods.toml")["method"])
    known = {section.id for section in sections()}
    seen: set[str] = set()
    for method in found:
        if method.id in seen:
            raise ValueError(f"method {method.id!r} occurs twice")
        for place in (method.section, method.chapter):
            if place not in known:
                raise ValueError(
                    f"{method.id}: got section {place!r}, wanted one of {', '.join(sorted(known))}"
                )
        seen.add(method.id)
    return found


def method(id: str) -> Method:
    """The method called `id`.

    Raises:
        ValueError: if there is none.
    """
    for found in methods():
        if found.id == id:
            return found
    raise ValueError(f"method: got {id!r}, which survey/methods.toml does not hold")


def read(name: str) -> dict[str, Any]:
    """A table of this folder."""
    return tomllib.loads(files("medseg_lab.survey").joinpath(name).read_text(encoding="utf-8"))
