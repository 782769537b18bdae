"""A map of numbers on a slice, in colours that keep their order in grey, and its bar."""

from typing import Any

from medseg_lab.show.contours import Cut, panel, small_title


def heat_map(ax: Any, cut: Cut, name: str, top: float | None, title: str = "") -> Any:
    """Draw the label `name` of a cut in colours from 0 to `top` (None: to its largest); returns the map."""
    panel(ax, cut, "", 0)
    small_title(ax, title)
    return ax.imshow(cut.labels[name], cmap="cividis", vmin=0, vmax=top, aspect=cut.aspect)


def colour_bar(ax: Any, map_: Any, label: str = "", threshold: float | None = None) -> None:
    """Draw a map's bar right of its panel, which keeps its size, with a line at the threshold."""
    bar = ax.figure.colorbar(map_, cax=ax.inset_axes((1.04, 0, 0.06, 1)), label=label)
    if threshold is not None:
        bar.ax.axhline(threshold, color="white", linewidth=3)
        bar.ax.axhline(threshold, color="black", linewidth=1.2)


def ratio(cut: Cut) -> float:
    """Height of a slice over its width on the page."""
    return float(cut.image.shape[0] * cut.aspect / cut.image.shape[1])
