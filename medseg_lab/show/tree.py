"""A folder as a tree of names, long lists cut short."""

from pathlib import Path

MOST = 3


def tree(folder: Path, most: int = MOST) -> str:
    """The files and folders in `folder`, a line each; hidden ones are left out.

    Args:
        folder: what to show.
        most: so many entries of a folder are named; where there are more, the rest are counted.

    Raises:
        ValueError: if it is no folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: got no folder, wanted one")
    return "\n".join([f"{folder.resolve().name}/", *_lines(folder, most)])


def _lines(folder: Path, most: int) -> list[str]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    rest = len(entries) - most if len(entries) > most + 1 else 0
    shown = entries[: len(entries) - rest]
    lines = []
    for number, path in enumerate(shown, start=1):
        last = number == len(shown) and not rest
        lines.append(f"{'└──' if last else '├──'} {path.name}{'/' if path.is_dir() else ''}")
        if path.is_dir():
            lines += [f"{'   ' if last else '│  '} {line}" for line in _lines(path, most)]
    return [*lines, f"└── and {rest} more"] if rest else lines
