"""With which mean and spread one image is normalised, in one batch and in another (survey 2.3.2)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor, nn

from medseg_lab.networks.norms import BatchNorm, NormName, normalisation
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANNELS, DRAWN = 16, 40
"""Channels of the features, and batches that are drawn."""
NORMS = tuple(name for name in get_args(NormName) if name != "none")


def statistics_reader(
    patches: Tensor, batches: Sequence[int] = (1, 2, 4, 8), seed: int = 0
) -> "Callable[[int, NormName], Figure]":
    """Draws a frame for a batch size and a norm: the mean and spread by which the first patch is normalised.

    Each dot is one batch that holds the first patch and others drawn at random. A cross shows what a batch
    norm remembers after as many batches of all patches, and uses at prediction. The features are those of one
    convolution with its first weights; mean and spread are read from what the norm itself gives.

    Args:
        patches: `(M, C, H, W)`, of a cohort's training.
        batches: sizes that may be asked for. All frames have the same axes.
        seed: of the convolution and the draws.

    Raises:
        ValueError: for a single patch.
    """
    if len(patches) < 2:
        raise ValueError(f"patches: expected two or more, got {len(patches)}")
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        features = nn.Conv2d(patches.shape[1], CHANNELS, 3, padding=1)(patches.float().cpu())
        channel = int(features.std(dim=(0, 2, 3)).argmax())
        found = {
            (size, norm): used(features, channel, size, norm, draws) for size in batches for norm in NORMS
        }
        crosses = {size: remembered(features, channel, size, draws) for size in batches}
    every = torch.cat([*found.values(), torch.stack([*crosses.values()])])
    low, high = every.amin(dim=0).tolist(), every.amax(dim=0).tolist()
    room = [0.08 * max(b - a, 1e-3) for a, b in zip(low, high, strict=True)]

    def draw(batch: int, norm: NormName) -> "Figure":
        dots, cross = found[batch, norm], crosses[batch]
        own = features[0, channel]
        alone = own.mean().item(), own.std(correction=0).item()
        with house():
            fig = canvas(6.4, 3.6)
            ax: Any = fig.add_subplot()
            ax.scatter(
                *dots.T.numpy(),
                s=36,
                color=look(0).colour,
                alpha=0.4,
                label=f"one of {DRAWN} batches in training",
            )
            ax.scatter(
                *alone,
                s=110,
                facecolor="none",
                edgecolor="black",
                label="of this image and channel alone",
            )
            if norm == "batch":
                ax.scatter(*cross.tolist(), s=90, marker="X", color=look(1).colour, label="at prediction")
            ax.set(
                xlim=(low[0] - room[0], high[0] + room[0]),
                ylim=(low[1] - room[1], high[1] + room[1]),
                xlabel="mean that is subtracted",
                ylabel="spread that is divided by",
                title=f"{norm} norm, batches of {batch}",
            )
            fig.legend(loc="outside lower center", ncols=3)
            apart = dots.std(dim=0, correction=0)
            said = f" At prediction {cross[0]:.2f} and {cross[1]:.2f}." if norm == "batch" else ""
            fig.set_label(
                f"{norm.capitalize()} norm, batches of {batch}: mean and spread by which one image is "
                f"normalised, on average over {DRAWN} batches {dots[:, 0].mean():.2f} and "
                f"{dots[:, 1].mean():.2f}; "
                f"between batches they differ by {apart[0]:.3f} and {apart[1]:.3f}.{said}"
            )
        return fig

    return draw


def used(features: Tensor, channel: int, size: int, norm: NormName, draws: torch.Generator) -> Tensor:
    """Mean and spread `(DRAWN, 2)` by which the first patch is normalised, each in a batch of its own."""
    found, layer = [], normalisation(norm, CHANNELS)
    for _ in range(DRAWN):
        others = 1 + torch.randint(len(features) - 1, (size - 1,), generator=draws)
        batch = features[[0, *others.tolist()]]
        before, after = batch[0, channel], layer(batch)[0, channel]
        spread = before.std() / after.std()
        found.append(torch.stack([before.mean() - spread * after.mean(), spread]))
    return torch.stack(found)


def remembered(features: Tensor, channel: int, size: int, draws: torch.Generator) -> Tensor:
    """The mean and spread `(2,)` that a batch norm uses at prediction, after batches of all patches."""
    layer: Any = BatchNorm(CHANNELS)
    for _ in range(DRAWN):
        layer(features[torch.randint(len(features), (size,), generator=draws)])
    return torch.stack([layer.running_mean[channel], layer.running_var[channel].sqrt()])
