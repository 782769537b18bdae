"""A network with one weight, of which all probabilities can be computed: eqs. (12) to (15) of the survey."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS = np.linspace(-8.0, 12.0, 2001)
"""The values of w that are looked at, one beside the other."""
TRUE = 1.5
"""The weight by which labels are drawn."""
PRIOR_STD = 3.0
"""P(w) is a Gaussian around 0."""
TINY = 1e-300


def drawn(n: int, seed: int = 4) -> tuple[NDArray, NDArray]:
    """n pixels `(n,)` with intensities x, and labels y, 1 with probability 1 / (1 + exp(-1.5 x))."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2.5, 2.5, 1000)[:n]
    return x, (rng.random(1000)[:n] < expit(TRUE * x)).astype(float)


def log_likelihood(x: NDArray, y: NDArray) -> NDArray:
    """log P(D | w) of every weight `(W,)`: minus the summed cross-entropy of all pixels."""
    return log_expit((2 * y - 1) * WEIGHTS[:, None] * x).sum(axis=1)


def log_prior() -> NDArray:
    """log P(w), up to a constant."""
    return -0.5 * (WEIGHTS / PRIOR_STD) ** 2


def most_likely(log_likelihood: NDArray) -> float:
    """Eq. (12): the weight with the largest log P(D | w)."""
    return float(WEIGHTS[log_likelihood.argmax()])


def posterior(log_likelihood: NDArray, log_prior: NDArray) -> NDArray:
    """Eq. (14): P(D | w) P(w) / P(D), with P(D) the sum over all weights."""
    log_joint = log_likelihood + log_prior
    joint = np.exp(log_joint - log_joint.max())
    found: NDArray = joint / joint.sum()
    return found


def expected(posterior: NDArray, x: NDArray) -> NDArray:
    """Eq. (13): the mean of P(y = 1 | x, w) over the posterior."""
    found: NDArray = posterior @ expit(np.multiply.outer(WEIGHTS, x))
    return found


def gaussian(mean: float, std: float) -> NDArray:
    """q(w | theta), with theta = (mean, std): probabilities of all weights."""
    q = np.exp(-0.5 * ((WEIGHTS - mean) / std) ** 2)
    found: NDArray = q / q.sum()
    return found


def closest(posterior: NDArray) -> tuple[float, float]:
    """Eq. (15): (mean, std) of the Gaussian q with the least D_KL[q || P(w | D)]."""

    def divergence(theta: NDArray) -> float:
        q = gaussian(theta[0], np.exp(theta[1]))
        return float(q @ (np.log(q + TINY) - np.log(posterior + TINY)))

    mean = float(posterior @ WEIGHTS)
    std = float(np.sqrt(posterior @ (WEIGHTS - mean) ** 2))
    found = minimize(divergence, [mean, np.log(std)], method="Nelder-Mead").x
    return float(found[0]), float(np.exp(found[1]))


def one_weight(pixels: int) -> "Figure":
    """How probable each weight is after so many labelled pixels, and what that makes of a prediction.

    Args:
        pixels: from 1 to 1000.

    Raises:
        ValueError: for another number.
    """
    if not 1 <= pixels <= 1000:
        raise ValueError(f"pixels: expected 1 to 1000, got {pixels}")
    x, y = drawn(pixels)
    likely = log_likelihood(x, y)
    known, best = posterior(likely, log_prior()), most_likely(likely)
    mean, std = closest(known)
    line = np.linspace(-3, 3, 121)
    prediction = expected(known, line)
    with house():
        fig = canvas(7.0, 3.0)
        left, right = fig.subplots(1, 2)
        curves: dict[str, tuple[NDArray, Any, str]] = {
            "prior": (gaussian(0, PRIOR_STD), ":", "#666666"),
            "posterior (14)": (known, "-", COLOURS[0]),
            "closest Gaussian (15)": (gaussian(mean, std), "--", COLOURS[1]),
        }
        step = WEIGHTS[1] - WEIGHTS[0]
        for name, (probabilities, style, colour) in curves.items():
            left.plot(WEIGHTS, probabilities / step, linestyle=style, color=colour, label=name)
        left.axvline(best, color="black", linewidth=1, label="most likely (12)")
        left.set(xlabel="weight w", ylabel="density", xlim=(-6, 12.5), ylim=(0, None))
        small_title(left, f"weights after {pixels} pixel{'s' * (pixels > 1)}")
        right.plot(line, expit(best * line), color="black", linewidth=1, label="by the most likely weight")
        right.plot(line, prediction, color=COLOURS[0], linewidth=2, label="mean over all weights (13)")
        right.plot(x, y, "|", color=COLOURS[1], markersize=9, label="labelled pixels")
        right.set(xlabel="intensity x", ylabel="P(foreground)", ylim=(-0.08, 1.08))
        small_title(right, "prediction")
        fig.legend(loc="outside lower center", ncols=4, fontsize=8)
        fig.set_label(
            f"After {pixels} labelled pixels: the most likely weight is {best:.1f}, the posterior has its "
            f"mean at {known @ WEIGHTS:.1f}, and the closest Gaussian the standard deviation {std:.2f}. At "
            f"intensity 1 the most likely weight predicts foreground with {expit(best):.2f}, the mean over "
            f"all weights with {expected(known, np.ones(1))[0]:.2f}."
        )
    return fig
