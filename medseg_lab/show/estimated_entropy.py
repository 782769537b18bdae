"""Estimated entropies against the true one, where p*(y | x) is known (survey 4.2)."""

from collections.abc import Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.task import Task
from medseg_lab.evaluation.pooled import Kind, PooledEntropies, pooled_entropies
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.contours import Cut, panel, small_title
from medseg_lab.show.disagreement import cut_at
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.names import fitted
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house, look
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from medseg_lab.uncertainty.measures.truth import entropy_against

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Given = Literal["truth", "estimate"]

BINS = 12
LEAST = 30
"""Voxels that a bin must have to be drawn."""

ACROSS = 4
"""Methods in a row of maps."""

TRUE = " true"
"""The map of the truth, by a name that no method has."""


def show_estimated_entropy(
    drawn: Mapping[str, Sequence[Drawn]],
    task: Task,
    *,
    given: Given = "truth",
    mapped: Kind = "total",
    slice_axis: int = 2,
) -> "Figure":
    """Whether the estimated entropy is high where the true one is: voxels in bins, and maps of one slice.

    Above, two estimates: the total entropy, of the mean of the samples, and the expected one, the mean of
    the samples' own. A line is a method's mean in bins of equal width, its band half of the bin's voxels
    (25% to 75%). The voxels are those of `medseg_lab.evaluation.pooled.pooled_entropies`. Below, the slice
    of the first case on which the first rater marks most.

    Args:
        drawn: a method's name to its cases, which have a `distribution`; the same cases for each.
        task: of the cohort.
        given: "truth" bins voxels by the true entropy: what is estimated where the truth is this uncertain?
            "estimate" bins them by the estimate: what is true where a method says so much? A noisy estimate
            may be right in the one and not in the other.
        mapped: which estimate the maps show, "total" or "expected".
        slice_axis: axis across which volumes are cut, and were sampled.

    Raises:
        ValueError: for no method or case, a case without a distribution, different cases, or an unknown
            `given` or `mapped`.
    """
    for name, got, known in (("given", given, get_args(Given)), ("mapped", mapped, get_args(Kind))):
        if got not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {got!r}")
    if not drawn:
        raise ValueError("drawn: expected one method or more, got none")
    if len({tuple(one.case.id for one in of) for of in drawn.values()}) > 1:
        raise ValueError(
            "drawn: expected the same cases in the same order for all methods, got different ones"
        )
    pools = {name: pooled_entropies(of, slice_axis) for name, of in drawn.items()}
    cut = _cut({name: of[0] for name, of in drawn.items()}, mapped, slice_axis)
    columns, rows = min(len(pools), ACROSS) + 1, -(-len(pools) // ACROSS)
    heights = 3.1 + 0.2 * len(pools), 2 * rows * min(2.2, 5.9 / columns * ratio(cut) + 0.4) + 0.1
    with house():
        fig = canvas(7.0, sum(heights))
        upper, lower = fig.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        for ax, kind in zip(upper.subplots(1, 2, sharey=True), get_args(Kind), strict=True):
            _curves(ax, pools, kind, given)
        _maps(lower, cut, list(pools), mapped, log(len(task.classes)))
        shown = next(iter(drawn.values()))[0].case.id
        maps = f"Maps of {mapped} entropy and of its difference from the truth: a slice of {shown}."
        fig.set_label(f"{alt_text(pools)} {maps}")
    return fig


def alt_text(pools: Mapping[str, PooledEntropies]) -> str:
    """The correlation and the errors of each estimate, in words."""
    true = next(iter(pools.values())).true
    said = [
        f"{name}: {'; '.join(f'{kind} {_against(pool, kind)}' for kind in get_args(Kind))}."
        for name, pool in pools.items()
    ]
    return (
        f"Estimated against true entropy of {len(true)} voxels, whose true mean is {true.mean():.3f} nats. "
        + " ".join(said)
    )


def binned(x: NDArray, y: NDArray, bins: int = BINS, least: int = LEAST) -> NDArray:
    """Means of x, of y, and the quartiles of y, in bins of equal width from 0 to the largest x: `(4, bins)`.

    Bins with fewer than `least` voxels are left out.
    """
    place = np.minimum((x / max(x.max(), 1e-12) * bins).astype(int), bins - 1)
    groups = (place == i for i in range(bins))
    rows = [
        (x[group].mean(), y[group].mean(), *np.quantile(y[group], [0.25, 0.75]))
        for group in groups
        if group.sum() >= least
    ]
    return np.array(rows).reshape(-1, 4).T


def _against(pool: PooledEntropies, kind: Kind) -> str:
    found = entropy_against(pool.of(kind), pool.true)
    said = f"correlation {found.correlation:.2f}, mean absolute error {found.mean_absolute_error:.3f} nats"
    return f"{said}, bias {found.bias:+.3f}".replace("-", "−")


def _curves(ax: Any, pools: Mapping[str, PooledEntropies], kind: Kind, given: Given) -> None:
    handles, labels, reach = [], [], 0.0
    for index, (short, pool) in enumerate(zip(fitted(list(pools), 24, 1), pools.values(), strict=True)):
        style, pair = look(index), (pool.true.numpy(), pool.of(kind).numpy())
        x, y, low, high = binned(*(pair if given == "truth" else pair[::-1]))
        ax.fill_between(x, low, high, color=style.colour, alpha=0.13, linewidth=0)
        line = {"color": style.colour, "linestyle": style.line, "linewidth": 1.4}
        handles += ax.plot(x, y, **line, marker=style.marker, markersize=5)
        found = entropy_against(pool.of(kind), pool.true)
        labels.append(f"{short}: {found.correlation:.2f}, {found.mean_absolute_error:.3f}")
        reach = max(reach, float(x.max(initial=0)))
    ax.plot([0, reach], [0, reach], color="#777777", linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes = "true entropy of p* (nats)", f"{kind} entropy (nats)"
    xlabel, ylabel = axes if given == "truth" else axes[::-1]
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(bottom=0)
    ax.tick_params(labelleft=True)
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22)}
    legend = ax.legend(handles, labels, **below, handlelength=3.2, borderpad=0)
    legend.set_title("correlation, mean absolute error", {"size": 9})


def _cut(drawn: Mapping[str, Drawn], kind: Kind, slice_axis: int) -> Cut:
    """The fullest slice of a case, with its "true" entropy, and each method's estimate by its name."""
    case = next(iter(drawn.values())).case
    assert case.distribution is not None
    maps = {name: getattr(entropy_split(one.samples), kind) for name, one in drawn.items()}
    return cut_at(fullest(case, slice_axis), case, {**maps, TRUE: entropy(case.distribution[None])[0]})


def _maps(fig: "SubFigure", cut: Cut, methods: Sequence[str], kind: Kind, largest: float) -> None:
    """The truth above the image at the left; then each method's estimate above its difference from it."""
    off = {name: cut.labels[name] - cut.labels[TRUE] for name in methods}
    most = max(0.01, *(float(np.abs(one).max()) for one in off.values()))
    names = dict(zip(methods, fitted(methods, 16), strict=True))
    rows = [methods[start : start + ACROSS] for start in range(0, len(methods), ACROSS)]
    panels = fig.subplots(2 * len(rows), len(rows[0]) + 1, squeeze=False)
    for ax in panels.flat:
        ax.set(xticks=[], yticks=[])
        ax.axis("off")
    for row, estimates, differences in zip(rows, panels[::2], panels[1::2], strict=True):
        upper = _map(estimates[0], cut, cut.labels[TRUE], "true entropy", "cividis", (0, largest))
        panel(differences[0], cut, "", 0)
        small_title(differences[0], "image")
        for ax, below, name in zip(estimates[1:], differences[1:], row, strict=False):
            _map(ax, cut, cut.labels[name], names[name], "cividis", (0, largest))
            lower = _map(below, cut, off[name], "minus the truth", "PuOr_r", (-most, most))
        _bar(fig, upper, estimates, f"{kind}, nats", np.arange(0, largest, 0.2 if largest < 1 else 0.4))
        _bar(fig, lower, differences, "nats", np.array([-most, 0, most]))


def _map(ax: Any, cut: Cut, values: NDArray, name: str, colours: str, limits: tuple[float, float]) -> Any:
    panel(ax, Cut(values, {}, cut.aspect, limits), "", 0)
    small_title(ax, name)
    ax.images[0].set_cmap(colours)
    return ax.images[0]


def _bar(fig: "SubFigure", map_: Any, panels: NDArray, name: str, ticks: NDArray) -> None:
    """A bar whose ticks are given, as the layout has to know their width."""
    signed = "+" if ticks[0] < 0 else ""
    bar = fig.colorbar(map_, ax=panels.tolist(), label=name, pad=0.01, fraction=0.05)
    said = [f"{tick:{signed if tick else ''}.2g}".replace("-", "−") for tick in ticks]
    bar.set_ticks(ticks.tolist(), labels=said)
