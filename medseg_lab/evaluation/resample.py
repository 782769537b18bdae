"""Intervals for means over seeds and cases, by the bootstrap.

Results form a grid: every seed's network is scored on the same cases. So seeds and cases are drawn apart,
and one draw of cases serves all seeds and all methods ("pigeonhole" bootstrap, Owen 2007). Drawing the cases
anew for each seed would count a hard case as if it were several.

Few seeds and few cases make the plain percentile interval too short. Two corrections, checked by simulation
in the tests:
- the spread of the seeds' weights is stretched by sqrt(S / (S-1)), so that their variance is unbiased;
- the percentiles are widened as Student's t asks for the number of patients (Hesterberg 2015, section 3.5.1).

With two seeds, and trainings that vary a lot, an interval remains too short: more seeds are the only cure.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

REPLICATES = 2000


def interval(
    values: NDArray, patients: Sequence[str], level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The interval of `values.mean()`.

    Args:
        values: `(seeds, cases)`.
        patients: whose each case is; a patient's cases are drawn together.
        level: how often the interval is to hold the true mean.
        seed: of the resampling; the same for all methods, so that they share their draws.

    Returns:
        The interval's ends; both NaN where there is one patient only.
    """
    n = len(set(patients))
    if n < 2:
        return float("nan"), float("nan")
    means = resampled_means(values, patients, seed)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - level) / 2, n - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(values: NDArray, patients: Sequence[str], seed: int = 0) -> NDArray:
    """`REPLICATES` means of `values` (seeds, cases) under redrawn seeds and patients."""
    generator = np.random.default_rng(seed)
    n_seeds = values.shape[0]
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    seed_weights = _draw(generator, n_seeds) / n_seeds
    if n_seeds > 1:
        seed_weights = 1 / n_seeds + (seed_weights - 1 / n_seeds) * np.sqrt(n_seeds / (n_seeds - 1))
    case_weights = _draw(generator, len(names))[:, owner].astype(float)
    case_weights /= case_weights.sum(axis=1, keepdims=True)
    return np.einsum("rs,sc,rc->r", seed_weights, values, case_weights, optimize=True)


def _draw(generator: np.random.Generator, n: int) -> NDArray:
    """How often each of n is drawn, in n draws with replacement: `(REPLICATES, n)`."""
    return generator.multinomial(n, np.full(n, 1 / n), size=REPLICATES)
