"""What the members of an ensemble say of whole cases, and what each of them adds (survey 2.3.3)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.reading import consensus
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import score
from medseg_lab.evaluation.sampling import Drawn, judged_voxels
from medseg_lab.inference.model_ensemble import member_variance
from medseg_lab.inference.sample import sample_case
from medseg_lab.uncertainty.measures.error_detection import error_auroc

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


def members_of(learner: Any, cohort: "Cohort", cases: Iterable[Case]) -> Iterator[Drawn]:
    """Each whole case with the prediction of each member, on the CPU.

    Args:
        learner: an ensemble, with a number of `members`; any other method is one of one member.
        cohort: whose preprocessing says across which axis volumes are sliced.
        cases: any.
    """
    axis, count = cohort.card.preprocessing.slice_axis, getattr(learner, "members", 1)
    for case in cases:
        yield Drawn(case, sample_case(learner, case.image, count, learner.patch or None, axis).cpu())


def dice_of_subsets(found: Sequence[Drawn], task: Task) -> pd.DataFrame:
    """The Dice of the mean of each choice of members: of each alone, of each two, and so on.

    Args:
        found: cases, each with the predictions of the same M members.
        task: names the classes.

    Returns:
        One row a choice, 2^M - 1: members (how many), which (their numbers from 1, such as "1, 3"), dice
        (mean over the cases, of each the mean over its foreground classes).
    """
    count = len(found[0].samples)
    choices = [which for m in range(1, count + 1) for which in combinations(range(count), m)]
    rows = []
    for which in choices:
        dice = [_dice(one, which, task) for one in found]
        numbers = ", ".join(str(i + 1) for i in which)
        rows.append({"members": len(which), "which": numbers, "dice": float(np.nanmean(dice))})
    return pd.DataFrame(rows)


def errors_found(found: Iterable[Drawn], slice_axis: int = -1) -> float:
    """Whether the mean is wrong where members differ: the AUROC of their variance for finding its errors.

    Args:
        found: cases with the predictions of their members. The voxels of all of them are judged together, as
            far as `judged_voxels` has them: all others are easy.
        slice_axis: across which volumes are sliced.

    Returns:
        How probably a wrong voxel has a larger variance than a right one; 1 where none is wrong.
    """
    varied, wrong = [], []
    for one in found:
        agreed, near = consensus(one.case.labels.cpu()), judged_voxels(one.case, slice_axis)
        varied.append(member_variance(one.samples)[near])
        wrong.append((one.prediction != agreed)[near])
    return float(error_auroc(torch.cat(varied), torch.cat(wrong)))


def _dice(one: Drawn, which: Sequence[int], task: Task) -> float:
    """Of one case, the mean over the classes that are there or were predicted; NaN if there are none."""
    label = one.samples[list(which)].mean(dim=0).argmax(dim=0).numpy()
    rows = score(label, one.case.label.cpu().numpy(), len(task.classes), None, metrics=["dice"])
    values = [row["dice"] for row in rows if not np.isnan(row["dice"])]
    return float(np.mean(values)) if values else float("nan")
