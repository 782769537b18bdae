"""Figure 9 of the survey, measured: which values a norm takes mean and variance of."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medseg_lab.networks.norms import normalisation
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES, CHANNELS, SIDE = 3, 16, 3
"""Features of the first stage of our U-Net, on maps of 3 x 3 voxels."""
ASKED = (1, 6, 1, 1)
"""The value whose norm is looked at: second image, seventh channel, the middle of the map."""


def norm_axes() -> "Figure":
    """A panel a norm: in colour, the values that change one normalised value, by its gradient.

    Rows are the images of a batch, columns the channels; each square is a map of 3 x 3 voxels. A black voxel
    is the one that is asked for. The values in colour share a mean and a variance with it. At prediction, the
    batch norm takes what it remembers of the training, so that no other value counts.
    """
    from matplotlib.colors import ListedColormap

    layers = {
        "batch norm, in training": normalisation("batch", CHANNELS),
        "batch norm, at prediction": normalisation("batch", CHANNELS).eval(),
        "layer norm": normalisation("layer", CHANNELS),
        "instance norm": normalisation("instance", CHANNELS),
        "group norm, eight groups": normalisation("group", CHANNELS),
    }
    said = []
    with house():
        fig = canvas(7.0, 3.9)
        panels: Any = fig.subplots(3, 2).flat
        for ax, (name, layer) in zip(panels, layers.items(), strict=False):
            found = shared(layer)
            drawn = found.int()
            drawn[ASKED] = 2
            tiled = drawn.permute(0, 2, 1, 3).reshape(IMAGES * SIDE, CHANNELS * SIDE)
            ax.imshow(tiled.numpy(), cmap=ListedColormap(["#eeeeee", COLOURS[4], "black"]), vmin=0, vmax=2)
            for edge in range(SIDE, CHANNELS * SIDE, SIDE):
                ax.axvline(edge - 0.5, color="white", linewidth=1.5)
            for edge in range(SIDE, IMAGES * SIDE, SIDE):
                ax.axhline(edge - 0.5, color="white", linewidth=1.5)
            centre = (SIDE - 1) / 2
            ax.set_yticks([centre + SIDE * row for row in range(IMAGES)], range(1, IMAGES + 1))
            columns = (0, 5, 10, 15)
            ax.set_xticks([centre + SIDE * column for column in columns], [n + 1 for n in columns])
            ax.tick_params(length=0, labelsize=8)
            ax.grid(visible=False)
            small_title(ax, f"{name}: {int(found.sum())} values")
            said.append(f"{name}, {int(found.sum())}")
        for ax in panels[len(layers) :]:
            ax.remove()
        fig.supxlabel("channel", fontsize=9)
        fig.supylabel("image of the batch", fontsize=9)
        fig.set_label(
            f"Of {IMAGES} images and {CHANNELS} channels with {SIDE} x {SIDE} voxels each, the number of "
            f"values that change one normalised value: {'; '.join(said)}."
        )
    return fig


def shared(layer: nn.Module) -> Tensor:
    """Whether each value `(N, C, H, W)` changes what the layer makes of the value at `ASKED`."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=draws).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x)[ASKED], x)
    return gradient != 0
