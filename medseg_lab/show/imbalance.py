"""What losses make of rare classes: the same voxels, with one to a thousand times as much background.

A toy that takes seconds: each voxel is classified by itself, from its intensities and their means in its
neighbourhood, by a linear classifier. Images and losses are the real ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.losses.focal import EASY
from medseg_lab.show.contours import outline
from medseg_lab.show.explorer import drawn_values, taken_steps
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.spot import fullest, marked
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Loss = Callable[[Tensor, Tensor], Tensor]

FOREGROUND, STEPS, RATE, AROUND = 40, 300, 0.05, 5
"""Voxels of the foreground that are drawn; steps of Adam, and its rate; the edge of a neighbourhood."""
RATIOS = (1, 10, 30, 100, 300, 1000)
"""Voxels of the background for one of the foreground."""
GROUPS = ("foreground", "difficult background", "easy background")


@dataclass(frozen=True)
class Outcome:
    """What a classifier came to that was trained with one loss, with so much background.

    Args:
        classifier: of features `(1, F, n)`, gives logits `(1, 2, n)`.
        dice: on new voxels of another case, with as much background.
        shares: of the loss's gradient by the logits: that of each of `GROUPS`.
    """

    classifier: nn.Module
    dice: float
    shares: tuple[float, ...]


def imbalance(
    train: Sequence[Case],
    test: Case,
    losses: Mapping[str, Loss],
    ratios: Sequence[int] = RATIOS,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Callable[[int], Figure]":
    """A function from a ratio of background to foreground to the picture of what each loss makes of it.

    Args:
        train: cases from which voxels are drawn; foreground is whatever they mark.
        test: another case, whose voxels are scored, and which is shown.
        losses: by name.
        ratios: voxels of the background for one of the foreground.
        slice_axis: across which a volume is cut.
        channel: of the image that is shown.

    Raises:
        ValueError: if a case marks nothing.
    """
    seen = {case.id: features(case) for case in (*train, test)}
    found, ratios = {}, drawn_values(ratios)
    for background in ratios:
        old, new = (draw_voxels(cases, seen, background, seed) for seed, cases in enumerate((train, [test])))
        found[background] = {name: outcome(loss, *old, *new) for name, loss in losses.items()}
    place = fullest(test, slice_axis, least=(64, 64))

    def draw(background: int) -> "Figure":
        here = found[background]
        maps = {name: place.of(probability(one.classifier, seen[test.id])) for name, one in here.items()}
        cut = place.cut(test, maps | {"reference": place.of(marked(test))}, channel)
        with house():
            fig = canvas(7.0, 6.6 / len(losses) * ratio(cut) + 3.0)
            parts: Any = fig.subfigures(2, 1, height_ratios=(6.6 / len(losses) * ratio(cut) + 0.3, 2.7))
            above, below = parts
            for ax, name in zip(above.subplots(1, len(losses), squeeze=False)[0], losses, strict=True):
                heat_map(ax, cut, name, 1.0, name)
                outline(ax, cut.labels["reference"], ("#FFFFFF", "-"), 1.2)
                outline(ax, cut.labels[name] > 0.5, ("#D55E00", "-"), 1.2)
            left, right = below.subplots(1, 2)
            for number, name in enumerate(losses):
                style, scores = look(number), [found[n][name].dice for n in ratios]
                left.plot(ratios, scores, color=style.colour, marker=style.marker, ls=style.line, label=name)
            left.axvline(background, color="#888888", lw=0.8)
            left.set(xscale="log", ylim=(-0.03, 1.03), xlabel="background voxels for one of the foreground")
            left.set_ylabel("Dice")
            left.legend(fontsize=7, loc="lower left")
            bars(right, {name: one.shares for name, one in here.items()})
            said = [f"{name} {one.dice:.2f} ({one.shares[2]:.0%})" for name, one in here.items()]
            fig.set_label(
                f"{background} voxels of background for one of the foreground. Dice by loss, and the easy "
                f"background's share of the gradient: {', '.join(said)}."
            )
        return fig

    return draw


def bars(ax: Any, shares: Mapping[str, Sequence[float]]) -> None:
    """Stacked bars of the groups' shares, a row for each loss."""
    colours, start = ("#0072B2", "#D55E00", "#BBBBBB"), np.zeros(len(shares))
    for group, (title, colour) in enumerate(zip(GROUPS, colours, strict=True)):
        width = np.array([each[group] for each in shares.values()])
        ax.barh([*shares], width, left=start, color=colour, label=title)
        start += width
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="share of the gradient")
    ax.tick_params(axis="y", labelsize=8)
    ax.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)


def outcome(loss: Loss, x: Tensor, y: Tensor, new: Tensor, truth: Tensor) -> Outcome:
    """Train a linear classifier of voxels with a loss, and score it on others.

    Args:
        loss: of logits `(1, 2, n)` and a label `(1, n)`.
        x, y: features `(1, F, n)` and labels `(1, n)`, 0 or 1, to train with.
        new, truth: those to score.
    """
    classifier = nn.Conv1d(x.shape[1], 2, 1)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(classifier.parameters(), RATE)
    for _ in range(taken_steps(STEPS)):
        optimiser.zero_grad()
        loss(classifier(x), y).backward()
        optimiser.step()
    with torch.no_grad():
        answer = classifier(new).argmax(1).bool()
        dice = 2 * (answer & truth.bool()).sum() / (answer.sum() + truth.sum())
        logits = classifier(x)
    return Outcome(classifier, dice.item(), gradient_shares(loss, logits, y))


def gradient_shares(loss: Loss, logits: Tensor, label: Tensor, easy: float = EASY) -> tuple[float, ...]:
    """What part of a loss's gradient comes from the foreground, from difficult and from easy background.

    The gradient by the logits of a voxel is a number a class; their sizes are added up. Background is easy
    where the classes of the foreground together have less than `easy`.

    Args:
        loss: of logits and labels.
        logits: `(N, K, *S)`.
        label: `(N, *S)`.
        easy: where to draw the line.
    """
    z = logits.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(z, label), z)
    size, is_easy = gradient.abs().sum(1), logits.softmax(1)[:, 0] > 1 - easy
    groups = (label > 0, (label == 0) & ~is_easy, (label == 0) & is_easy)
    return tuple((size[group].sum() / size.sum()).item() for group in groups)


def draw_voxels(
    cases: Sequence[Case], seen: Mapping[str, Tensor], background: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Features `(1, F, n)` and labels `(1, n)`, 0 or 1, of voxels that are drawn with replacement.

    Args:
        cases: from which as many are drawn each.
        seen: their features `(F, *S)`, by id.
        background: voxels for one of the foreground.
        seed: of the draw.

    Raises:
        ValueError: if a case marks nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, labels = [], []
    for case in cases:
        label, flat = case.label.flatten(), seen[case.id].flatten(1)
        is_marked = (label > 0) & (label != IGNORE)
        if not is_marked.any():
            raise ValueError(f"case {case.id}: expected one with a foreground, got none")
        n = FOREGROUND // len(cases)
        for value, count in ((1, n), (0, n * background)):
            where = (is_marked if value else label == 0).nonzero().flatten()
            drawn = torch.randint(len(where), (count,), generator=generator)
            rows.append(flat[:, where[drawn]])
            labels.append(torch.full((count,), value))
    return torch.cat(rows, 1)[None], torch.cat(labels)[None]


def features(case: Case) -> Tensor:
    """`(2C, *S)`: the intensities, and their means over the neighbourhood."""
    image = case.image.float()
    pool = {2: F.avg_pool2d, 3: F.avg_pool3d}[image.ndim - 1]
    mean = pool(image[None], AROUND, stride=1, padding=AROUND // 2, count_include_pad=False)[0]
    return torch.cat([image, mean])


@torch.no_grad()
def probability(classifier: nn.Module, seen: Tensor) -> NDArray[np.float32]:
    """The foreground's probability at each voxel, `(*S)`."""
    p = classifier(seen.flatten(1)[None]).softmax(1)[0, 1]
    found: NDArray[np.float32] = p.reshape(seen.shape[1:]).numpy()
    return found
