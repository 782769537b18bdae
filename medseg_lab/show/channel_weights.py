"""How OM-Net weights the channels of a task by what the task before predicts (survey 2.1.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medseg_lab.data.case import Case
from medseg_lab.nested.om_net import OMNet
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = ("outside", "inside")


def show_channel_weights(
    learner: OMNet, cases: Sequence[Case], names: Sequence[str], *, slice_axis: int = 2
) -> "Figure":
    """A panel for each guided task: the weight of each channel outside and inside of the region before it.

    A mark is the mean over the cases, a bar goes from the least to the largest. Channels are in the order of
    the difference of their two means. A weight of 1 leaves a channel as it is.

    Args:
        learner: a trained OM-Net of slices.
        cases: with a reference label; of each, the slice on which most is marked.
        names: of the regions, outermost first.
        slice_axis: across which volumes are cut.
    """
    places = [(fullest(case, slice_axis, least=learner.patch), case) for case in cases]
    with torch.no_grad():  # (cases, tasks, 2, F)
        found = np.stack(
            [learner.channel_weights(place.image(case).float())[:, 0].numpy() for place, case in places]
        )
    said = []
    with house():
        fig = canvas(7.0, 2.9)
        panels: Any = fig.subplots(1, found.shape[1], squeeze=False)[0]
        for task, ax in enumerate(panels):
            mean = found[:, task].mean(axis=0)  # (2, F)
            order = np.argsort(mean[1] - mean[0])
            x = np.arange(len(order))
            for side, name in enumerate(SIDES):
                style, values = look(side), found[:, task, side][:, order]
                ax.vlines(x, values.min(axis=0), values.max(axis=0), color=style.colour, alpha=0.5)
                ax.plot(x, mean[side][order], style.marker, color=style.colour, markersize=5, label=name)
            ax.axhline(1, color="black", linewidth=0.8)
            ax.set(
                title=f"for {names[task + 1]}", xlabel="channels, in the order of the difference", xticks=[]
            )
            apart = np.abs(mean[1] - mean[0])
            said.append(f"for {names[task + 1]} {apart.mean():.2f} on average, at most {apart.max():.2f}")
        lowest, highest = found.min(), found.max()
        for ax in panels:
            ax.set_ylim(lowest - 0.1, highest + 0.1)
        panels[0].set_ylabel("weight")
        legend = panels[0].get_legend_handles_labels()
        fig.legend(*legend, loc="outside lower center", ncols=2, title="as what the task before predicts")
        fig.set_label(
            f"Weights of channels outside and inside of the region before differ: {'; '.join(said)}."
        )
    return fig
