"""What pydantic found wrong in a table that somebody wrote, in one line."""

from typing import Any

from pydantic import BaseModel, ValidationError


def first_fault(error: ValidationError, known: type[BaseModel]) -> str:
    """The first fault that pydantic found in a table, in one line: `field: expected Y, got X`.

    Args:
        error: what was raised.
        known: the table's model, which names the known fields where one is unknown.
    """
    fault = error.errors()[0]
    field, message = ".".join(map(str, fault["loc"])), str(fault["msg"])
    if fault["type"] == "extra_forbidden":
        tables = [part for part in fault["loc"][:-1] if isinstance(part, str)]
        return f"{field}: unknown; the known ones are {', '.join(sorted(_fields(known, tables)))}"
    if fault["type"] == "missing":
        return f"{field}: missing"
    if fault["type"] == "value_error":
        return ": ".join(part for part in (field, message.removeprefix("Value error, ")) if part)
    for opening in ("Input should be ", "Tuple should have "):
        message = message.removeprefix(opening)
    return f"{field}: expected {message}, got {fault['input']!r}"


def _fields(model: Any, path: list[str]) -> list[str]:
    """The names of the fields of the table at `path`."""
    for name in path:
        kind = model.model_fields[name].annotation
        options = [kind, *getattr(kind, "__args__", ())]
        model = next(k for k in options if isinstance(k, type) and issubclass(k, BaseModel))
    return list(model.model_fields)
