"""What becomes of a model's uncertainty when it learns from more patients (survey 4.1 and 4.2)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.show import label_curve
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENTROPIES = ("expected_entropy", "predictive_entropy")
"""The metrics that estimate the entropy of p*: where that is known, it is a line beside them."""


def show_training_sizes(*quantities: Mapping[int, Comparison], truth: float | None = None) -> "Figure":
    """A panel for each quantity: its mean with 95% interval against the number of labelled patients.

    The survey says that epistemic uncertainty, the mutual information, is reduced by more data, and aleatoric
    uncertainty, the expected entropy, is not. A panel begins at 0, so that a line which stays looks level.
    Each panel has a scale of its own, as the one is often a small part of the other.

    Args:
        quantities: each a number of labelled patients to the methods' results with so many, on the same
            cases: one with the metric "mutual_information", one with "expected_entropy", say.
        truth: the mean entropy of p* over the voxels of these cases, in nats, where it is known; drawn where
            it is what the metric estimates.

    Raises:
        ValueError: for no quantity, one that is there twice, and as `label_curve` for each.
    """
    if not quantities:
        raise ValueError("quantities: expected one or more, got none")
    for comparisons in quantities:
        label_curve.check(comparisons)
    metrics = [next(iter(comparisons.values())).metric for comparisons in quantities]
    if len(set(metrics)) < len(metrics):
        raise ValueError(f"quantities: expected each metric once, got {', '.join(metrics)}")
    found = (label_curve.methods_of(comparisons) for comparisons in quantities)
    methods = list(dict.fromkeys(name for names in found for name in names))
    said = [label_curve.alt_text(comparisons) for comparisons in quantities]
    if truth is not None and set(metrics) & set(ENTROPIES):
        said.append(f"The entropy of the true distribution is {truth:.3f} nats.")
    with house():
        fig = canvas(7.0, 3.3 + 0.2 * -(-(len(methods) + 1) // 3))
        panels = fig.subplots(1, len(metrics), squeeze=False)[0]
        lines: dict[str, Any] = {}
        for ax, metric, comparisons in zip(panels, metrics, quantities, strict=True):
            lines |= label_curve.against_count(ax, comparisons, methods)
            ax.set_ylabel(next(iter(comparisons.values())).title)
            if truth is not None and metric in ENTROPIES:
                line = ax.axhline(truth, color="black", linewidth=1.2, linestyle=(0, (6, 2)), zorder=1)
                lines["the truth"] = line
            ax.set_ylim(bottom=0)
        names = [name for name in (*methods, "the truth") if name in lines]
        handles = [lines[name] for name in names]
        fig.legend(handles, fitted(names, 30), loc="outside lower center", ncols=3, handlelength=3.2)
        fig.set_label(" ".join(said))
    return fig
