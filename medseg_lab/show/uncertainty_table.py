"""Methods by measures, with what each costs, on a page."""

from collections.abc import Mapping, Sequence

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import counted, joined, with_interval
from medseg_lab.show.cost import short
from medseg_lab.show.page import escape, show
from medseg_lab.show.table import CSS
from medseg_lab.show.value_for_compute import check_passes, seconds_of
from medseg_lab.survey.measures import measure
from medseg_lab.training.run import Run

ACROSS = 4
"""Measures side by side: more do not fit a page with their intervals."""

STYLE = """
.medseg-methods { container-type: inline-size; margin: .6em 0; }
.medseg-methods .medseg-table { width: 100%; }
.medseg-methods .medseg-table th { white-space: normal; }
.medseg-methods small { display: block; font-size: .85em; opacity: .85; }
@container (max-width: 540px) {
  .medseg-methods .medseg-table, .medseg-methods tbody, .medseg-methods caption { display: block; }
  .medseg-methods thead { display: none; }
  .medseg-methods tr { display: block; padding: .3em 0; border-bottom: 1px solid currentColor; }
  .medseg-methods .medseg-table tbody tr > * { display: flex; justify-content: space-between; gap: 1em;
    border-bottom: 0; white-space: normal; }
  .medseg-methods td::before { content: attr(data-head); text-align: left; }
  .medseg-methods td > span { white-space: nowrap; }
  .medseg-methods small { display: inline; }
}
"""

Cell = tuple[str, str]
"""What stands in a cell, and smaller, below it."""


def show_methods(
    comparisons: Mapping[str, Comparison], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> None:
    """Display a row a method: each measure with its 95% interval, then seconds, passes and parameters.

    A value is marked as best only where it is better than that of every other method, and each paired 95%
    interval of these differences leaves zero out: one seed marks nothing. Columns are spread over several
    tables, so that none is hidden at the right; on a narrow screen each method is a list.

    Args:
        comparisons: a metric to the methods' results: the same methods, seeds and cases for each.
        runs: a method's name to its runs; seconds are their mean. Of a method that changes a trained learner,
            they are those of its base.
        passes: a method's name to how often its network sees an image to give the samples that are judged.

    Raises:
        ValueError: for no comparison, those of other methods, seeds or cases, or if a method lacks a run or
            its passes.
    """
    show(methods_html(comparisons, runs, passes), methods_text(comparisons, runs, passes))


def methods_html(
    comparisons: Mapping[str, Comparison], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> str:
    """The markup of `show_methods`."""
    first = _first(comparisons)
    columns = [(_head(found), _cells(found)) for found in comparisons.values()]
    count = -(-len(columns) // ACROSS)
    size = -(-len(columns) // count)
    parts = [columns[start : start + size] for start in range(0, len(columns), size)]
    parts.append(_costs(first.methods, runs, passes))
    tables = [_table(first.methods, part, "") for part in parts[:-1]]
    tables.append(_table(first.methods, parts[-1], caption(comparisons)))
    return f'<style>{CSS}{STYLE}</style><div class="medseg-methods">{"".join(tables)}</div>'


def methods_text(
    comparisons: Mapping[str, Comparison], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> str:
    """The same as plain text: a block a method."""
    first = _first(comparisons)
    columns = [(_head(found), _cells(found)) for found in comparisons.values()]
    columns += _costs(first.methods, runs, passes)
    lines = []
    for index, method in enumerate(first.methods):
        lines.append(method)
        lines += [f"  {head}: {' '.join(cells[index]).strip()}" for head, cells in columns]
    return "\n".join([*lines, caption(comparisons)])


def best(comparison: Comparison) -> str | None:
    """The method that is better than each other one, with a paired 95% interval that leaves zero out.

    None where no method is, or where neither way is better.
    """
    if measure(comparison.metric).better == "either" or len(comparison.methods) < 2:
        return None
    means = comparison.table["mean"]
    found = str(means.idxmin() if comparison.lower_is_better else means.idxmax())
    rows = comparison.paired([(found, other) for other in comparison.methods if other != found])
    clear = rows["high"] < 0 if comparison.lower_is_better else rows["low"] > 0
    return found if clear.all() else None


def caption(comparisons: Mapping[str, Comparison]) -> str:
    """What the numbers stand for."""
    first = _first(comparisons)
    cases = counted(len(first.cases), f"{first.part} case")
    said = (
        f"Means of {cases} of {counted(len(set(first.patients)), 'patient')}, "
        f"{counted(len(first.seeds), 'seed')}, {joined(first.classes)}. "
    )
    if len(set(first.patients)) > 1:
        said += f"Brackets: 95% interval over {'cases' if len(first.seeds) == 1 else 'seeds and cases'}. "
    said += "↓ lower is better, ↑ higher is better. "
    if len(first.seeds) > 1:
        said += "* better than every other method, each paired 95% interval leaving zero out. "
    return said + "Seconds of training are means over seeds; passes: of one image, at test time."


def _first(comparisons: Mapping[str, Comparison]) -> Comparison:
    """One of the comparisons, all of which have its methods, seeds and cases."""
    if not comparisons:
        raise ValueError("comparisons: got none, wanted one or more")
    name, first = next(iter(comparisons.items()))
    for metric, other in comparisons.items():
        for what in ("methods", "part", "seeds", "cases"):
            if getattr(first, what) != getattr(other, what):
                raise ValueError(f"comparisons: got other {what} of {metric} than of {name}, wanted the same")
    return first


def _head(comparison: Comparison) -> str:
    arrow = {"lower": "\u00a0↓", "higher": "\u00a0↑"}.get(measure(comparison.metric).better, "")
    return f"{comparison.title}{arrow}"


def _cells(comparison: Comparison) -> list[Cell]:
    marked = best(comparison)
    cells = []
    for method, row in comparison.table.to_dict("index").items():
        mean, bracket, interval = with_interval(row, digits=comparison.digits).partition(" [")
        cells.append((f"{mean}{'*' if method == marked else ''}", bracket.strip() + interval))
    return cells


def _costs(
    methods: Sequence[str], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> list[tuple[str, list[Cell]]]:
    seconds = seconds_of(methods, runs)
    check_passes(methods, passes)
    return [
        ("seconds of training", [(f"{seconds[name]:.0f}", "") for name in methods]),
        ("passes at test time", [(str(passes[name]), "") for name in methods]),
        ("parameters", [(short(runs[name][0].record.parameters), "") for name in methods]),
    ]


def _table(methods: Sequence[str], columns: Sequence[tuple[str, list[Cell]]], said: str) -> str:
    head = "".join(
        f'<th scope="col">{escape(text)}</th>' for text in ("method", *(head for head, _ in columns))
    )
    body = ""
    for index, method in enumerate(methods):
        cells = "".join(_cell(head, *cells[index]) for head, cells in columns)
        body += f'<tr><th scope="row">{escape(method)}</th>{cells}</tr>'
    below = f"<caption>{escape(said)}</caption>" if said else ""
    return f'<table class="medseg-table">{below}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(head: str, text: str, small: str) -> str:
    value = f"<strong>{escape(text)}</strong>" if text.endswith("*") else escape(text)
    below = f" <small>{escape(small)}</small>" if small else ""
    return f'<td data-head="{escape(head)}"><span>{value}{below}</span></td>'
