"""Score a learner on images that were changed so as to mislead it (section 2.1.2)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.evaluation.judge import Judge, evaluate, predictor, with_references

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter


class AttackJudge(Judge):
    """Scores as `Judge` does, and again under attack: columns `attacked_dice` and `dice_lost`.

    The attack (`attacked`) knows the network and the reference. A step of it costs a pass with gradients, and
    the attacked images are predicted once more.

    Args:
        parts, tolerance: as in `Judge`.
        epsilon: by how much a voxel may be changed, in units of the z-scored image (standard deviations).
        steps: 1 for FGSM, more for PGD.

    Raises:
        ValueError: for an unknown part, an epsilon below 0, or fewer than one step.
    """

    def __init__(
        self,
        parts: Sequence[str] = ("validation",),
        tolerance: float = 1.0,
        epsilon: float = 0.05,
        steps: int = 1,
    ) -> None:
        super().__init__(parts, tolerance)
        _check(epsilon, steps)
        self.epsilon, self.steps = epsilon, steps

    def table(self, learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case]) -> pd.DataFrame:
        """The table of `Judge`, with the Dice of the attacked images, and how much lower it is."""
        table = super().table(learner, cohort, cases)
        misled = attacked(learner, cohort, with_references(learner, cases), self.epsilon, self.steps)
        found = evaluate(predictor(learner, cohort), misled, cohort.task, metrics=["dice"])
        return table.assign(attacked_dice=found["dice"], dice_lost=table["dice"] - found["dice"])


def attack_curve(
    learner: "Segmenter",
    cohort: "Cohort",
    cases: Sequence[Case],
    epsilons: Sequence[float],
    steps: Sequence[int] = (1, 10),
) -> pd.DataFrame:
    """The Dice of a learner by the strength of an attack.

    Args:
        learner, cohort, cases: as of `attacked`.
        epsilons: strengths; 0 for the images as they are.
        steps: of each attack: 1 for FGSM, more for PGD.

    Returns:
        A row for each attack, epsilon, case and class, with columns attack ("FGSM", "PGD, 10 steps"),
        epsilon, case, patient, class, dice and moved: the share of the image's values that were changed. What
        FGSM does not change had a gradient of exactly 0, so a network may look robust because its gradient is
        masked, where its probabilities are 0 and 1 in all digits. (Of several steps, some lead back.)
    """
    tables = []
    for count in steps:
        for epsilon in epsilons:
            misled = list(attacked(learner, cohort, with_references(learner, cases), epsilon, count))
            references = with_references(learner, misled)
            table = evaluate(predictor(learner, cohort), references, cohort.task, metrics=["dice"])
            pairs = zip(cases, misled, strict=True)
            moved = {one.id: float((other.image != one.image).float().mean()) for one, other in pairs}
            name = "FGSM" if count == 1 else f"PGD, {count} steps"
            tables.append(table.assign(attack=name, epsilon=epsilon, moved=table["case"].map(moved)))
    return pd.concat(tables, ignore_index=True)


def attacked(
    learner: "Segmenter",
    cohort: "Cohort",
    cases: Iterable[Case],
    epsilon: float,
    steps: int = 1,
    start: int | None = None,
) -> Iterator[Case]:
    """Cases whose images are changed against the learner, no voxel by more than epsilon.

    One step is FGSM (Goodfellow et al. 2015, arXiv:1412.6572): x + epsilon * sign(dL/dx). More are projected
    gradient descent, PGD (Madry et al. 2018, arXiv:1706.06083): each goes 2.5 epsilon / steps, at most
    epsilon, and what has left the box of epsilon around x is put back on its border.

    L is the cross-entropy to the reference, summed over voxels; its gradient is taken window by window, with
    the windows and weights of prediction. Where it is exactly 0, as where a network is wholly sure, a voxel
    stays as it is. So do voxels whose gradient comes from none but those that the reference leaves open.

    Args:
        learner: its prediction must let gradients through.
        cohort: whose preprocessing says how images are cut.
        cases: with their references.
        epsilon: in units of the image.
        steps: 1 or more.
        start: None to start at the image; or a number, with which a point of the box is drawn to start at.

    Raises:
        ValueError: for a learner whose prediction lets no gradient through, an epsilon below 0, or fewer than
            one step.
    """
    from medseg_lab.inference.predict import covered

    _check(epsilon, steps)

    def gradient(patches: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            image = patches[:, :-1].clone().requires_grad_()
            # 0 is what windows are padded with: it stands for no class
            target = patches[:, -1].clone().long() - 1
            probabilities = learner.predict(image).float()
            if not probabilities.requires_grad:
                name = type(learner).__name__
                raise ValueError(f"learner: the prediction of {name} lets no gradient through to the image")
            logs = probabilities.clamp_min(torch.finfo(torch.float32).tiny).log()
            loss = F.nll_loss(logs, target, ignore_index=-1, reduction="sum")
            return torch.autograd.grad(loss, image)[0]

    patch, slice_axis = learner.patch or cohort.patch, cohort.card.preprocessing.slice_axis
    for case in cases:
        label = case.label.to(case.image.device, torch.int16) + 1
        label[label > IGNORE] = 0
        low, high = case.image - epsilon, case.image + epsilon
        image = case.image if start is None else torch.lerp(low, high, _drawn(case.image, start))
        for _ in range(steps if epsilon else 0):
            both = torch.cat([image, label[None].to(image.dtype)])
            slope = covered(learner, both, gradient, patch, slice_axis, passes=3)
            step = epsilon * min(1.0, 2.5 / steps)
            image = (image + step * slope.sign().to(image)).clamp(low, high)
        yield Case(case.id, case.patient, image, case.labels, case.spacing)


def _drawn(image: Tensor, seed: int) -> Tensor:
    """Numbers between 0 and 1 of an image's shape, the same on every device."""
    return torch.rand(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)


def _check(epsilon: float, steps: int) -> None:
    if not epsilon >= 0:
        raise ValueError(f"epsilon: expected 0 or more, got {epsilon}")
    if steps < 1:
        raise ValueError(f"steps: expected 1 or more, got {steps}")
