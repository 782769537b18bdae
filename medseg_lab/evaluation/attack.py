"""Score a learner on images that were changed so as to mislead it (section 2.1.2)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.evaluation.judge import Judge, evaluate, predictor

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter


class AttackJudge(Judge):
    """Scores as `Judge` does, and again under attack: a column `attacked_dice`.

    The attack is FGSM (Goodfellow et al. 2015, arXiv:1412.6572; see `attacked`). It knows the network and the
    reference, and costs two more passes a case, one of them with gradients.

    Args:
        parts, tolerance: as in `Judge`.
        epsilon: by how much each voxel is changed, in units of the z-scored image (standard deviations).

    Raises:
        ValueError: for an unknown part, or an epsilon below 0.
    """

    def __init__(
        self, parts: Sequence[str] = ("validation",), tolerance: float = 1.0, epsilon: float = 0.05
    ) -> None:
        super().__init__(parts, tolerance)
        if not epsilon >= 0:
            raise ValueError(f"epsilon: expected 0 or more, got {epsilon}")
        self.epsilon = epsilon

    def table(self, learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case]) -> pd.DataFrame:
        """The table of `Judge`, with the Dice of the attacked images in a column `attacked_dice`."""
        table = super().table(learner, cohort, cases)
        misled = attacked(learner, cohort, cases, self.epsilon)
        found = evaluate(predictor(learner, cohort), misled, cohort.task, metrics=["dice"])
        return table.assign(attacked_dice=found["dice"])


def attacked(learner: "Segmenter", cohort: "Cohort", cases: Iterable[Case], epsilon: float) -> Iterator[Case]:
    """Cases whose images are changed against the learner: x + epsilon * sign(dL/dx).

    L is the cross-entropy to the reference, summed over voxels; its gradient is taken window by window, with
    the windows and weights of prediction. Where it is exactly 0, as where a network is wholly sure, a voxel
    stays as it is. So do voxels whose gradient comes from none but those that the reference leaves open.

    Args:
        learner: its prediction must let gradients through.
        cohort: whose preprocessing says how images are cut.
        cases: with their references.
        epsilon: in units of the image.

    Raises:
        ValueError: for a learner whose prediction lets no gradient through.
    """
    from medseg_lab.inference.predict import covered

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
        both = torch.cat([case.image, label[None].to(case.image.dtype)])
        slope = covered(learner, both, gradient, patch, slice_axis, passes=3)
        image = case.image + epsilon * slope.sign().to(case.image)
        yield Case(case.id, case.patient, image, case.labels, case.spacing)
