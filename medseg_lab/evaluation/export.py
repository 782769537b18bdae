"""Comparisons as files: numbers for other programs (CSV), a page (HTML), a table for a paper (LaTeX)."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path

import pandas as pd

from medseg_lab.data.whole_file import write_whole
from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.standings import Standing
from medseg_lab.evaluation.summary import Summary, summary

Shown = Standing | Comparison | Summary

LONG = 30
"""In LaTeX, method names longer than this get a column that wraps."""
SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "|": r"\textbar{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "\n": " ",
}
"""More than pandas escapes, so that LaTeX prints in any font what stands here."""


def export(
    what: Shown | Sequence[Shown], path: Path | str, metric: str = "dice", baseline: str | None = None
) -> Path:
    """Write comparisons to a file, whole or not at all; its suffix says how.

    Args:
        what: one or several. CSV has a row a method of each, with columns that name the terms; HTML and LaTeX
            have a table each, headed by the terms. A standing's table has costs, too.
        path: ends in `.csv`, `.html` or `.tex`; a file that is there is replaced.
        metric, baseline: of standings; comparisons and summaries have their own.

    Returns:
        The path.

    Raises:
        ValueError: for another suffix, or where there is nothing to export.
    """
    target = Path(path).expanduser()
    check(target)
    several = [what] if isinstance(what, Shown) else list(what)
    if not several:
        raise ValueError("export: expected at least one comparison, got none")
    summaries = [_summary(one, metric, baseline) for one in several]
    write_whole(target, FORMATS[target.suffix](summaries).encode())
    return target


def check(target: Path) -> None:
    """Whether a file of this name can be exported: asked before a long computation rather than after.

    Raises:
        ValueError: if its suffix is unknown, or there is no such folder.
    """
    check_name("export", target, FORMATS)


def check_name(what: str, target: Path, suffixes: Iterable[str]) -> None:
    """Whether a file of this name can be written.

    Raises:
        ValueError: if its suffix is unknown, or there is no such folder.
    """
    if target.suffix not in suffixes:
        raise ValueError(f"{what}: expected a name that ends in {', '.join(suffixes)}, got {target}")
    if not target.parent.is_dir():
        raise ValueError(f"{what}: expected a folder that exists, got {target.parent}")


def csv(summaries: Sequence[Summary]) -> str:
    """All numbers in full, a row a method; the first columns name the terms."""
    tables = []
    for one in summaries:
        found = one.comparison
        said = {**one.terms, "part": found.part, "metric": found.metric, "baseline": found.baseline}
        terms = pd.DataFrame(said, index=one.frame.index)
        tables.append(terms.join(one.frame).reset_index()[[*said, "method", *one.frame]])
    return pd.concat(tables, ignore_index=True).to_csv(index=False, lineterminator="\n")


def html(summaries: Sequence[Summary]) -> str:
    """A page that needs no other file."""
    title = escape(", ".join(dict.fromkeys(one.comparison.title for one in summaries)))
    return PAGE.format(title=title, body="\n".join(_html(one) for one in summaries))


def latex(summaries: Sequence[Summary]) -> str:
    """A table each, with rules of booktabs, made narrower where it would be wider than the text."""
    head = "% Needs \\usepackage{adjustbox} and \\usepackage{booktabs}."
    return "\n".join([head, *(_latex(one) for one in summaries)])


def escaped(text: object) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(sign, sign) for sign in str(text))


FORMATS: dict[str, Callable[[Sequence[Summary]], str]] = {".csv": csv, ".html": html, ".tex": latex}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; }}
section {{ overflow-x: auto; margin-bottom: 3em; }}
h2 {{ font-size: 1.1em; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3em .5em; text-align: right; white-space: nowrap; }}
th {{ vertical-align: bottom; }}
th:first-child {{ text-align: left; white-space: normal; min-width: 10em; }}
thead th {{ border-bottom: 2px solid; white-space: pre-line; }}
tbody tr:last-child > * {{ border-bottom: 1px solid; }}
tbody th {{ font-weight: normal; }}
p {{ max-width: 60em; font-size: .9em; color: #444; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def _summary(one: Shown, metric: str, baseline: str | None) -> Summary:
    if isinstance(one, Standing):
        return one.summary(metric, baseline)
    return summary(one) if isinstance(one, Comparison) else one


def _html(one: Summary) -> str:
    frame = pd.DataFrame(one.words).set_index("method").rename_axis(index=None, columns="method")
    cells = frame.replace("\n", " ", regex=True).style.format(escape="html").format_index(_breakable)
    table = cells.format_index(escape="html", axis="columns").to_html(exclude_styles=True)
    return f"<section>\n<h2>{escape(one.title)}</h2>\n{table}<p>{escape(one.caption)}</p>\n</section>"


def _breakable(name: object) -> str:
    """A method's name; a recipe may be broken after its signs."""
    return re.sub(r"(?<=[(,=.])(?=[^\s),])", "<wbr>", escape(str(name), quote=False))


def _latex(one: Summary) -> str:
    long = any(len(name) > LONG for name in one.words["method"])
    frame = pd.DataFrame(one.words).rename(columns=lambda head: head.replace("-\n", ""))
    cells = frame.style.hide(axis="index").format(escaped).format_index(escaped, axis="columns")
    table = cells.format(partial(_name, long=long), subset=["method"]).to_latex(
        column_format=(r"p{5.5cm}" if long else "l") + "r" * (len(frame.columns) - 1),
        position="htbp",
        position_float="centering",
        hrules=True,
        caption=escaped(f"{one.title}. {one.caption}"),
    )
    begin, end = r"\begin{tabular}", r"\end{tabular}"
    table = table.replace(begin, f"\\begin{{adjustbox}}{{max width=\\textwidth}}\n{begin}", 1)
    return table.replace(end, f"{end}\n\\end{{adjustbox}}", 1)


def _name(name: str, long: bool) -> str:
    """A method's name; a recipe may be broken after its signs.

    A bracket or a star at its start would be taken for an argument of the line before, so braces precede it.
    """
    said = f"{'{}' if name.startswith(('[', '*')) else ''}{escaped(name)}"
    if not long:
        return said
    for sign in ("(", "=", ", ", r"\_", "."):
        said = said.replace(sign, f"{sign}\\allowbreak{{}}")
    return rf"\raggedright {said}"
