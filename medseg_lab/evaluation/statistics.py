"""Intervals and tests for means over seeds and patients.

**Intervals** come from the bootstrap. Results form a grid: every seed's network is scored on the same cases.
So seeds and cases are drawn apart, and one draw of cases serves all seeds and all methods ("pigeonhole"
bootstrap, Owen 2007). Drawing the cases anew for each seed would count a hard case as if it were several.

Few seeds and few cases make the plain percentile interval too short. Two corrections, checked by simulation
in the tests:
- the spread of the seeds' weights is stretched by sqrt(S / (S-1)), so that their variance is unbiased;
- the percentiles are widened as Student's t asks for the number of patients (Hesterberg 2015, section 3.5.1).

**p** comes from Wilcoxon's signed rank test, which asks whether these trained networks differ on other
patients. It does not know that another training would give other networks, so p is read together with the
interval, which covers seeds, too.

Where trainings vary about as much as patients do, an interval over few seeds remains too short, and p too
small; more seeds are the only cure. How often a 95% interval held the truth, and how often p was below 0.05
between equal methods, in simulations (20 patients with standard deviation 1, noise 0.5):

| seeds | all trainings alike | they vary by 0.2 | by 0.5 | by 1 |
| --- | --- | --- | --- | --- |
| 2 | 97%; 5% | 96%; 9% | 90%; 24% | 80%; 50% |
| 3 | 97%; 5% | 96%; 8% | 93%; 19% | 88%; 43% |
| 5 | 96%; 6% | 96%; 6% | 95%; 14% | 93%; 35% |

The more patients, the more the trainings weigh: with 50 patients, trainings that vary by 0.5 and three seeds,
an interval holds the truth in 88%.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

REPLICATES = 2000
BLOCK = 4_000_000
"""Numbers held at once while means are redrawn: 32 MB."""


@dataclass(frozen=True)
class Resampling:
    """Seeds and patients drawn anew, `REPLICATES` times; drawn once for all methods that are compared.

    Args:
        n_seeds: S.
        patients: the patient of each of the C cases; a patient's cases are drawn together.
        seed: random seed of the draws.
    """

    n_seeds: int
    patients: tuple[str, ...]
    seed: int = 0

    @property
    def n_patients(self) -> int:
        """How many patients there are."""
        return len(set(self.patients))

    @cached_property
    def weights(self) -> tuple[NDArray, NDArray]:
        """What each seed `(REPLICATES, S)` and each case `(REPLICATES, C)` counts in a redrawn mean."""
        generator = np.random.default_rng(self.seed)
        n = self.n_seeds
        names, owner = np.unique(np.asarray(self.patients), return_inverse=True)
        seeds = _draw(generator, n) / n
        if n > 1:
            seeds = 1 / n + (seeds - 1 / n) * np.sqrt(n / (n - 1))
        cases = _draw(generator, len(names))[:, owner].astype(float)
        return seeds, cases / cases.sum(axis=1, keepdims=True)

    def means(self, values: NDArray) -> NDArray:
        """The mean of each row of `values` (rows, seeds, cases), redrawn: `(rows, REPLICATES)`."""
        seeds, cases = self.weights
        means = np.empty((len(values), REPLICATES))
        step = max(1, BLOCK // (REPLICATES * self.n_seeds))
        for start in range(0, len(values), step):
            block = values[start : start + step]
            per_seed = (block.reshape(-1, block.shape[-1]) @ cases.T).reshape(len(block), self.n_seeds, -1)
            means[start : start + step] = np.einsum("msr,rs->mr", per_seed, seeds)
        return means

    def intervals(self, values: NDArray) -> NDArray:
        """The 95% interval of each row's mean, `(rows, 2)`: low and high; NaN where there is one patient."""
        if self.n_patients < 2:
            return np.full((len(values), 2), np.nan)
        tail = self.tail()
        return np.quantile(self.means(values), [tail, 1 - tail], axis=1).T

    def tail(self) -> float:
        """The share of redrawn means that a 95% interval leaves out on either side: below 0.025."""
        from scipy import stats

        n = self.n_patients
        return float(stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1)))


def _draw(generator: np.random.Generator, n: int) -> NDArray:
    """How often each of n is drawn, in n draws with replacement: `(REPLICATES, n)`."""
    return generator.multinomial(n, np.full(n, 1 / n), size=REPLICATES)


def signed_rank(differences: NDArray, patients: Sequence[str]) -> float:
    """Wilcoxon's signed rank p of per-case differences; a patient's cases are averaged first.

    Args:
        differences: `(cases,)`.
        patients: the patient of each case.
    """
    from scipy.stats import wilcoxon

    _, owner, cases = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    per_patient = np.bincount(owner, weights=differences) / cases
    if not per_patient.any():
        return 1.0
    return float(wilcoxon(per_patient).pvalue)


def holm(p: NDArray) -> NDArray:
    """Holm's correction of several p; NaN stays NaN, and does not count.

    Not taken from statsmodels, which collects garbage at each call: that takes longer than all else here.
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
