"""The typed parameters of a chapter.

A chapter declares them in one cell tagged `parameters`, one annotated assignment a line:

    dataset: str = "auto"
    seeds: int = 2

The annotation is the contract. A value of another type, or a name the cell does not have, is an error.
"""

import ast
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from medseg_lab.publishing.house import Chapter, source, tags

NAMES = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "tuple": tuple,
    "Literal": Literal,
}


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Args:
        name: the variable's name.
        annotation: its type as written, `"int"`.
        type: the type itself.
        default: the value it has when nothing is passed.
    """

    name: str
    annotation: str
    type: Any
    default: Any

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation} = {self.default!r}"

    def check(self, value: Any) -> Any:
        """`value` as this parameter's type; text is read as a literal where a string is not wanted.

        Raises:
            ValueError: if it is of another type.
        """
        if isinstance(value, str) and self.type is not str:
            value = _literal(value)
        try:
            return TypeAdapter(self.type).validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"parameter {self.name}: got {value!r}, wanted {self.annotation}") from error


def declared(chapter: Chapter) -> dict[str, Parameter]:
    """The parameters that a chapter declares, by name.

    Raises:
        ValueError: if the cell holds anything but assignments of literals.
    """
    cells = [cell for cell in chapter.notebook["cells"] if "parameters" in tags(cell)]
    if len(cells) > 1:
        raise ValueError(f"{chapter.path.name}: got {len(cells)} cells tagged parameters, wanted one")
    statements = ast.parse(source(cells[0])).body if cells else []
    found = [_parameter(statement, chapter.path.name) for statement in statements]
    return {parameter.name: parameter for parameter in found}


def checked(chapter: Chapter, given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of the chapter with the value it will have: its default, or the one given.

    Raises:
        ValueError: for an unknown name or an ill-typed value, naming the known parameters and their types.
    """
    known = declared(chapter)
    listing = "; ".join(str(parameter) for parameter in known.values()) or "none"
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"parameter {name!r}: chapter {chapter.section} does not have it; known: {listing}"
            )
        try:
            values[name] = known[name].check(value)
        except ValueError as error:
            raise ValueError(f"{error}; known: {listing}") from error
    return values


def taken(chapter: Chapter, **offered: Any) -> dict[str, Any]:
    """Those of the offered values that the chapter has a parameter for; None offers nothing."""
    known = declared(chapter)
    return {name: value for name, value in offered.items() if name in known and value is not None}


def _parameter(statement: ast.stmt, where: str) -> Parameter:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            written = ast.unparse(annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            written = type(ast.literal_eval(value)).__name__
        case _:
            raise ValueError(
                f"{where}: got {ast.unparse(statement)!r} among the parameters, wanted assignments"
            )
    try:
        kind = eval(written, {"__builtins__": {}}, NAMES)
    except NameError as error:
        raise ValueError(
            f"{where}: got type {written!r} for {name}, wanted one of {', '.join(NAMES)}"
        ) from error
    return Parameter(name, written, kind, ast.literal_eval(value))


def _literal(text: str) -> Any:
    """`"3"` as 3, `"true"` as True; what is no literal stays text, for the check to refuse."""
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        return text
