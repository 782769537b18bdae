"""Figure 19 of the survey, from trained networks: a number for each weight, or a distribution."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, canvas, house
from medseg_lab.uncertainty.bayes_conv import BayesConv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 9
"""Weights that are drawn: the first kernel of a network in 2D."""


def first_kernel(network: nn.Module) -> tuple[NDArray, NDArray]:
    """Of the first convolution's first kernel, the means and the standard deviations of up to nine weights.

    Raises:
        ValueError: for a network without a convolution.
    """
    for module in network.modules():
        if isinstance(module, BayesConv | nn.Conv2d | nn.Conv3d):
            plain: Any = module.plain if isinstance(module, BayesConv) else module
            means = plain.weight[0, 0].detach().flatten()[:MOST].cpu().numpy()
            if not isinstance(module, BayesConv):
                return means, np.zeros_like(means)
            return means, module.std[0, 0].detach().flatten()[:MOST].cpu().numpy()
    raise ValueError(f"network: expected one with a convolution, got {type(network).__name__}")


def weight_distributions(networks: Mapping[str, nn.Module]) -> "Figure":
    """A panel a network, a row a weight: a dot where the weight is a number, else its Gaussian.

    Args:
        networks: by what is written above their panels.
    """
    kernels = {name: first_kernel(network) for name, network in networks.items()}
    reach = max(float((np.abs(means) + 3.5 * stds).max()) for means, stds in kernels.values())
    along = np.linspace(-reach, reach, 400)
    said = []
    with house():
        fig = canvas(7.0, 3.2)
        panels: Any = fig.subplots(1, len(kernels), sharex=True, sharey=True, squeeze=False)[0]
        for ax, (name, (means, stds)) in zip(panels, kernels.items(), strict=True):
            for row, (mean, std) in enumerate(zip(means, stds, strict=True), start=1):
                ax.axhline(row, color="#dddddd", linewidth=0.8, zorder=0)
                ax.plot(mean, row, "o", color="black", markersize=4, zorder=3)
                if std > 0:
                    height = 0.8 * np.exp(-0.5 * ((along - mean) / std) ** 2)
                    ax.fill_between(along, row, row - height, color=COLOURS[0], alpha=0.6, linewidth=0)
            ax.set(xlabel="value", yticks=range(1, len(means) + 1), ylim=(len(means) + 0.5, 0))
            ax.grid(visible=False)
            small_title(ax, name)
            spread = f"standard deviations from {stds.min():.3f} to {stds.max():.3f}" if stds.any() else ""
            said.append(f"{name}, {spread or 'a number each'}")
        panels[0].set_ylabel("weight of the first kernel")
        fig.set_label(f"The weights of the first kernel: {'; '.join(said)}.")
    return fig
