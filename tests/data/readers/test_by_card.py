"""What files of one's own hold, as the card reads it."""

from pathlib import Path

import numpy as np
import pytest

from medseg_lab.data.readers.by_card import as_channels, class_labels, voxel_size
from tests.data.readers.layouts import toy_card

PATH = Path("a.png")
CARD = toy_card("msd-2d").model_copy(update={"classes": ("background", "organ"), "values": (0, 255)})
PLAIN = CARD.model_copy(update={"values": ()})


def test_values_are_mapped_to_the_classes_in_the_order_of_the_card():
    label = np.array([[0, 255, 255]], np.uint8)
    assert class_labels(label, CARD, PATH).tolist() == [[0, 1, 1]]
    other = CARD.model_copy(update={"values": (255, 0)})
    assert class_labels(label, other, PATH).tolist() == [[1, 0, 0]]


def test_the_unknown_value_is_ignored_whatever_the_classes_store():
    assert class_labels(np.array([0, 255, 1]), CARD, PATH, unknown=1).tolist() == [0, 1, 255]


def test_one_bit_a_pixel_needs_no_values():
    assert class_labels(np.array([False, True]), CARD, PATH).tolist() == [0, 1]
    assert class_labels(np.array([False, True]), PLAIN, PATH).tolist() == [0, 1]


def test_a_value_that_stands_for_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"a\.png: expected the values 0, 255 of the card, got \[0, 1, 255\]"
    ):
        class_labels(np.array([0, 1, 255]), CARD, PATH)


def test_without_values_others_than_0_1_are_refused_with_the_cure():
    with pytest.raises(
        ValueError, match=r"got \[0, 255\]; `values` in card\.toml .* `medseg data add` proposes it"
    ):
        class_labels(np.array([0, 255]), PLAIN, PATH)


def test_grey_and_colour_become_one_another_only_where_nothing_is_lost():
    grey, colour = np.arange(4).reshape(1, 2, 2), np.arange(12).reshape(3, 2, 2)
    assert (as_channels(grey, 3) == grey).all()
    assert as_channels(grey, 3).shape == (3, 2, 2)
    assert as_channels(as_channels(grey, 3), 1).shape == (1, 2, 2)
    assert as_channels(colour, 1) is colour
    assert as_channels(grey, 2) is grey


def test_the_size_of_a_voxel_is_the_files_or_the_cards_and_no_contradiction():
    card = CARD.model_copy(update={"voxel_mm": (0.5, 0.25)})
    assert voxel_size(None, None, CARD, PATH) is None
    assert voxel_size((2.0, 2.0), None, CARD, PATH) == voxel_size(None, (2.0, 2.0), CARD, PATH) == (2.0, 2.0)
    assert voxel_size(None, None, card, PATH) == (0.5, 0.25)
    assert voxel_size((0.501, 0.25), None, card, PATH) == (0.501, 0.25)
    with pytest.raises(
        ValueError, match=r"a\.png: expected the card's voxel_mm \(0\.5, 0\.25\), got \(0\.25, 0\.5\)"
    ):
        voxel_size((0.25, 0.5), None, card, PATH)
    with pytest.raises(
        ValueError, match=r"a\.png: expected its mask's spacing \(1\.0, 1\.0\), got \(1\.0, 2\.0\)"
    ):
        voxel_size((1.0, 2.0), (1.0, 1.0), CARD, PATH)
