"""Features of pixels as points, and what it costs to compare all of them (survey 3.3)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BYTES = 4
"""Of a number in float32."""


def pair_memory(counted: Mapping[int, float], network: float, chosen: int) -> "Figure":
    """Memory that the pairs of a patch's pixels need, by the number of pixels, beside what the network needs.

    Args:
        counted: megabytes (1e6 bytes) that are kept for the backward pass, by the number of sampled pixels.
        network: megabytes that the network keeps for the same patch.
        chosen: the number of pixels that the method samples.

    Raises:
        ValueError: for fewer than two numbers of pixels.
    """
    if len(counted) < 2:
        raise ValueError(f"counted: expected two numbers of pixels or more, got {len(counted)}")
    numbers = np.array(sorted(counted))
    with house():
        fig = canvas(6.0, 3.4)
        ax = fig.subplots()
        formula = BYTES * numbers.astype(float) ** 2 / 1e6
        ax.plot(numbers, formula, color="#666666", ls=":", label=f"{BYTES} bytes for each pair")
        style = look(0)
        kept = [counted[n] for n in numbers]
        ax.plot(numbers, kept, color=style.colour, marker=style.marker, label="counted")
        other = look(1)
        ax.axhline(network, color=other.colour, ls=other.line, label="the network, for the same patch")
        ax.axvline(chosen, color="#888888", lw=0.8)
        top = ax.get_xaxis_transform()  # places in pixels across, in shares of the height upwards
        ax.text(chosen, 0.98, f" {chosen} sampled", transform=top, va="top", fontsize=8)
        ax.set(xscale="log", yscale="log", xlabel="sampled pixels of a patch", ylabel="memory kept (MB)")
        ax.legend(fontsize=8)
        fig.set_label(
            f"Memory that a step keeps for the pairs of a patch's pixels: {kept[0]:.3g} MB for {numbers[0]} "
            f"pixels, {kept[-1]:.3g} MB for {numbers[-1]}. The network keeps {network:.3g} MB for the patch."
        )
    return fig


def feature_map(features: Mapping[str, Tensor], label: Tensor, classes: Sequence[str]) -> "Figure":
    """Pixels as points: the directions of their features in the plane of the two main axes, by true class.

    A panel for each training, with axes of its own (principal component analysis of the features, scaled to
    unit length); above it the mean cosine of pixels within a class, and of pixels of different classes.

    Args:
        features: of the same n pixels, `(n, F)`, by name.
        label: the true classes, `(n,)`, each with a name.
        classes: names of the classes, the background first.
    """
    known, said = label.cpu().numpy(), []
    with house():
        fig = canvas(3.0 * len(features), 3.4)
        panels = np.atleast_1d(fig.subplots(1, len(features)))
        for ax, (name, of) in zip(panels, features.items(), strict=True):
            points, (within, between) = main_plane(of), mean_cosines(of, label)
            for k in np.unique(known):
                style, here = look(int(k)), points[known == k]
                marks = {"s": 14, "alpha": 0.6, "linewidths": 0, "color": style.colour}
                ax.scatter(*here.T, marker=style.marker, label=classes[k], **marks)
            ax.set_title(f"{name}\ncosine within {within:.2f}, between {between:.2f}", fontsize=9)
            ax.set(xticks=[], yticks=[], xlabel="first axis")
            said.append(f"{name}: {within:.2f} within a class, {between:.2f} between classes")
        panels[0].set_ylabel("second axis")
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
        fig.set_label(
            f"Features of {len(known)} pixels in the plane of their two main axes, by true class. "
            f"Mean cosine of two pixels, {'; '.join(said)}."
        )
    return fig


def main_plane(features: Tensor) -> NDArray:
    """The directions of features `(n, F)` along their two main axes, `(n, 2)`, about their mean."""
    unit = F.normalize(features.detach().cpu().double(), dim=1).numpy()
    centred = unit - unit.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    found: NDArray = centred @ axes.T
    return found


def mean_cosines(features: Tensor, label: Tensor) -> tuple[float, float]:
    """The mean cosine of two different pixels of one class, and of two classes; NaN where there are none.

    Args:
        features: `(n, F)`.
        label: `(n,)`.
    """
    unit, known = F.normalize(features.detach().cpu().double(), dim=1).numpy(), label.cpu().numpy()
    cosine, alike = unit @ unit.T, known[:, None] == known
    others = ~np.eye(len(known), dtype=bool)
    return _mean(cosine[alike & others]), _mean(cosine[~alike])


def _mean(values: NDArray) -> float:
    return float(values.mean()) if values.size else np.nan
