"""A comparison as a table on a page."""

from collections.abc import Mapping, Sequence
from itertools import count

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import p_text, with_interval
from medseg_lab.show.page import escape, show

CSS = """
.medseg-table { border-collapse: collapse; margin: .6em 0; font-size: .88em;
  font-variant-numeric: tabular-nums; }
.medseg-figure { margin: .6em 0; }
.medseg-figure .medseg-table { margin: 0; }
.medseg-table caption { caption-side: bottom; padding-top: .5em; white-space: normal; }
.medseg-table caption, .medseg-figure figcaption { text-align: left; font-size: .9em; color: inherit; }
.medseg-figure figcaption { font-size: .8em; padding-top: .5em; }
.medseg-table th, .medseg-table td { padding: .25em .45em; text-align: right; border: 0; background: none;
  white-space: nowrap; }
.medseg-table th:first-child { text-align: left; }
.medseg-table thead th { border-bottom: 2px solid currentColor; vertical-align: bottom; white-space: normal; }
.medseg-table tbody tr:last-child > * { border-bottom: 1px solid currentColor; }
"""

_numbers = count(1)
"""Each caption of a page has a name of its own."""


def table(comparison: Comparison, extra: Mapping[str, Mapping[str, object]] | None = None) -> None:
    """Display each method's mean with its 95% interval, and what it differs from the baseline by.

    Methods keep the order they were given in, and none is marked as best: the intervals say what can be told
    apart.

    Args:
        comparison: what to show.
        extra: more columns: a heading to a text for each method.

    Raises:
        ValueError: where an extra column lacks a method.
    """
    show(table_html(comparison, extra), str(comparison))


def class_table(comparison: Comparison) -> None:
    """Display each method's mean with its 95% interval, class by class."""
    cells = comparison.by_class.to_dict("index")
    rows = [
        [name, *(with_interval(cells[(name, k)], digits=comparison.digits) for k in comparison.classes)]
        for name in comparison.methods
    ]
    show(
        rows_html(["method", *comparison.classes], rows, comparison.describe()),
        comparison.by_class.to_string(),
    )


def table_html(comparison: Comparison, extra: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """The markup of `table`."""
    means = comparison.table.to_dict("records")
    rows = {
        name: [with_interval(row, digits=comparison.digits)]
        for name, row in zip(comparison.methods, means, strict=True)
    }
    heads = ["method", f"{comparison.title}, mean [95%]"]
    if len(comparison.seeds) > 1 and len(comparison.methods) > 1:
        heads += [f"minus {comparison.baseline}", "Holm p"]
        rows[comparison.baseline] += ["", ""]
        for found in comparison.differences.to_dict("records"):
            said = with_interval(found, signed=True, digits=comparison.digits)
            rows[found["first"]] += [said, p_text(found["holm"])]
    for head, column in (extra or {}).items():
        heads.append(head)
        for method, row in rows.items():
            if method not in column:
                raise ValueError(
                    f"extra column {head!r}: expected a text for each method, got none for {method}"
                )
            row.append(str(column[method]))
    return rows_html(heads, [[name, *row] for name, row in rows.items()], comparison.describe())


def rows_html(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """The markup of any table; the first cell of a row is its heading.

    A table that is wider than the window scrolls in a box that the keyboard reaches; its caption stays.
    """
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(text)}</td>" for text in rest)}</tr>'
        for first, *rest in rows
    )
    name = f"medseg-caption-{next(_numbers)}"
    table = f'<table class="medseg-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    box = f'<div style="overflow-x:auto" role="region" tabindex="0" aria-labelledby="{name}">{table}</div>'
    below = f'<figcaption id="{name}">{escape(caption)}</figcaption>'
    return f'<style>{CSS}</style><figure class="medseg-figure">{box}{below}</figure>'
