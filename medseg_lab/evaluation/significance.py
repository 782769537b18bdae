"""Tests of paired differences.

Wilcoxon's test asks whether these trained networks differ on other patients. It does not know that another
training would give other networks. Found by simulation, with 20 patients whose differences have standard
deviation 1 and no difference between the methods, a share of this many p values lies below 0.05:

| seeds | all trainings alike | trainings vary by 0.2 | by 0.5 | by 1 |
| --- | --- | --- | --- | --- |
| 2 | 5% | 9% | 24% | 50% |
| 3 | 5% | 8% | 19% | 43% |
| 5 | 6% | 6% | 14% | 35% |

So a p is read together with the interval, which covers seeds, too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def signed_rank(differences: NDArray, patients: Sequence[str]) -> float:
    """Wilcoxon's signed rank p of per-case differences; a patient's cases are averaged first.

    Args:
        differences: `(cases,)`.
        patients: whose each case is.
    """
    from scipy.stats import wilcoxon

    _, owner, cases = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    per_patient = np.bincount(owner, weights=differences) / cases
    if not per_patient.any():
        return 1.0
    return float(wilcoxon(per_patient).pvalue)


def holm(p: NDArray) -> NDArray:
    """Holm's correction of several p; NaN stays NaN, and does not count.

    Written out, for that of statsmodels collects garbage at each call, which takes longer than all else here.
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
