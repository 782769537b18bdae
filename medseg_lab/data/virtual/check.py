"""A table of settings, checked: one clear error for what is unknown or ill-typed."""

from typing import Any

from pydantic import BaseModel, ValidationError

from medseg_lab.data.virtual.ranges import tuples
from medseg_lab.data.virtual.settings import VirtualSettings


def checked(table: dict[str, Any], where: str) -> VirtualSettings:
    """The settings of a TOML table, over the defaults.

    Raises:
        ValueError: naming the first setting at fault, with what was seen and wanted; the known settings where
            it is none.
    """
    try:
        return VirtualSettings.model_validate(tuples(table))
    except ValidationError as error:
        fault = error.errors()[0]
    path = [part for part in fault["loc"] if isinstance(part, str)]
    if fault["type"] == "extra_forbidden":
        wanted = f"some of {', '.join(sorted(_known(path[:-1])))}"
        raise ValueError(f"{where}: got the setting {'.'.join(path)!r}, wanted {wanted}")
    wanted = fault["msg"]
    for opening in ("Value error, ", "Input should be ", "Tuple should have "):
        wanted = wanted.removeprefix(opening)
    raise ValueError(f"{where}, {'.'.join(['settings', *path])}: got {fault['input']!r}, wanted {wanted}")


def _known(path: list[str]) -> list[str]:
    """The names of the settings in the table at `path`."""
    value: Any = VirtualSettings
    for name in path:
        kinds = value.model_fields[name].annotation
        options = [kinds, *getattr(kinds, "__args__", ())]
        value = next(k for k in options if isinstance(k, type) and issubclass(k, BaseModel))
    return list(value.model_fields)
