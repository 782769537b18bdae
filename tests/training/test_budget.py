"""What a budget is."""

import pytest
from pydantic import ValidationError

from medseg_lab.training.budget import BUDGETS, Budget, budget


def test_budgets_are_called_by_their_names():
    assert {name: found.name for name, found in BUDGETS.items()} == {name: name for name in BUDGETS}
    assert budget("smoke") is BUDGETS["smoke"]
    with pytest.raises(ValueError, match="budget: expected one of smoke, class, full, got 'tiny'"):
        budget("tiny")


@pytest.mark.parametrize("field", ["steps", "voxels", "patch", "seeds"])
def test_nothing_comes_of_nothing(field):
    with pytest.raises(ValidationError, match=field):
        Budget(**{"steps": 1, "voxels": 1, "patch": 1, field: 0})
