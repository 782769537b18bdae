"""A name stands for one method and one recipe."""

import pytest

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice
from medseg_lab.losses.focal import Focal
from medseg_lab.losses.generalised_dice import GeneralisedDice
from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.methods import all_methods, methods
from medseg_lab.training.notation import parse
from medseg_lab.training.recipe import recipe


def test_names_are_in_the_surveys_order_of_their_methods():
    order = [method.id for method in all_methods()]
    places = [order.index(one.method) for one in configurations()]
    assert places == sorted(places)


def test_every_method_can_be_compared_by_name():
    assert {method.id for method in methods()} <= {one.method for one in configurations()}


def test_losses_differ_from_u_net_in_nothing_but_the_loss():
    plain = parse(configuration("U-Net").recipe)
    losses = {"cross-entropy": CrossEntropy, "focal loss": Focal}
    losses |= {"Dice loss": Dice, "generalised Dice loss": GeneralisedDice}
    for name, loss in losses.items():
        found = parse(configuration(f"U-Net, {name}").recipe)
        assert found.arguments == plain.arguments | {"loss": recipe(loss)}


def test_a_name_is_found_or_refused_with_those_there_are():
    assert configuration("3D U-Net").method == "unet3d"
    with pytest.raises(ValueError, match=r"method: expected one of 3D U-Net, .*got '3D UNet'"):
        configuration("3D UNet")
