"""Colours restored from grey images, as a training goes on (survey 3.4, figure 17)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.semi.adversaries.recolouring import SPREAD, ColourRestorer, lab
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 192
"""Pixels of the middle of an image that are shown, along each axis."""


def recoloured(restorers: "Mapping[str, ColourRestorer]", case: Case) -> "Figure":
    """What a restorer sees, what it makes of it, and the truth: the middle of a colour image.

    Above each restored image stands its error over that of a grey one: 0% is the truth.

    Args:
        restorers: by name, in the order in which they are shown: way-points of one training.
        case: of two dimensions, in colour.
    """
    start = [max(0, size - SIDE) // 2 for size in case.image.shape[1:]]
    image = case.image[:, start[0] : start[0] + SIDE, start[1] : start[1] + SIDE][None].float()
    grey, true = lab(image)
    panels = {"grey: what it sees": rgb(grey, torch.zeros_like(true))}
    said = []
    with torch.no_grad():
        for name, restorer in restorers.items():
            found = restorer.colours(grey)
            error = ((found - true).abs().sum() / true.abs().sum().clamp(min=1e-6)).item()
            panels[f"{name}\nerror {error:.0%}"] = rgb(grey, found)
            said.append(f"{name} {error:.0%}")
    panels["true colours"] = rgb(grey, true)
    with house():
        fig = canvas(7.0, 0.7 + 6.6 / len(panels) * image.shape[2] / image.shape[3])
        for ax, (title, picture) in zip(fig.subplots(1, len(panels)), panels.items(), strict=True):
            ax.imshow(picture)
            ax.set_axis_off()
            small_title(ax, title)
        fig.set_label(f"A grey image and its restored colours. Error over that of grey: {'; '.join(said)}.")
    return fig


def rgb(grey: Tensor, colours: Tensor) -> NDArray[np.float64]:
    """What `lab` made of one image, undone: the picture `(H, W, 3)`, 0 to 1."""
    from skimage.color import lab2rgb

    joined = torch.cat((grey * SPREAD + 50, colours * SPREAD), dim=1)[0].numpy(force=True)
    return np.clip(lab2rgb(joined, channel_axis=0), 0, 1).transpose(1, 2, 0)
