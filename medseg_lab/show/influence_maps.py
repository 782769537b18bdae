"""Which pixels of an image change the output at its centre, network by network (survey 2.1.1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from medseg_lab.networks.measure import influence
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAINTEST = 1e-6
"""Colours start here, as a share of the pixel with the most influence; what has less is drawn as this."""


def influence_maps(networks: Mapping[str, nn.Module], image: Tensor) -> "Figure":
    """A map for each network: how much each pixel changes the logits at the centre, in powers of ten.

    A pixel that changes nothing is left white.

    Args:
        networks: of two dimensions, by the titles of their maps.
        image: `(1, C, H, W)`.
    """
    from matplotlib.colors import LogNorm

    with house():
        fig = canvas(7.0, 6.0 / len(networks) + 0.2)
        panels = fig.subplots(1, len(networks), squeeze=False)[0]
        said = []
        for ax, (name, network) in zip(panels, networks.items(), strict=True):
            found = influence(network, image).numpy()
            shown = found.clip(min=FAINTEST)
            shown[found == 0] = float("nan")
            drawn = ax.imshow(shown, cmap="cividis", norm=LogNorm(FAINTEST, 1), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
            small_title(ax, f"{name} ({(found > 0).mean():.0%} of the pixels)")
            said.append(f"{name}, {(found > 0).mean():.0%}")
        fig.colorbar(drawn, ax=panels, label="share of the largest", extend="min")
        fig.set_label(f"Share of the pixels that change the output at the centre: {'; '.join(said)}.")
    return fig
