"""Estimated entropies against the true one, where p*(y | x) is known (survey 4.2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.task import Task
from medseg_lab.evaluation.pooled import Kind, PooledEntropies, pooled_entropies
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house, look
from medseg_lab.show.truth_maps import draw_maps, maps_height
from medseg_lab.uncertainty.measures.truth import entropy_against

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Given = Literal["truth", "estimate"]

KINDS: tuple[Kind, ...] = ("total", "expected")
BINS = 12
LEAST = 30
"""Voxels that a bin must have to be drawn."""


def show_truth(
    drawn: Mapping[str, Sequence[Drawn]],
    task: Task,
    *,
    given: Given = "truth",
    mapped: Kind = "total",
    slice_axis: int = 2,
) -> "Figure":
    """Is an estimate right where it is high? Voxels by their entropy, and maps of one slice.

    Above, two estimates: the total entropy, of the mean of the samples, and the expected one, the mean of
    the samples' own. A line is a method's mean in bins of equal width, its band half of the bin's voxels
    (25% to 75%). The voxels are those of `medseg_lab.evaluation.pooled.pooled_entropies`. Below, the slice
    of the first case on which the first rater marks most.

    Args:
        drawn: a method's name to its cases, which have a `distribution`; the same cases of each.
        task: of the cohort.
        given: "truth" bins voxels by the true entropy, and asks what is estimated where so much is unsure;
            "estimate" bins them by the estimate, and asks what is true where a method says so much. A noisy
            estimate may be right in the one and not in the other.
        mapped: which estimate the maps show, "total" or "expected".
        slice_axis: across which volumes are cut, and were sampled.

    Raises:
        ValueError: for no method or case, a case without a distribution, other cases, or an unknown `given`
            or `mapped`.
    """
    _check(drawn, given, mapped)
    pools = {name: pooled_entropies(of, slice_axis) for name, of in drawn.items()}
    firsts = {name: of[0] for name, of in drawn.items()}
    with house():
        heights = 3.1 + 0.2 * len(pools), maps_height(firsts, slice_axis)
        fig = canvas(7.0, sum(heights))
        upper, lower = fig.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        for ax, kind in zip(upper.subplots(1, 2, sharey=True), KINDS, strict=True):
            _panel(ax, pools, kind, given)
        draw_maps(lower, firsts, mapped, slice_axis, float(np.log(len(task.classes))))
        fig.set_label(alt_text(pools, firsts, mapped))
    return fig


def alt_text(pools: Mapping[str, PooledEntropies], firsts: Mapping[str, Drawn], mapped: Kind) -> str:
    """How far each estimate is off, in words."""
    true = next(iter(pools.values())).true
    said = [
        f"{name}: {'; '.join(f'{kind} {_against(pool, kind)}' for kind in KINDS)}."
        for name, pool in pools.items()
    ]
    return (
        f"Estimated against true entropy of {len(true)} voxels, whose true mean is {true.mean():.3f} nats. "
        f"{' '.join(said)} Maps of {mapped} entropy and of its difference from the truth: a slice of "
        f"{next(iter(firsts.values())).case.id}."
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


def _panel(ax: Any, pools: Mapping[str, PooledEntropies], kind: Kind, given: Given) -> None:
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
    estimate, true = f"{kind} entropy (nats)", "true entropy of p* (nats)"
    ax.set(xlabel=true if given == "truth" else estimate, ylabel=estimate if given == "truth" else true)
    ax.set_ylim(bottom=0)
    ax.tick_params(labelleft=True)
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22)}
    legend = ax.legend(handles, labels, **below, handlelength=3.2, borderpad=0)
    legend.set_title("correlation, mean absolute error", {"size": 9})


def _check(drawn: Mapping[str, Sequence[Drawn]], given: str, mapped: str) -> None:
    for name, got, wanted in (("given", given, ("truth", "estimate")), ("mapped", mapped, KINDS)):
        if got not in wanted:
            raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(wanted)}")
    if not drawn:
        raise ValueError("drawn: got no method, wanted one or more")
    first, *others = ([one.case.id for one in of] for of in drawn.values())
    if any(other != first for other in others):
        raise ValueError("drawn: got other cases of some methods, wanted the same of each, in one order")
