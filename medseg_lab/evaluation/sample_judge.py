"""Score samples of a learner's segmentations: one row a case and class (section 4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.reading import consensus
from medseg_lab.data.task import Task
from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.metrics import OVERLAPS, score
from medseg_lab.evaluation.sampling import MARGIN, Drawn, drawn, surroundings
from medseg_lab.uncertainty.measures.calibration import (
    Reliability,
    brier,
    ece_parts,
    negative_log_likelihood,
    reliability,
)
from medseg_lab.uncertainty.measures.energy_distance import distances, matched_iou
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from medseg_lab.uncertainty.measures.error_detection import error_auroc, error_retention
from medseg_lab.uncertainty.measures.readings import (
    label_variance,
    map_correlation,
    rater_correlation,
    shares,
    spread_correlation,
)
from medseg_lab.uncertainty.measures.truth import against_truth

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter


class SampleJudge(Judge):
    """Scores samples of a trained learner against all readings; as a recipe, it is part of a run's key.

    Overlaps are those of the mean prediction with the raters' consensus, NaN where neither has the class. No
    distances: of a volume that is sampled slice by slice, a few slices are kept.

    Args:
        parts: as in `Judge`.
        samples: n, of each case.
        margin: voxelwise measures are means over the voxels within so many of what any rater marked;
            the many others are easy for every method.
    """

    def __init__(
        self, parts: Sequence[str] = ("validation",), samples: int = 16, margin: int = MARGIN
    ) -> None:
        super().__init__(parts)
        self.samples, self.margin = samples, margin

    def table(self, learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case]) -> pd.DataFrame:
        """A row for each case and foreground class; see `scores`.

        Besides, `ece`: what a case adds to the calibration error of all cases together (`ece_parts`).
        """
        tables, bins = [], []
        sliced = learner.task.spatial_dims < cohort.task.spatial_dims
        across = cohort.card.preprocessing.slice_axis % 3 if sliced else None
        for found in drawn(learner, cohort, cases, self.samples):
            case = {"case": found.case.id, "patient": found.case.patient}
            of_class = zip(
                cohort.task.foreground, scores(found, cohort.task, self.margin, across), strict=True
            )
            tables.append([{**case, "class": name, **values} for name, values in of_class])
            bins.append(calibration(found, self.margin, across))
        parts = zip(tables, ece_parts(bins, [case.patient for case in cases]), strict=True)
        return pd.DataFrame(row | {"ece": error} for rows, error in parts for row in rows)


def scores(
    found: Drawn, task: Task, margin: int = MARGIN, across: int | None = None
) -> list[dict[str, float]]:
    """The measures of each foreground class of one case; those of the whole image are repeated in each.

    Args:
        found: a case and its samples.
        task: names the classes.
        margin: as in `SampleJudge`.
        across: the axis of S along which the slices kept do not touch, if any.

    Returns:
        K-1 dictionaries: overlaps, ged, matched_iou and diversity of the class, ged_marked and drawn where
        at least half of the raters marked it, else NaN; and of the image rater_ncc, spread_ncc, brier, nll,
        error_auroc, error_retention, predictive_entropy, expected_entropy, mutual_information; where the
        raters' distribution is known, entropy_error and truth_kl; and of a learner that predicts its noise,
        noise_ncc and noise_variation.
    """
    readings, classes = found.case.labels.cpu(), len(task.classes)
    agreed = consensus(readings)
    known = (readings != IGNORE).all(dim=0)
    rows = score(found.prediction.numpy(), agreed.numpy(), classes, None, metrics=OVERLAPS)
    # `max` takes a seventh of the time of `argmax` over a dimension that is not the last
    segmented = found.samples.max(dim=1).indices.to(torch.uint8)[:, known]
    marked = readings[:, known]
    apart = distances(segmented, marked, classes)
    often = shown_by(marked, classes) >= 0.5
    by_class = {
        "ged": apart.energy,
        "ged_marked": apart.energy.where(often, torch.nan),
        "drawn": (shown_by(segmented, classes) > 0).float().where(often, torch.nan),
        "diversity": apart.samples,
        "matched_iou": matched_iou(segmented, marked, classes),
    }
    near = known & surroundings(readings, margin, across)
    samples = found.samples[:, :, near]
    image = voxelwise(samples, readings[:, near], agreed[near])
    if found.case.distribution is not None:
        image |= truthful(samples, found.case.distribution.cpu()[:, near])
    if found.noise is not None:
        image |= noisy(found.noise[near], readings[:, near], classes)
    return [row | {name: float(of[k]) for name, of in by_class.items()} | image for k, row in enumerate(rows)]


def shown_by(segmentations: Tensor, n_classes: int) -> Tensor:
    """The share of segmentations `(n, V)` that have a voxel of each foreground class, `(K-1,)`."""
    return torch.stack([(segmentations == k).any(dim=1).float().mean() for k in range(1, n_classes)])


def voxelwise(samples: Tensor, readings: Tensor, agreed: Tensor) -> dict[str, float]:
    """The measures of some voxels: samples `(n, K, V)`, readings `(R, V)` and their consensus `(V,)`."""
    mean, split = samples.mean(dim=0), entropy_split(samples)
    wrong = mean.argmax(dim=0) != agreed
    return {
        "rater_ncc": float(rater_correlation(samples, readings)),
        "spread_ncc": float(spread_correlation(samples, readings)),
        "brier": float(brier(mean, readings)),
        "nll": float(negative_log_likelihood(mean, readings)),
        "error_auroc": float(error_auroc(split.total, wrong)),
        "error_retention": float(error_retention(split.total, wrong).area),
        "predictive_entropy": float(split.total.mean()),
        "expected_entropy": float(split.expected.mean()),
        "mutual_information": float(split.mutual_information.mean()),
    }


def truthful(samples: Tensor, distribution: Tensor) -> dict[str, float]:
    """How close samples `(n, K, V)` come to the raters' distribution `(K, V)`."""
    found = against_truth(samples, distribution)
    return {"entropy_error": found.mean_absolute_error, "truth_kl": found.divergence}


def noisy(noise: Tensor, readings: Tensor, classes: int) -> dict[str, float]:
    """Whether a noise map `(V,)` is high where readings `(R, V)` differ, and how much it varies at all."""
    among_raters = label_variance(shares(readings, classes))
    return {
        "noise_ncc": float(map_correlation(noise, among_raters)),
        "noise_variation": float(noise.std(correction=0) / noise.mean()),
    }


def calibration(found: Drawn, margin: int = MARGIN, across: int | None = None) -> Reliability:
    """Confidence against accuracy in the judged voxels of one case; arguments as in `scores`."""
    readings = found.case.labels.cpu()
    near = (readings != IGNORE).all(dim=0) & surroundings(readings, margin, across)
    return reliability(found.mean[:, near], readings[:, near])
