"""Uncertainty in training: the measured uncertainty as weights of the loss (survey 5.2)."""

from collections.abc import Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.losses.checks import at_least_float32, known
from medseg_lab.losses.cross_entropy import mean_of_known
from medseg_lab.losses.entropy import entropy
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import masks, repeated

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

MOST = 0.1
"""The share of the voxels that are called the most uncertain."""


class UncertaintyTraining(Supervised):
    """Training goes on from the labels alone, and a voxel counts by how uncertain the network is of it.

    The network that has learned from the labels (`teachers`) learns on for a share of the steps. In each step
    it first predicts the labelled patches `passes` times under dropout, as `MCDropout` does; the entropy u of
    the mean prediction makes the weights of the voxels (`weights`). Then

        L = L_S + mean of (w - 1) (-log p of the label),

    so a loss that has the cross-entropy in it, as ours has, has it weighted by w; the mean of w in a patch is
    1. With gamma above 0 the network looks harder where it is unsure. With gamma below 0 unsure voxels count
    less, which should help where labels are wrong. With gamma = 0 it is the same training without weights,
    bit for bit, and no uncertainty is measured.

    By validation Dice on msd-hippocampus with two labelled patients and two seeds (.756 before the further
    steps), no gamma gains: .761 at 0, .757 at 2, .751 at 4, .759 at -2. The spread of the weights is .2 at 2,
    and .9 at 4. So 2 stands for gamma above 0: at 4 more is lost. With spoiled labels (one
    seed) it is .722 at 0 and .719 at -2.

    Noted: `weight_spread`, the standard deviation of the weights; `errors_found`, the share of the voxels
    predicted wrongly that are among the most uncertain tenth, in steps where any is wrong: a tenth if
    uncertainty knows nothing of errors.

    Args:
        gamma: a voxel of which the network knows nothing weighs e^gamma times as much as one of which it is
            certain.
        passes: T.
        shuffled: the control: the weights of each patch in random places.
        share: the steps of this training over those of the labels alone, before it.
        rate: its learning rate over that of theirs.
    """

    gamma: float = 2.0
    passes: Annotated[int, Field(ge=1)] = 8
    shuffled: bool = False
    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    rate: Annotated[float, Field(gt=0, le=1)] = 0.25

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The labels alone."""
        return [cls.twin(arguments)]

    def build(self) -> None:
        """The network, and how long it learns."""
        super().build()
        self.step_share, self.rate_share = self.share, self.rate

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Take over the weights of the trained network."""
        (trained,) = teachers
        before: Any = trained
        self.network.load_state_dict(before.network.state_dict())
        return cohort

    def of_pixels(self, outputs: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        """The supervised loss, and what the weights change of the cross-entropy."""
        found = super().of_pixels(outputs, batch)
        if self.gamma == 0:
            return found
        said, is_known = foretold(self, batch.image, self.passes), known(batch.label)
        uncertainty = entropy(said) / log(len(self.task.classes))  # 0 to 1
        if self.shuffled:
            uncertainty = shuffled(uncertainty, is_known)
        weight = weights(uncertainty, is_known, self.gamma)
        self.note(weight_spread=weight[is_known].std(), **errors_found(uncertainty, said, batch.label))
        terms = [weighting(logits, batch.label, weight) for logits in outputs]
        return found | {"weighting": torch.stack(terms).mean()}


@torch.no_grad()
def foretold(learner: Segmenter, image: Tensor, passes: int) -> Tensor:
    """The mean of `passes` predictions under dropout, in which all else is as at test time: `(N, K, *S)`.

    Args:
        learner: whose network has dropout.
        image: `(N, C, *S)`.
        passes: T; the masks of each are drawn from PyTorch's global generator.
    """
    seeds = torch.randint(2**62, (passes,)).tolist()
    was_training = learner.training
    learner.eval()
    with masks(learner, seeds):
        found = learner.predict(repeated(image, passes))
    learner.train(was_training)
    return found.unflatten(0, (passes, len(image))).mean(dim=0)


def weights(uncertainty: Tensor, is_known: Tensor, gamma: float) -> Tensor:
    """w = e^(gamma u) over its mean in the patch, so that the mean weight of the known voxels is 1.

    Args:
        uncertainty: u, 0 to 1, `(N, *S)`.
        is_known: where somebody annotated; elsewhere w is 1.
        gamma: any number.
    """
    over = tuple(range(1, uncertainty.ndim))
    raw = (gamma * uncertainty).exp() * is_known
    mean = raw.sum(over, keepdim=True) / is_known.sum(over, keepdim=True).clamp(min=1)
    return (raw / mean).where(is_known, 1)


def shuffled(values: Tensor, is_known: Tensor) -> Tensor:
    """The values of each patch in random order, those of the known voxels among themselves: `(N, *S)`."""
    flat, unknown = values.flatten(1), ~is_known.flatten(1)
    drawn = torch.rand_like(flat).masked_fill(unknown, 2).argsort(dim=1)  # known ones first, in any order
    places = unknown.byte().argsort(dim=1, stable=True)  # known ones first, in their own order
    return torch.empty_like(flat).scatter(1, places, flat.gather(1, drawn)).view_as(values)


def weighting(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean over all known voxels of (w - 1) (-log p of the label): what weights change of the cross-entropy.

    Args:
        logits: `(N, K, *S)`.
        label, weight: `(N, *S)`.
    """
    with torch.autocast(logits.device.type, enabled=False):
        is_known = known(label)
        log_p = at_least_float32(logits).log_softmax(dim=1)
        of_label = log_p.gather(1, (label * is_known).unsqueeze(1)).squeeze(1)
        return mean_of_known((1 - weight) * of_label, is_known)


def errors_found(uncertainty: Tensor, foretold: Tensor, label: Tensor) -> dict[str, Tensor]:
    """The share of wrong voxels that are among the most uncertain tenth; nothing where none is wrong.

    Args:
        uncertainty: `(N, *S)`.
        foretold: class probabilities `(N, K, *S)`.
        label: `(N, *S)`.
    """
    is_known = known(label)
    wrong, sure = (foretold.argmax(dim=1) != label)[is_known], uncertainty[is_known]
    if not wrong.any():
        return {}
    most = sure.topk(max(1, round(MOST * len(sure)))).indices
    return {"errors_found": wrong[most].sum() / wrong.sum()}
