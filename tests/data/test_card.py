import pytest
from pydantic import ValidationError

from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.task import Task


@pytest.mark.parametrize("dataset", known_cards())
def test_every_card_of_the_library_is_valid_and_named_as_its_file(dataset):
    assert load_card(dataset).id == dataset


def test_an_unknown_id_names_the_known_ones():
    with pytest.raises(ValueError, match=r"expected one of acdc, chase-db1, .*virtual-brain, got 'hippo'"):
        load_card("hippo")


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ("background",)},
        {"colour": "red"},
        {"regions": {"whole": ("anterior", "tail")}},
        {"scored": "regions"},
        {"regions": {"whole": ()}},
        {"regions": {"whole": ("background", "anterior")}},
        {"classes": ("background", "anterior", "anterior")},
        {"unknown": 1},
        {"unknown": 7, "values": (0, 7, 9)},
        {"reader": "virtual"},
        {"parts": {"test": 0.6, "validation": 0.5}},
        {"preprocessing": {"patch": (8, 8)}},
        {"preprocessing": {"patch": (8, 8, 8), "mirror": (3,)}},
    ],
)
def test_a_card_that_contradicts_itself_is_refused(change):
    card = load_card("msd-hippocampus")
    with pytest.raises(ValidationError):
        type(card).model_validate(card.model_dump() | change)


def test_nested_regions_order_the_classes_from_outside_to_inside():
    card = load_card("acdc")
    assert card.order == ()  # as they are numbered
    assert Task(1, card.classes, 3, card.order).nested == ((1, 2, 3), (2, 3), (3,))
    brats = {"whole": ("core", "oedema", "ring"), "inner": ("core", "ring"), "ring": ("ring",)}
    other = card.model_copy(update={"classes": ("none", "core", "oedema", "ring"), "regions": brats})
    assert other.order == (2, 1, 3)
    assert Task(1, other.classes, 3, other.order).nested == ((2, 1, 3), (1, 3), (3,))
    assert other.model_copy(update={"regions": {"whole": brats["whole"], "ring": ("ring",)}}).order == ()
