"""Maps of the true entropy, of what is estimated, and of the difference: one slice."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.evaluation.pooled import Kind
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.contours import Cut, panel, small_title
from medseg_lab.show.names import fitted
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.uncertainty.measures.entropy_split import entropy_split

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

ACROSS = 4
"""Methods in a row."""


def draw_maps(
    fig: "SubFigure",
    drawn: Mapping[str, Drawn],
    kind: Kind,
    slice_axis: int,
    largest: float,
) -> None:
    """The truth above the image at the left; then each method's estimate above its difference from it.

    Args:
        fig: where to.
        drawn: a method's name to one case, the same of each, with a distribution.
        kind: "total" or "expected".
        slice_axis: across which a volume is cut.
        largest: ln K, the top of the scale.
    """
    first = next(iter(drawn.values())).case
    place = fullest(first, slice_axis)
    assert first.distribution is not None
    true = entropy(first.distribution[None])[0].numpy()
    maps = {name: _estimate(one, kind) for name, one in drawn.items()}
    cut = place.cut(first, {"true": place.of(true), **{name: place.of(of) for name, of in maps.items()}})
    off = {name: cut.labels[name] - cut.labels["true"] for name in maps}
    most = max(0.01, *(float(np.abs(one).max()) for one in off.values()))
    names = dict(zip(maps, fitted(list(maps), 16), strict=True))
    rows = [list(maps)[start : start + ACROSS] for start in range(0, len(maps), ACROSS)]
    panels = fig.subplots(2 * len(rows), len(rows[0]) + 1, squeeze=False)
    for ax in panels.flat:
        ax.set(xticks=[], yticks=[])
        ax.axis("off")
    for row, methods in enumerate(rows):
        estimates, differences = panels[2 * row], panels[2 * row + 1]
        upper = _map(estimates[0], cut, cut.labels["true"], "true entropy", "cividis", (0, largest))
        panel(differences[0], cut, "", 0)
        small_title(differences[0], "image")
        for ax, below, name in zip(estimates[1:], differences[1:], methods, strict=False):
            _map(ax, cut, cut.labels[name], names[name], "cividis", (0, largest))
            lower = _map(below, cut, off[name], "minus the truth", "PuOr_r", (-most, most))
        _bar(fig, upper, estimates, f"{kind}, nats", np.arange(0, largest, 0.2 if largest < 1 else 0.4))
        _bar(fig, lower, differences, "nats", np.array([-most, 0, most]))


def _bar(fig: "SubFigure", map_: Any, panels: NDArray, name: str, ticks: NDArray) -> None:
    """Its ticks are given, as the layout has to know their width."""
    signed = "+" if ticks[0] < 0 else ""
    bar = fig.colorbar(map_, ax=panels.tolist(), label=name, pad=0.01, fraction=0.05)
    said = [f"{tick:{signed if tick else ''}.2g}".replace("-", "−") for tick in ticks]
    bar.set_ticks(ticks.tolist(), labels=said)


def maps_height(drawn: Mapping[str, Drawn], slice_axis: int) -> float:
    """Inches that `draw_maps` needs in a figure of 7 inches."""
    case = next(iter(drawn.values())).case
    cut = _cut_shape(fullest(case, slice_axis), case)
    columns, rows = min(len(drawn), ACROSS) + 1, -(-len(drawn) // ACROSS)
    return float(2 * rows * min(2.2, 5.9 / columns * cut + 0.4) + 0.1)


def _cut_shape(place: Spot, case: Any) -> float:
    """Height over width of the slice on the page."""
    cut = place.cut(case, {"": place.of(case.label.numpy())})
    return float(cut.image.shape[0] * cut.aspect / cut.image.shape[1])


def _estimate(one: Drawn, kind: Kind) -> NDArray:
    split = entropy_split(one.samples)
    return (split.total if kind == "total" else split.expected).numpy()


def _map(ax: Any, cut: Cut, values: NDArray, name: str, colours: str, limits: Sequence[float]) -> Any:
    panel(ax, Cut(values, {}, cut.aspect, (limits[0], limits[1])), "", 0)
    small_title(ax, name)
    ax.images[0].set_cmap(colours)
    return ax.images[0]
