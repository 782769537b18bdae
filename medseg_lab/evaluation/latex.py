"""Comparisons as LaTeX tables."""

from collections.abc import Sequence

from medseg_lab.evaluation.summary import Summary

LONG = 30
"""Names longer than this get a column that wraps."""

HEAD = "% Needs \\usepackage{adjustbox} and \\usepackage{booktabs}."

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


def latex(summaries: Sequence[Summary]) -> str:
    """A table each, with rules of booktabs, made narrower where it would be wider than the text."""
    return "\n\n".join([HEAD, *(_table(one) for one in summaries)]) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(sign, sign) for sign in text)


def _table(one: Summary) -> str:
    heads = [escaped(head.replace("-\n", "")) for head in one.words]
    rows = list(zip(*one.words.values(), strict=True))
    long = any(len(row[0]) > LONG for row in rows)
    columns = (r"p{5.5cm}" if long else "l") + "r" * (len(heads) - 1)
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escaped(f'{one.title}. {one.caption}')}}}",
        r"\begin{adjustbox}{max width=\textwidth}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(heads),
        r"\midrule",
        *(_row([_name(first, long), *map(escaped, rest)]) for first, *rest in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    """A bracket or a star at its start would be taken for a part of the line before, so it is in braces."""
    said = " & ".join(cells)
    return f"{'{}' if said.startswith(('[', '*')) else ''}{said} \\\\"


def _name(name: str, long: bool) -> str:
    """A method's name; a recipe may be broken after its signs."""
    said = escaped(name)
    if not long:
        return said
    for sign in ("(", "=", ", ", r"\_", "."):
        said = said.replace(sign, f"{sign}\\allowbreak{{}}")
    return rf"\raggedright {said}"
