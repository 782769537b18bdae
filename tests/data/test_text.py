"""Text files that people write are UTF-8, with or without a byte order mark."""

from pathlib import Path

import pytest

from medseg_lab.data.text import read_text, read_toml


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_is_read_with_or_without_a_byte_order_mark(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "one.txt"
    path.write_bytes(mark + "心脏".encode())
    assert read_text(path) == "心脏"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Größe".encode("latin-1"), "expected text in UTF-8, got byte 0xf6 at position 2; save it as UTF-8"),
        ("a".encode("utf-16"), "expected text in UTF-8, got byte 0xff at position 0; save it as UTF-8"),
    ],
)
def test_another_encoding_is_named_with_its_first_byte(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "one.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_text(path)
    assert str(caught.value) == f"{path}: {said}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.toml: cannot be read: No such file or directory"):
        read_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", "expected TOML, got the error: Invalid value"),
        (r'folder = "..\images"', "a backslash is written twice; a path may have /"),
        (f"a = {'[' * 5000}", "expected TOML, got the error: "),
    ],
)
def test_what_is_no_toml_is_said_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "one.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
