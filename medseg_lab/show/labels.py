"""Names written beside what they name, so that no legend has to be matched."""

from collections.abc import Sequence
from typing import Any

from medseg_lab.show.style import look


def name_at_right(ax: Any, names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> None:
    """Write names right of a panel, each with its marker and a thin line to its point (x, y).

    Call it when the panel's limits are final. The names' looks are those of their positions in `names`.
    """
    low, high = ax.get_ylim()
    gap = (
        (high - low) * 0.19 / (ax.figure.get_figheight() * 0.74)
    )  # 0.19 inch a line; an axis fills 3/4 of its figure
    from matplotlib.transforms import ScaledTranslation

    beside, inch = ax.get_yaxis_transform(), ax.figure.dpi_scale_trans
    marks, words = beside + ScaledTranslation(0.16, 0, inch), beside + ScaledTranslation(0.26, 0, inch)
    for index, (name, place) in enumerate(zip(names, spread(y, gap, low, high), strict=True)):
        style = look(index)
        line = {"arrowstyle": "-", "color": style.colour, "linewidth": 0.6, "relpos": (0, 0.5)}
        ax.annotate(
            name,
            (x[index], y[index]),
            (1, place),
            textcoords=words,
            va="center",
            fontsize=9,
            annotation_clip=False,
            arrowprops=line,
        )
        ax.plot(1, place, style.marker, color=style.colour, markersize=6, transform=marks, clip_on=False)
    ax.set_ylim(low, high)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, in the order of `wanted` and near it, from `low` to `high`.

    Neighbours that come too close form a block, centred on the mean of what its members want. Where there
    is no room for all, they go on above `high`.
    """
    blocks: list[tuple[list[int], float]] = []
    for i in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        members, start = [i], max(low, min(wanted[i], high))
        while blocks and blocks[-1][1] + gap * len(blocks[-1][0]) > start:
            members = blocks.pop()[0] + members
            reach = gap * (len(members) - 1)
            middle = sum(wanted[m] for m in members) / len(members)
            start = max(low, min(middle - reach / 2, high - reach))
        blocks.append((members, start))
    placed = {i: start + gap * n for members, start in blocks for n, i in enumerate(members)}
    return [placed[i] for i in range(len(wanted))]
