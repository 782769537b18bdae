"""The survey's map is complete and does not point into the void."""

import pytest

from medseg_lab.survey.methods import all_methods, beside, method, methods, sections


@pytest.mark.parametrize("found", all_methods(), ids=lambda found: found.id)
def test_every_method_is_there(found):
    assert callable(found.load())


def test_all_systems_of_the_survey_are_here():
    assert len(methods()) == 83


def test_every_row_of_table_1_has_its_methods():
    """The survey's Table 1 cites these for its five rows."""
    table = {54, 56, 57, 61} | {58, 59, 60, 62} | {19, 20, 21, 63, 64, 67} | {22, 23, 68} | set(range(71, 77))
    assert table <= {
        number for found in methods() if found.section.startswith("3") for number in found.references
    }


def test_references_are_the_surveys():
    assert all(1 <= number <= 88 for found in methods() for number in found.references)


def test_methods_come_in_the_order_of_the_survey():
    order = [found.id for found in sections()]
    places = [order.index(found.section) for found in methods() if found.section.startswith("2")]
    assert places == sorted(places)


def test_sections_have_their_parents():
    ids = {found.id for found in sections()}
    assert all(found.parent in ids for found in sections() if found.parent)


def test_systems_beside_the_survey_are_none_of_its_own():
    networks, losses = {"dynunet", "segresnet", "swinunetr"}, {"tversky", "dice-focal", "boundary-loss"}
    assert {found.id for found in beside()} == networks | losses
    assert all(found.references or found.source for found in beside())
    assert not {found.id for found in methods()} & {found.id for found in beside()}
    assert all_methods() == methods() + beside()


def test_an_idea_is_one_line():
    assert all(10 < len(found.idea) <= 130 and found.idea.endswith(".") for found in all_methods())


def test_an_unknown_method_is_named():
    assert method("unet").name == "U-Net"
    with pytest.raises(ValueError, match="u-net"):
        method("u-net")
