"""Curves of several cases: how far confidence can be trusted, and what is left to an expert (section 4)."""

from collections.abc import Iterable
from functools import reduce
from operator import add

from medseg_lab.data.reading import consensus
from medseg_lab.evaluation.region import judged_voxels
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.uncertainty.measures.calibration import Reliability, reliability
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from medseg_lab.uncertainty.measures.error_detection import Retention, error_retention, oracle


def pooled_reliability(cases: Iterable[Drawn], slice_axis: int = -1) -> Reliability:
    """Confidence against accuracy over the judged voxels of all cases."""
    found = []
    for one in cases:
        near = judged_voxels(one.case, slice_axis)
        found.append(reliability(one.mean[:, near], one.case.labels[:, near]))
    return reduce(add, found)


def retentions(cases: Iterable[Drawn], slice_axis: int = -1) -> tuple[list[Retention], list[Retention]]:
    """For each case, errors left as the least certain of the judged voxels go to an expert; and the ideal."""
    by_doubt, ideal = [], []
    for one in cases:
        near = judged_voxels(one.case, slice_axis)
        doubt = entropy_split(one.samples[:, :, near]).total
        wrong = one.prediction[near] != consensus(one.case.labels)[near]
        by_doubt.append(error_retention(doubt, wrong))
        ideal.append(oracle(wrong))
    return by_doubt, ideal
