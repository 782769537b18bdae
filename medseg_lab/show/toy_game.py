"""A game of two small networks over single numbers, live: what the methods of section 3.4 play with images.

The generator makes numbers from noise; the discriminator tells them from real ones, which lie around -1 and
around 1. Both minimise what the methods minimise (`medseg_lab.semi.adversaries.discriminator`), so their
curves are drawn as those of a training are (`medseg_lab.show.game`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from medseg_lab.semi.adversaries.discriminator import fixed, standing, taken_for, told_apart
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, canvas, house
from medseg_lab.training.curves import NOTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODES, SPREAD = (-1.0, 1.0), 0.2
STEPS, BATCH, RATE = 480, 64, 0.005
MOMENTS = 6
GRID = np.linspace(-2, 2, 81)
BINS = np.linspace(-2, 2, 41)


@dataclass(frozen=True)
class Moment:
    """Both networks after some steps.

    Args:
        made: numbers that the generator makes, `(1000,)`.
        taken: the probability that the discriminator gives each number of `GRID` to be real.
    """

    made: NDArray
    taken: NDArray

    def near(self, mode: float) -> float:
        """The share of what is made that lies within .5 of a number."""
        return float((np.abs(self.made - mode) < 0.5).mean())


@dataclass(frozen=True)
class Played:
    """A game that was played.

    Args:
        curves: a row a step: the step, and how the game stood, as a learner notes it.
        moments: both networks, by the number of steps that they had moved.
    """

    curves: pd.DataFrame
    moments: Mapping[int, Moment]


def real_numbers(count: int) -> Tensor:
    """Numbers around -1 and around 1, each as likely: `(count, 1)`."""
    return torch.tensor(MODES)[torch.randint(2, (count, 1))] + SPREAD * torch.randn(count, 1)


def small_network(width: int = 16) -> nn.Sequential:
    """A number in, a number out, and two hidden layers."""
    first, second = nn.Linear(1, width), nn.Linear(width, width)
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), nn.Linear(width, 1))


def play(discriminator_rate: float = 1.0, seed: int = 0) -> Played:
    """One game of 480 steps.

    Args:
        discriminator_rate: the discriminator's learning rate over the generator's.
        seed: of all chance; the caller's is left as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = small_network(), small_network()
        usual: dict[str, Any] = {"betas": (0.5, 0.9), "fused": True}
        makes = Adam(generator.parameters(), RATE, **usual)
        judges = Adam(discriminator.parameters(), RATE * discriminator_rate, **usual)
        rows, moments = [], {0: _moment(generator, discriminator)}
        for step in range(1, STEPS + 1):
            stands = move(generator, discriminator, makes, judges)
            rows.append({"step": step - 1} | {f"{NOTED}{name}": x.item() for name, x in stands.items()})
            if step % (STEPS // MOMENTS) == 0:
                moments[step] = _moment(generator, discriminator)
    return Played(pd.DataFrame(rows), moments)


def move(
    generator: nn.Module, discriminator: nn.Module, makes: Optimizer, judges: Optimizer
) -> dict[str, Tensor]:
    """One step: the generator moves, then the discriminator; how the game stood before it did."""
    made, real = generator(torch.randn(BATCH, 1)), real_numbers(BATCH)
    makes.zero_grad()
    taken_for(fixed(discriminator, made), True).backward()
    makes.step()

    of_real, of_made = discriminator(real), discriminator(made.detach())
    judges.zero_grad()
    told_apart(of_real, of_made).backward()
    judges.step()
    return standing(of_real, of_made)


@torch.no_grad()
def _moment(generator: nn.Module, discriminator: nn.Module) -> Moment:
    places = torch.from_numpy(GRID.astype(np.float32))[:, None]
    made = generator(torch.randn(1000, 1))
    return Moment(made[:, 0].numpy(), discriminator(places).sigmoid()[:, 0].numpy())


def moment(games: Mapping[str, Played], steps: int) -> "Figure":
    """A column a game, after so many steps: what is made and what is real, and the discriminator's answer.

    Raises:
        ValueError: for a number of steps after which nothing was kept.
    """
    known = sorted(set.intersection(*(set(game.moments) for game in games.values())))
    if steps not in known:
        raise ValueError(f"steps: expected one of {known}, got {steps}")
    bumps = sum(np.exp(-(((GRID - mode) / SPREAD) ** 2) / 2) for mode in MODES)
    with house():
        fig = canvas(7.0, 3.2)
        panels: Any = fig.subplots(1, len(games), sharey=True, squeeze=False)[0]
        said = []
        for ax, (name, game) in zip(panels, games.items(), strict=True):
            now = game.moments[steps]
            counts = np.histogram(now.made, BINS)[0]
            ax.fill_between(GRID, bumps, color="0.8", linewidth=0, label="real numbers")
            heights = counts / max(1, counts.max())
            ax.stairs(heights, BINS, color=COLOURS[1], linewidth=1.5, label="numbers made")
            line = {"color": COLOURS[0], "linestyle": "--", "linewidth": 1.5}
            ax.plot(GRID, now.taken, **line, label="taken for real with probability")
            ax.set(xlim=(-2, 2), ylim=(0, 1.05), xlabel="number", xticks=range(-1, 2))
            small_title(ax, name)
            shares = ", ".join(f"{now.near(mode):.0%} near {mode:g}" for mode in MODES)
            said.append(f"{name}: of the numbers made {shares}")
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        fig.set_label(f"After {steps} steps. {'; '.join(said)}.")
    return fig
