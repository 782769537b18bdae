"""A constructor as a value, and the budgets."""

import json

import pytest
from pydantic import ValidationError

from medseg_lab.losses.dice import Dice
from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import BUDGETS, Budget, budget
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.supervised import Supervised


def test_a_recipe_survives_json_and_builds_the_same():
    one = recipe(
        Supervised, network=recipe(UNet, features=(4, 8), skips=False), loss=recipe(Dice), spatial_dims=None
    )
    two = Recipe.from_dict(json.loads(json.dumps(one.to_dict())))
    assert two == one
    assert two.arguments["network"].build(1, 2).decoder.skips is False


def test_the_modules_of_a_recipe_are_those_of_its_parts_too():
    nested = recipe(Supervised, network=recipe(UNet))
    assert nested.modules == ("medseg_lab.networks.unet", "medseg_lab.training.supervised")


def test_a_stored_recipe_reaches_nothing_outside_the_library():
    inner = {"target": "os.system", "arguments": {}}
    with pytest.raises(ValueError, match=r"os\.system"):
        Recipe.from_dict(inner)
    with pytest.raises(ValueError, match=r"os\.system"):
        Recipe.from_dict({"target": "medseg_lab.x.Y", "arguments": {"network": inner}})


@pytest.mark.parametrize("value", [object(), {"a": 1}, UNet])
def test_an_argument_that_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="plain data or a recipe"):
        recipe(UNet, features=value)


def test_budgets_are_known_by_name_and_checked():
    assert list(BUDGETS) == ["smoke", "class", "full"]
    assert budget("class").steps > budget("smoke").steps
    with pytest.raises(ValueError, match=r"expected one of smoke, class, full, got 'night'"):
        budget("night")
    with pytest.raises(ValidationError, match="stepz"):
        Budget(steps=1, voxels=1, patch=1, stepz=1)
    with pytest.raises(ValidationError):
        Budget(steps=0, voxels=1, patch=1)
