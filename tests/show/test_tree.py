"""A folder is shown as a tree that fits a page."""

from pathlib import Path

import pytest

from medseg_lab.show.tree import tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for name in ("a/1", "a/2", "b/1", "b/2", "b/3", "b/4", "b/5", ".hidden", "c"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return top


def test_long_lists_are_cut_short_and_counted(folder: Path) -> None:
    assert tree(folder).splitlines() == [
        "top/",
        "├── a/",
        "│   ├── 1",
        "│   └── 2",
        "├── b/",
        "│   ├── 1",
        "│   ├── 2",
        "│   ├── 3",
        "│   └── and 2 more",
        "└── c",
    ]


def test_one_more_is_named_rather_than_counted(folder: Path) -> None:
    (folder / "b" / "5").unlink()
    assert "└── 4" in tree(folder)
    assert "more" not in tree(folder)


def test_the_last_folder_has_no_line_beside_it(folder: Path) -> None:
    (folder / "c").unlink()
    assert tree(folder, most=9).splitlines()[-1] == "    └── 5"


def test_what_is_no_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="got no folder, wanted one"):
        tree(folder / "c")
