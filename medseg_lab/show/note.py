"""A few facts in a box: what a chapter works with, and what it cost."""

import html


class Note:
    """A small table of facts that shows itself as HTML in a notebook and as aligned text elsewhere."""

    def __init__(self, heading: str, lines: dict[str, str]) -> None:
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
            f'<dt style="grid-column:1;font-weight:600">{html.escape(name)}</dt>'
            f'<dd style="grid-column:2;margin:0">{html.escape(text).replace(chr(10), "<br>")}</dd>'
            for name, text in self.lines.items()
        )
        return (
            '<div style="border:1px solid #8a9bab;border-left:5px solid #26547c;padding:.6em 1em">'
            f"<strong>{html.escape(self.heading)}</strong>"
            '<dl style="display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:.4em 0 0">'
            f"{rows}</dl></div>"
        )


def show_note(heading: str, lines: dict[str, str]) -> None:
    """Display a note, or print it where there is no IPython."""
    note = Note(heading, lines)
    try:
        from IPython.display import display
    except ImportError:
        print(note)
    else:
        display(note)
