"""How a game stands, from what its discriminator gets right."""

from collections.abc import Sequence

import numpy as np

WON, BLIND = 0.98, 0.55
"""Accuracies above which the discriminator has won, and below which it sees no difference."""
FIRST = 0.2
"""The share of a training that counts as its first steps."""


def state_of_game(accuracy: Sequence[float]) -> str:
    """One plain sentence: who has won, and since when, or that the game is open.

    The second half of the training decides, which is what a run's activity is a mean of; its first fifth says
    whether it was so from the first steps, so that there never was a game.

    Args:
        accuracy: the share of the discriminator's answers that are right, 0 to 1, step by step: the column
            `noted.discriminator_accuracy` of a run's curves. Steps without a number do not count.

    Raises:
        ValueError: for no number, or one outside 0 to 1.
    """
    found = np.asarray(accuracy, dtype=float)
    found = found[~np.isnan(found)]
    if not len(found) or found.min() < 0 or found.max() > 1:
        got = f"{found.min():g} to {found.max():g}" if len(found) else "none"
        raise ValueError(f"accuracy: expected numbers from 0 to 1, got {got}")
    first, late = found[: max(1, round(FIRST * len(found)))].mean(), found[len(found) // 2 :].mean()
    right = f"it is right in {late:.0%} of its answers"
    if late > WON:
        since = "from the first steps" if first > WON else "in the course of the training"
        return f"The discriminator has won {since}: {right}, and its gradient tells the other side little."
    if late < BLIND:
        since = "from the first steps on" if first < BLIND else "any more"
        return f"The discriminator sees no difference {since}: {right}, as a coin would be in 50%."
    return f"The game is open: {right}."
