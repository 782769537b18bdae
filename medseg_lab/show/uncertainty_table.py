"""Methods by measures, with what each costs, on a page."""

from collections.abc import Mapping, Sequence

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import joined, with_interval
from medseg_lab.show.cost import check_passes, seconds_of, short
from medseg_lab.show.page import escape, show
from medseg_lab.show.table import CSS
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

Column = tuple[str, list[tuple[str, str]]]
"""A heading, and for each method what its cell says, and in small print below."""


def show_methods(
    comparisons: Mapping[str, Comparison], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> None:
    """Display a row for each method: each measure with its 95% interval, then seconds, passes and parameters.

    A value is marked as best only where it is better than that of every other method, and each paired 95%
    interval of these differences excludes zero: with one seed nothing is marked. Columns are spread over
    several tables, so that none is hidden at the right; on a narrow screen each method is a list.

    Args:
        comparisons: a metric to the methods' results: the same methods, seeds and cases for each.
        runs: a method's name to its runs; seconds are their mean. Of a method that changes a trained learner,
            they are those of its base.
        passes: a method's name to how often its network sees an image to give the samples that are judged.

    Raises:
        ValueError: for no comparison, those of other methods, seeds or cases, or if a method lacks a run or
            its passes.
    """
    show(*methods_page(comparisons, runs, passes))


def methods_page(
    comparisons: Mapping[str, Comparison], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> tuple[str, str]:
    """What `show_methods` displays: the markup, and the same as plain text."""
    methods, said = _first(comparisons).methods, caption(comparisons)
    measures = [_measure(found) for found in comparisons.values()]
    costs = _costs(methods, runs, passes)
    return _html(methods, measures, costs, said), _text(methods, [*measures, *costs], said)


def best(comparison: Comparison) -> str | None:
    """The method that is better than each other one, with a paired 95% interval that excludes zero.

    None where no method is, or where the measure has no better side.
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
    patients, seeds = len(set(first.patients)), len(first.seeds)
    said = f"Means of {counted(len(first.cases), f'{first.part} case')} of {counted(patients, 'patient')}, "
    said += f"{counted(seeds, 'seed')}, {joined(first.classes)}. "
    if patients > 1:
        said += f"Brackets: 95% interval over {'patients' if seeds == 1 else 'trainings and patients'}. "
    said += "↓ lower is better, ↑ higher is better. "
    if seeds > 1:
        said += "* better than every other method, with each paired 95% interval excluding zero. "
    return said + "Seconds of training are means over seeds; passes: of one image, at test time."


def _first(comparisons: Mapping[str, Comparison]) -> Comparison:
    """One of the comparisons, all of which have its methods, seeds and cases."""
    if not comparisons:
        raise ValueError("comparisons: expected one or more, got none")
    name, first = next(iter(comparisons.items()))
    for metric, other in comparisons.items():
        for what, held in (("methods", "methods"), ("part", "part"), ("seeds", "seeds"), ("cases", "judged")):
            if getattr(first, held) != getattr(other, held):
                raise ValueError(
                    f"comparisons: expected the same {what} for all, got others for {metric} than for {name}"
                )
    return first


def _measure(comparison: Comparison) -> Column:
    arrow = {"lower": "\u00a0↓", "higher": "\u00a0↑"}.get(measure(comparison.metric).better, "")
    marked, cells = best(comparison), []
    for method, row in comparison.table.to_dict("index").items():
        mean, bracket, interval = with_interval(row, digits=comparison.digits).partition(" [")
        cells.append((f"{mean}{'*' if method == marked else ''}", bracket.strip() + interval))
    return f"{comparison.title}{arrow}", cells


def _costs(
    methods: Sequence[str], runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> list[Column]:
    seconds = seconds_of(methods, runs)
    check_passes(methods, passes)
    return [
        ("seconds of training", [(f"{seconds[name]:.0f}", "") for name in methods]),
        ("passes at test time", [(str(passes[name]), "") for name in methods]),
        ("parameters", [(short(runs[name][0].record.parameters), "") for name in methods]),
    ]


def _text(methods: Sequence[str], columns: Sequence[Column], said: str) -> str:
    """A block of lines for each method."""
    lines = []
    for index, method in enumerate(methods):
        cells = [f"  {head}: {' '.join(column[index]).strip()}" for head, column in columns]
        lines += [method, *cells]
    return "\n".join([*lines, said])


def _html(methods: Sequence[str], measures: list[Column], costs: list[Column], said: str) -> str:
    """A table for every few measures, and one for the costs, which has the caption."""
    size = -(-len(measures) // -(-len(measures) // ACROSS))
    parts = [*(measures[start : start + size] for start in range(0, len(measures), size)), costs]
    tables = [_table(methods, part, said if part is costs else "") for part in parts]
    return f'<style>{CSS}{STYLE}</style><div class="medseg-methods">{"".join(tables)}</div>'


def _table(methods: Sequence[str], columns: Sequence[Column], said: str) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in ("method", *(c[0] for c in columns)))
    body = ""
    for index, method in enumerate(methods):
        cells = "".join(_cell(head_, *cells[index]) for head_, cells in columns)
        body += f'<tr><th scope="row">{escape(method)}</th>{cells}</tr>'
    below = f"<caption>{escape(said)}</caption>" if said else ""
    return f'<table class="medseg-table">{below}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(head: str, text: str, small: str) -> str:
    value = f"<strong>{escape(text)}</strong>" if text.endswith("*") else escape(text)
    below = f" <small>{escape(small)}</small>" if small else ""
    return f'<td data-head="{escape(head)}"><span>{value}{below}</span></td>'
