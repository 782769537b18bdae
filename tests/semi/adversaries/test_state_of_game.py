"""How a game stands, of accuracies that are made up."""

import numpy as np
import pytest

from medseg_lab.semi.adversaries.state import state_of_game


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ([1.0] * 20, "has won from the first steps"),
        ([0.5] * 4 + [1.0] * 16, "has won in the course of the training"),
        ([0.5] * 20, "sees no difference from the first steps on"),
        ([0.9] * 8 + [0.5] * 12, "sees no difference any more"),
        ([0.5] * 10 + [0.8] * 10, "open: it is right in 80% of its answers"),
        ([1.0] * 4 + [0.7] * 16, "open: it is right in 70% of its answers"),
        ([np.nan] * 20 + [1.0] * 20, "has won from the first steps"),
    ],
)
def test_the_second_half_says_who_has_won_and_the_first_fifth_since_when(accuracy, said):
    assert said in state_of_game(accuracy)


@pytest.mark.parametrize("accuracy", [[], [np.nan], [0.4, 80.0]])
def test_what_is_no_accuracy_is_refused(accuracy):
    with pytest.raises(ValueError, match="expected numbers from 0 to 1"):
        state_of_game(accuracy)
