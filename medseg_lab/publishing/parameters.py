"""The typed parameters of a chapter.

A chapter declares them in one cell tagged `parameters`, one assignment of a literal a line, with its type:

    dataset: str = "auto"
    seeds: int = 2

A value of another type, or a name the cell does not have, is an error. (`papermill.inspect_notebook` reads
such cells as well, but silently drops each line that it cannot read.)
"""

import ast
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from medseg_lab.data.wording import one_line
from medseg_lab.publishing.house import Chapter, source, tags

TYPES = {kind.__name__: kind for kind in (str, int, float, bool, list, tuple)} | {"Literal": Literal}

SEVERAL_RATERS = {"virtual-brain": "virtual-brain+raters"}
"""The variant of a data set in which each case has several outlines."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: its name, its type as written and as a type, its default."""

    name: str
    annotation: str
    type: Any
    default: Any

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation} = {self.default!r}"

    def check(self, value: Any) -> Any:
        """`value` as this parameter's type; text is read as a literal unless a string is expected.

        Raises:
            ValueError: if it is of another type.
        """
        if isinstance(value, str) and self.type is not str:
            value = _literal(value)
        try:
            return TypeAdapter(self.type).validate_python(value, strict=True)
        except ValidationError:
            raise ValueError(f"parameter {self.name}: expected {self.annotation}, got {value!r}") from None


def declared(chapter: Chapter) -> dict[str, Parameter]:
    """The parameters that a chapter declares, by name.

    Raises:
        ValueError: if the cell holds anything but assignments of literals with known types.
    """
    cells = [cell for cell in chapter.notebook["cells"] if "parameters" in tags(cell)]
    if len(cells) > 1:
        raise ValueError(f"{chapter.path.name}: expected one cell tagged parameters, got {len(cells)}")
    try:
        statements = ast.parse(source(cells[0])).body if cells else []
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"{chapter.path.name}, parameters: expected Python, got {one_line(error)}"
        ) from error
    found = {}
    for statement in statements:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=written, value=ast.expr() as value):
                try:
                    default, annotation = ast.literal_eval(value), ast.unparse(written)
                    kind = eval(annotation, {"__builtins__": {}}, TYPES)
                except Exception as error:  # what a strange annotation leads to is not bounded
                    raise ValueError(f"{chapter.path.name}, parameter {name}: {one_line(error)}") from error
                found[name] = Parameter(name, annotation, kind, default)
            case _:
                expected = f"an assignment with a type of {', '.join(TYPES)}"
                raise ValueError(
                    f"{chapter.path.name}, parameters: expected {expected}, "
                    f"got {one_line(repr(ast.unparse(statement)))}"
                )
    return found


def checked(chapter: Chapter, given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of the chapter with the value it will have: its default, or the one given.

    Raises:
        ValueError: for an unknown name or an ill-typed value, naming the known parameters and their types.
    """
    known = declared(chapter)
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in given.items():
        try:
            if name not in known:
                raise ValueError(f"parameter {name!r}: chapter {chapter.section} does not have it")
            values[name] = known[name].check(value)
        except ValueError as error:
            listing = "; ".join(map(str, known.values())) or "none"
            raise ValueError(f"{error}; known: {listing}") from error
    return values


def taken(chapter: Chapter, **offered: Any) -> dict[str, Any]:
    """Those of the offered values that the chapter has a parameter for; None offers nothing."""
    known = declared(chapter)
    return {name: value for name, value in offered.items() if name in known and value is not None}


def of_book(chapter: Chapter, *, dataset: str | None = None, budget: str | None = None) -> dict[str, Any]:
    """The parameters that a book gives a chapter: at `smoke`, which proves that all runs, with all methods.

    A chapter on uncertainty takes the virtual subjects that several have outlined. The tests execute the
    chapters with the same parameters, so that a book at `smoke` finds what they executed.
    """
    if chapter.section.startswith("4"):
        dataset = SEVERAL_RATERS.get(dataset or "", dataset)
    return taken(chapter, dataset=dataset, budget=budget, methods="all" if budget == "smoke" else None)


def _literal(text: str) -> Any:
    """`"3"` as 3, `"true"` as True; any other text stays text, for the check to refuse."""
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        return text
