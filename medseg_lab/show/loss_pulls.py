"""What a loss pulls at: its gradient at one voxel, by what is predicted there (survey 2.2)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice
from medseg_lab.losses.focal import Focal
from medseg_lab.losses.generalised_dice import GeneralisedDice
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Loss = Callable[[Tensor, Tensor], Tensor]

VOXELS = 1000
"""Of the image, the voxel that is looked at among them."""
FOUND, FALSE = 0.8, 0.05
"""What is predicted elsewhere, on the foreground and on the background: a network that has learnt much."""
GRID = np.linspace(0.02, 0.98, 33)
LARGEST = 30.0
"""The end of the axis, the same in each frame."""


def loss_pulls(gamma: float = 2.0, foreground: str = "1%") -> "Figure":
    """What the losses of section 2.2 pull at, with two sliders: gamma, and how much foreground there is.

    Args:
        gamma: of the focal loss.
        foreground: the share of the image's voxels, in percent.
    """
    share = float(foreground.rstrip("%")) / 100
    losses: dict[str, Loss] = {
        "cross-entropy": CrossEntropy(),
        f"focal, gamma {gamma:g}": Focal(gamma=gamma),
        "Dice": Dice(),
        "generalised Dice": GeneralisedDice(),
    }
    return pulls_figure(losses, share, {"eq. (4) as printed": lambda p, y: printed(p, y, 0.0)})


def pulls_figure(
    losses: Mapping[str, Loss],
    share: float,
    formulas: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
) -> "Figure":
    """The pull of each loss at one voxel, by the foreground's probability there: one panel a label.

    Args:
        losses: of logits and labels, by name.
        share: of the other voxels that are foreground, 0 to 1.
        formulas: further losses of one voxel's probability and label, drawn dashed where the label is 0.

    Raises:
        ValueError: for a share that leaves no voxel of a class.
    """
    found = {name: {label: pulls(loss, label, share) for label in (1, 0)} for name, loss in losses.items()}
    with house():
        fig = canvas(7.0, 3.6)
        panels = fig.subplots(1, 2, sharey=True)
        for label, ax in zip((1, 0), panels, strict=True):
            for number, (name, both) in enumerate(found.items()):
                style = look(number)
                ax.plot(GRID, both[label], color=style.colour, ls=style.line, label=name)
            for name, formula in (formulas or {}).items() if label == 0 else ():
                ax.plot(GRID, pulls_of_formula(formula, label), color="#666666", lw=1, ls=":", label=name)
            ax.axhline(0, color="#888888", lw=0.8)
            ax.set_yscale("symlog", linthresh=0.01)
            ax.set_ylim(-LARGEST, LARGEST)
            ax.set_xlabel("foreground probability at the voxel")
            ax.set_title(f"a voxel of the {('background', 'foreground')[label]} (y = {label})", fontsize=9)
        panels[0].set_ylabel("pull at its logit")
        fig.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        half = len(GRID) // 2
        said = [f"{name} {both[1][half]:.2g} and {both[0][half]:.2g}" for name, both in found.items()]
        fig.set_label(
            f"How hard losses pull at the logit of a voxel where {share:.1%} of the others are foreground. "
            f"At a probability of one half, on the foreground and on the background: {'; '.join(said)}."
        )
    return fig


def pulls(loss: Loss, label: int, share: float) -> NDArray:
    """How hard a loss pulls up a voxel's foreground logit, at each probability of `GRID`.

    That is minus the derivative by the logit, times the number of voxels: for cross-entropy, y - p. The
    other voxels are predicted with `FOUND` on the foreground and `FALSE` on the background.

    Args:
        loss: of logits and labels.
        label: of the voxel, 0 or 1.
        share: of the other voxels that are foreground.

    Raises:
        ValueError: for a share that leaves no voxel of a class.
    """
    marked = round(share * (VOXELS - 1))
    if not 0 < marked < VOXELS - 1:
        raise ValueError(f"share: expected one with voxels of both classes among {VOXELS - 1}, got {share:g}")
    labels = torch.zeros(1, VOXELS, dtype=torch.int64)
    labels[0, 0], labels[0, 1 : 1 + marked] = label, 1
    p = torch.full((VOXELS,), FALSE, dtype=torch.float64)
    p[1 : 1 + marked] = FOUND
    found = []
    for here in GRID:
        p[0] = here
        z = p.logit().requires_grad_()
        (slope,) = torch.autograd.grad(loss(torch.stack([torch.zeros_like(z), z])[None], labels), z)
        found.append(-VOXELS * slope[0].item())
    return np.array(found)


def pulls_of_formula(formula: Callable[[Tensor, Tensor], Tensor], label: int) -> NDArray:
    """The same of a loss of one voxel's probability and label."""
    z = torch.tensor(GRID).logit().requires_grad_()
    (slope,) = torch.autograd.grad(formula(z.sigmoid(), torch.full_like(z, label)).sum(), z)
    return -slope.numpy()


def printed(p: Tensor, y: Tensor, gamma: float) -> Tensor:
    """The survey's eq. (5) as printed, without a pair of parentheses; with gamma = 0 its eq. (4).

    Args:
        p: the foreground's probability.
        y: 1 on the foreground, else 0.
        gamma: the focal exponent.
    """
    return -y * (1 - p) ** gamma * p.log() + (1 - y) * p**gamma * (1 - p).log()
