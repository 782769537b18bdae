"""What a chapter puts on its page: HTML without other files, facts in a box, verdicts, a folder's tree."""

import html
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg_lab.evaluation.verdicts import MARKS, Verdict
from medseg_lab.record.verdicts import Judged

BOX = "border:1px solid #8886;border-left:5px solid #8a9bab;padding:.5em 1em;margin:.6em 0"
BADGE = "border:1px solid currentColor;border-radius:4px;padding:0 .5em;font-weight:600;white-space:nowrap"

_numbers = itertools.count(1)


def show(markup: str, plain: str, **other: Any) -> None:
    """Display HTML, with plain text for where there is none, and other representations by MIME type."""
    from IPython.display import display

    display({"text/html": markup, "text/plain": plain, **other}, raw=True)


def fresh_id(prefix: str) -> str:
    """An id that no other element of this notebook has."""
    return f"medseg-{prefix}-{next(_numbers)}"


def escape(text: object) -> str:
    """For HTML text and attributes."""
    return html.escape(str(text))


class Note:
    """A small table of facts that shows itself as HTML in a notebook and as aligned text elsewhere."""

    def __init__(self, heading: str, lines: Mapping[str, str]) -> None:
        self.heading = heading
        self.lines = lines

    def __repr__(self) -> str:
        width = max(map(len, self.lines))
        rows = [
            f"  {name:<{width}}  " + text.replace("\n", f"\n  {'':<{width}}  ")
            for name, text in self.lines.items()
        ]
        return "\n".join([self.heading, *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<dt style="grid-column:1;font-weight:600">{escape(name)}</dt>'
            f'<dd style="grid-column:2;margin:0">{escape(text).replace(chr(10), "<br>")}</dd>'
            for name, text in self.lines.items()
        )
        return (
            '<div style="border:1px solid #8a9bab;border-left:5px solid #26547c;padding:.6em 1em">'
            f"<strong>{escape(self.heading)}</strong>"
            '<dl style="display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:.4em 0 0">'
            f"{rows}</dl></div>"
        )


def show_note(heading: str, lines: Mapping[str, str]) -> None:
    """Display a note, or print it where there is no IPython."""
    note = Note(heading, lines)
    try:
        from IPython.display import display
    except ImportError:
        print(note)
    else:
        display(note)


def show_verdicts(verdicts: Sequence[Verdict], on_record: Mapping[str, Judged] | None = None) -> None:
    """Display claims with their verdicts and the evidence: effect, interval, seeds, cases.

    Args:
        verdicts: of the runs of this lesson.
        on_record: those of the record on the same claims, by their ids; an identity needs none.
    """
    boxes, plain = [], []
    for verdict in verdicts:
        lines = {"Here": (verdict.state, verdict.detail)}
        recorded = (on_record or {}).get(verdict.claim.id)
        if recorded and not verdict.claim.identity:
            words = recorded.words if len(recorded.words) == 1 else ("", *recorded.words)
            lines["On record"] = (recorded.verdict.state, "\n".join(words))
        rows = "".join(
            f'<div style="margin-top:.3em">{escape(name)} <span style="{BADGE}">'
            f"{MARKS[state]} {escape(state)}</span> "
            f'<span style="font-size:.93em">{escape(said).replace(chr(10), "<br>")}</span></div>'
            for name, (state, said) in lines.items()
        )
        boxes.append(f'<div style="{BOX}"><em>{escape(verdict.claim.statement)}</em>{rows}</div>')
        plain.append(verdict.claim.statement)
        plain += [f"  {name}: {state.capitalize()}: {said}" for name, (state, said) in lines.items()]
    show("".join(boxes), "\n".join(plain))


def tree(folder: Path, most: int = 3) -> str:
    """The files and folders in `folder`, a line each; hidden ones are left out.

    Args:
        folder: what to show.
        most: so many entries of a folder are named; where there are more, the rest are counted.

    Raises:
        ValueError: if it is no folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder, got none")
    return "\n".join([f"{folder.resolve().name}/", *_branches(folder, most)])


def _branches(folder: Path, most: int) -> list[str]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    rest = len(entries) - most if len(entries) > most + 1 else 0
    branches = [
        [f"{path.name}{'/' if path.is_dir() else ''}", *(_branches(path, most) if path.is_dir() else [])]
        for path in entries[: len(entries) - rest]
    ]
    if rest:
        branches.append([f"and {rest} more"])
    lines = []
    for branch in branches:
        head, side = ("└── ", "    ") if branch is branches[-1] else ("├── ", "│   ")
        lines += [f"{head}{branch[0]}", *(side + line for line in branch[1:])]
    return lines
