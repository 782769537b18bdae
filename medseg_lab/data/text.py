"""Text files that people write: UTF-8, with or without a byte order mark, which some editors put first."""

import tomllib
from pathlib import Path
from typing import Any


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark.

    Raises:
        ValueError: if it cannot be read, or is not UTF-8, with the first byte that is not.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec counts from behind the mark
        found = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        raise ValueError(f"{path}: expected text in UTF-8, got {found}; save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file.

    Raises:
        ValueError: as `read_text`, and where it is no TOML: what is wrong, and in which line.
    """
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        hint = ' (in "quotes" a backslash is written twice; a path may have /)' if "\\" in text else ""
        raise ValueError(f"{path}: expected TOML, got the error: {error}{hint}") from None
