"""How Dice falls as an attack becomes stronger, network by network (survey 2.1.2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medseg_lab.show.contours import small_title
from medseg_lab.show.style import bars, canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attack_curves(tables: Mapping[str, pd.DataFrame]) -> "Figure":
    """A panel for each attack, a line for each network, with 95% intervals of the mean over cases.

    Args:
        tables: a network's name to its `medseg_lab.evaluation.attack.attack_curve`.
    """
    found = {name: means_by_strength(table) for name, table in tables.items()}
    attacks = list(dict.fromkeys(attack for table in found.values() for attack in table["attack"]))
    with house():
        fig = canvas(7.0, 3.4)
        panels: Any = fig.subplots(1, len(attacks), sharey=True, squeeze=False)[0]
        ends = draw_by_strength(panels, found, attacks)
        for ax, attack in zip(panels, attacks, strict=True):
            ax.set_xlabel("epsilon (standard deviations)")
            small_title(ax, attack)
        said = [f"{attack} on {name} from {a:.2f} to {b:.2f}" for (attack, name), (a, b) in ends.items()]
        panels[0].set_ylabel("Dice")
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(found))
        fig.set_label(f"Dice by strength of attack: {'; '.join(said)}.")
    return fig


def draw_by_strength(
    panels: Sequence[Any], found: Mapping[str, pd.DataFrame], attacks: Sequence[str]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Draw an attack, or another change, into each panel, with a line and intervals for each network.

    Args:
        panels: axes, one for each attack.
        found: a network's name to its `means_by_strength`.
        attacks: in the order of the panels.

    Returns:
        By attack and network, the mean at the weakest and at the strongest.
    """
    ends = {}
    for ax, attack in zip(panels, attacks, strict=True):
        for index, (name, table) in enumerate(found.items()):
            rows, style = table[table["attack"] == attack], look(index)
            x = np.arange(len(rows)) + 0.08 * (index - (len(found) - 1) / 2)
            line = {"color": style.colour, "marker": style.marker, "linestyle": style.line}
            ax.errorbar(x, rows["mean"], bars(rows), markersize=5, linewidth=1.3, label=name, **line)
            ends[attack, name] = (float(rows["mean"].iloc[0]), float(rows["mean"].iloc[-1]))
        ax.set(xticks=range(len(rows)), xticklabels=[f"{value:g}" for value in rows["epsilon"]], ylim=(0, 1))
    return ends


def means_by_strength(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over cases and its 95% interval (Student's t), from 0 to 1, for each attack and epsilon.

    One case has no interval: it is NaN.
    """
    from scipy import stats

    cases = table.groupby(["attack", "epsilon", "case"], sort=False)["dice"].mean()
    grouped = cases.groupby(["attack", "epsilon"], sort=False)
    found = grouped.agg(["mean", "std", "count"]).reset_index()
    reach = stats.t.ppf(0.975, found["count"] - 1) * found["std"] / np.sqrt(found["count"])
    return found.assign(low=(found["mean"] - reach).clip(0), high=(found["mean"] + reach).clip(upper=1))
