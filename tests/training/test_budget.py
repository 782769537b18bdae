"""What a budget is, and what a share of it is."""

import pytest
from pydantic import ValidationError

from medseg_lab.training.budget import BUDGETS, Budget, budget

WHOLE = Budget(name="class", steps=300, voxels=100_000, patch=64, cases=300, seeds=3)


def test_a_share_has_a_share_of_the_voxels_and_nothing_else_changes():
    third = WHOLE.divided(3)
    assert third.voxels == 33_333
    assert third.model_copy(update={"voxels": 100_000}) == WHOLE


def test_the_whole_is_a_share_and_the_budget_it_came_from_stays():
    assert WHOLE.divided(1) == WHOLE
    WHOLE.divided(4)
    assert WHOLE.voxels == 100_000


def test_a_share_is_never_nothing():
    assert Budget(steps=1, voxels=3, patch=4).divided(10).voxels == 1


def test_budgets_are_called_by_their_names():
    assert {name: found.name for name, found in BUDGETS.items()} == {name: name for name in BUDGETS}
    assert budget("smoke") is BUDGETS["smoke"]
    with pytest.raises(ValueError, match="budget: expected one of smoke, class, full, got 'tiny'"):
        budget("tiny")


@pytest.mark.parametrize("field", ["steps", "voxels", "patch", "seeds"])
def test_nothing_comes_of_nothing(field):
    with pytest.raises(ValidationError, match=field):
        Budget(**{"steps": 1, "voxels": 1, "patch": 1, field: 0})
