"""A name stands for one method and one recipe, or for a method that is planned."""

import pytest

from medseg_lab.survey import configurations as module
from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.methods import methods
from medseg_lab.training.notation import parse, written

ONE = {"name": "a", "method": "unet", "recipe": "Supervised(network=UNet())"}


@pytest.fixture
def table(monkeypatch):
    """Puts other rows in place of the table's."""

    def put(*rows):
        monkeypatch.setattr(module, "read", lambda name: {"configuration": rows})
        configurations.cache_clear()

    yield put
    monkeypatch.undo()
    configurations.cache_clear()


def test_names_are_in_the_surveys_order_of_their_methods():
    order = [method.id for method in methods()]
    places = [order.index(one.method) for one in configurations()]
    assert places == sorted(places)


def test_no_two_names_stand_for_one_recipe():
    texts = [written(parse(one.recipe)) for one in configurations() if one.recipe]
    assert len(set(texts)) == len(texts)


def test_methods_that_are_ready_can_be_compared_by_name():
    ready = {method.id for method in methods() if method.state == "ready"}
    assert ready == {one.method for one in configurations() if one.recipe}


def test_losses_differ_from_u_net_in_nothing_but_the_loss():
    plain = parse(configuration("U-Net").recipe)
    for name, loss in {"U-Net, cross-entropy": "cross_entropy", "U-Net, Dice loss": "dice"}.items():
        recipe = parse(configuration(name).recipe)
        assert recipe.arguments == plain.arguments | {"loss": loss}


def test_a_name_is_found_or_refused_with_those_there_are():
    assert configuration("3D U-Net").method == "unet3d"
    with pytest.raises(ValueError, match=r"method: got '3D UNet', wanted one of .*3D U-Net"):
        configuration("3D UNet")


def test_mistakes_in_the_table_are_found(table):
    table(ONE, ONE)
    with pytest.raises(ValueError, match="'a' occurs twice"):
        configurations()
    table(ONE | {"method": "focal"})
    with pytest.raises(ValueError, match="a: got a recipe, but focal is planned"):
        configurations()
    table(ONE | {"method": "no-such"})
    with pytest.raises(ValueError, match="no-such"):
        configurations()
