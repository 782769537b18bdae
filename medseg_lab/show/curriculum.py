"""What each region's loss was over a training, from the step on at which it was learned (survey 2.1.2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medseg_lab.show.curves import Trained, smoothed
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TERM = "region {}"
"""What the losses of nested regions are called in curves, from 1 on."""


def curriculum(runs: Mapping[str, Trained], names: Sequence[str], smoothing: float = 0.05) -> "Figure":
    """A panel for each method with the loss of each region; a line and a mark show where a region enters.

    Args:
        runs: one run of each method of nested regions.
        names: of the regions, outermost first.
        smoothing: the span of the moving mean, as a share of the steps.
    """
    with house():
        fig = canvas(7.0, 2.9)
        panels: Any = fig.subplots(1, len(runs), squeeze=False)[0]
        said = []
        for ax, (title, run) in zip(panels, runs.items(), strict=True):
            for number, name in enumerate(names):
                style, table = look(number), run.curves[["step", TERM.format(number + 1)]].dropna()
                x, y = table["step"], smoothed(table, smoothing, TERM.format(number + 1))
                ax.plot(x, y, color=style.colour, ls=style.line, linewidth=1.5, label=name)
                start = int(x.iloc[0])
                if start:
                    ax.axvline(start, color=style.colour, linewidth=0.8, alpha=0.6)
                ax.plot(start, y.iloc[0], style.marker, color=style.colour, markersize=6)
                said.append(f"{title}, {name}: from step {start} on, at the end {y.iloc[-1]:.2f}")
            ax.set(xlabel="step", title=title)
        highest = max(ax.get_ylim()[1] for ax in panels)
        for ax in panels:
            ax.set_ylim(0, highest)
        panels[0].set_ylabel("loss of the region")
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
        fig.set_label(f"Loss of each region over the steps, smoothed. {'; '.join(said)}.")
    return fig
