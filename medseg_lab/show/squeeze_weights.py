"""The channel weights of squeeze and excitation, image by image (survey 2.1.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medseg_lab.data.case import Case
from medseg_lab.networks.squeeze_excitation import ChannelWeights
from medseg_lab.show.contours import small_title
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def squeeze_weights(learner: Learner, cases: Sequence[Case], *, slice_axis: int = 2) -> "Figure":
    """A panel for each block: the weight of each channel, a line for each image.

    Channels are in the order of their mean weight. Where all lines lie on one, the weights do not depend on
    the image: the block multiplies each channel by a constant.

    Args:
        learner: of slices, whose `network` has `ChannelWeights`.
        cases: with a reference; of each, the slice on which it marks most.
        slice_axis: across which a volume is cut.
    """
    network = learner.network.eval()
    images = [fullest(case, slice_axis, least=learner.patch).image(case).float() for case in cases]
    names = {module: name for name, module in network.stages().items()}
    blocks = {
        names[stage]: stage[1]
        for stage in names
        if isinstance(stage, nn.Sequential) and isinstance(stage[-1], ChannelWeights)
    }
    found = weights_of(network, list(blocks.values()), images)
    said = []
    with house():
        columns = -(-len(blocks) // 2)
        fig = canvas(7.0, 3.6)
        grid: Any = list(fig.subplots(2, columns, sharey=True).flat)
        for ax in grid[len(blocks) :]:
            ax.remove()
        for ax, name, weights in zip(grid, blocks, found, strict=False):  # (images, C)
            ordered = weights[:, weights.mean(dim=0).argsort()].numpy()
            ax.plot(ordered.T, color=look(0).colour, linewidth=0.8, alpha=0.5)
            ax.set(ylim=(0, 1), xticks=[])
            across, between = float(weights.std(dim=0, correction=0).mean()), float(weights.mean(dim=0).std())
            small_title(ax, f"{name}\n{across:.3f} | {between:.2f}")
            said.append(f"{name} {across:.3f} and {between:.2f}")
        fig.supylabel("weight", fontsize=9)
        fig.supxlabel("channels; above: spread between images | between channels", fontsize=9)
        fig.set_label(
            f"Channel weights of {len(cases)} images; standard deviation between images and between "
            f"channels: {', '.join(said)}."
        )
    return fig


def weights_of(network: nn.Module, blocks: Sequence[nn.Module], images: Sequence[Tensor]) -> list[Tensor]:
    """The weights that each block gives the channels of each image: `(images, C)` for each block."""
    found: list[list[Tensor]] = [[] for _ in blocks]
    hooks = [
        block.register_forward_hook(lambda one, inputs, _, rows=rows: rows.append(one.weights(inputs[0])[0]))
        for block, rows in zip(blocks, found, strict=True)
    ]
    try:
        with torch.no_grad():
            for image in images:
                network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return [torch.stack(rows) for rows in found]
