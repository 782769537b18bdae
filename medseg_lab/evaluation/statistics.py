"""Means redrawn, Wilcoxon's test, and Holm's correction.

**Redrawn means** come from the bootstrap. They are displays: how stable the order of methods is
(`medseg_lab.evaluation.ranking`), and the interval of a share of a gap (`medseg_lab.evaluation.gap`), for
which there is no closed form. Results form a grid: every seed's network is scored on the same patients. So
seeds and patients are drawn apart, and one draw of patients serves all seeds and all methods ("pigeonhole"
bootstrap, Owen 2007). Drawing the patients anew for each seed would count a difficult patient as if they were
several.

Few seeds and few patients make the plain percentile interval too short. Two corrections:
- the spread of the seeds' weights is stretched by sqrt(S / (S-1)), so that their variance is unbiased;
- the percentiles are widened as Student's t asks for the number of patients (Hesterberg 2015, section 3.5.1).

**Wilcoxon's signed rank test** asks whether these trained networks differ on other patients. It does not know
that another training would give other networks: where trainings vary half as much as patients do, three seeds
and 20 patients have p below 0.05 between equal methods in 19 of 100 experiments. Exports show it beside the p
of the model that decides (`medseg_lab.evaluation.crossed`).
"""

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
        n_seeds, n_patients: S and P.
        seed: random seed of the draws.
    """

    n_seeds: int
    n_patients: int
    seed: int = 0

    @cached_property
    def weights(self) -> tuple[NDArray, NDArray]:
        """What each seed `(REPLICATES, S)` and each patient `(REPLICATES, P)` counts in a redrawn mean."""
        generator = np.random.default_rng(self.seed)
        n = self.n_seeds
        seeds = _draw(generator, n) / n
        if n > 1:
            seeds = 1 / n + (seeds - 1 / n) * np.sqrt(n / (n - 1))
        return seeds, _draw(generator, self.n_patients) / self.n_patients

    def means(self, values: NDArray) -> NDArray:
        """The mean of each row of `values` (rows, seeds, patients), redrawn: `(rows, REPLICATES)`."""
        seeds, patients = self.weights
        means = np.empty((len(values), REPLICATES))
        step = max(1, BLOCK // (REPLICATES * self.n_seeds))
        for start in range(0, len(values), step):
            block = values[start : start + step]
            per_seed = (block.reshape(-1, block.shape[-1]) @ patients.T).reshape(len(block), self.n_seeds, -1)
            means[start : start + step] = np.einsum("msr,rs->mr", per_seed, seeds)
        return means

    def tail(self) -> float:
        """The share of redrawn means that a 95% interval leaves out on either side: below 0.025."""
        from scipy import stats

        n = self.n_patients
        return float(stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1)))


def _draw(generator: np.random.Generator, n: int) -> NDArray:
    """How often each of n is drawn, in n draws with replacement: `(REPLICATES, n)`."""
    return generator.multinomial(n, np.full(n, 1 / n), size=REPLICATES)


def signed_rank(differences: NDArray) -> float:
    """Wilcoxon's signed rank p, two-sided, of one difference for each patient."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def smallest_p(n_patients: int) -> float:
    """The least p that Wilcoxon's test can give of so many patients: all differences have one sign."""
    return 2.0 ** (1 - n_patients)


def holm(p: NDArray) -> NDArray:
    """Holm's correction of several p; NaN stays NaN, and does not count.

    Not taken from statsmodels, which collects garbage at each call: that takes longer than all else here.
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
