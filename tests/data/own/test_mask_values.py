"""Which classes the values in masks stand for."""

import numpy as np
import pytest

from medseg_lab.data.own.mask_values import for_classes, meaning_of, said, stored
from tests.data.readers.layouts import save_picture

EDGE = 12


def square(value: int, low: int = 2, high: int = 8) -> np.ndarray:
    mask = np.zeros((EDGE, EDGE), np.uint8)
    mask[low:high, low:high] = value
    return mask


@pytest.fixture
def masks(tmp_path):
    """`masks(array, ...)` is what the files of these masks store."""

    def of(*arrays: np.ndarray):
        return stored([save_picture(tmp_path / f"{i}.png", array) for i, array in enumerate(arrays)])

    return of


@pytest.mark.parametrize(
    ("values", "stand_for"),
    [((0, 1), ()), ((0, 1, 2), ()), ((0, 255), (0, 255)), ((0, 7), (0, 7)), ((0, 128, 255), (0, 128, 255))],
)
def test_values_stand_for_classes_in_their_order(masks, values, stand_for):
    """A value may be in one mask only."""
    meaning = meaning_of(masks(*(square(value) for value in values[1:])))
    assert (meaning.values, meaning.classes, meaning.unknown) == (stand_for, len(values), None)


def test_the_proposal_is_said_in_a_line():
    assert said((0, 255), ("background", "vessel")) == [
        ("all masks", "masks store 0 and 255: taken as background and vessel; see `values` in the card")
    ]
    assert said((), ("background", "vessel")) == []


def test_one_bit_a_pixel_stores_no_values(masks):
    assert meaning_of(masks(square(1).astype(bool))).classes == 2
    assert meaning_of(masks(square(1).astype(bool), square(255))).values == (0, 255)


def test_255_beside_other_labels_is_what_nobody_annotated(masks):
    both = np.maximum(square(1), square(255, 9, 12))
    meaning = meaning_of(masks(both, square(1)))
    assert (meaning.values, meaning.classes, meaning.unknown) == ((), 2, 255)
    assert "taken as not annotated" in meaning.doubts[0][1]


def test_two_kinds_of_masks_are_refused_by_name(masks):
    with pytest.raises(
        ValueError, match=r"1\.png: expected the values of the other masks, got 255, where 0\.png"
    ):
        meaning_of(masks(square(1), square(255)))


def test_a_smoothed_mask_is_refused_with_its_values_along_edges(masks):
    smooth = square(255)
    smooth[1, 1:9] = smooth[8, 1:9] = 127
    with pytest.raises(
        ValueError, match=r"0\.png: expected one value per class, got 127 only along edges, as smoo"
    ):
        meaning_of(masks(smooth, square(255)))


def test_a_class_that_is_somewhere_three_pixels_wide_is_a_class(masks):
    """Thin at the edge of one mask, it fills a square in another."""
    thin = square(255)
    thin[1, 1:9] = 127
    assert meaning_of(masks(thin, square(127, 2, 5))).values == (0, 127, 255)


def test_numbered_objects_are_refused_or_doubted(masks):
    numbers = np.arange(EDGE * EDGE, dtype=np.uint8).reshape(EDGE, EDGE) % 40
    with pytest.raises(ValueError, match=r"expected at most 32 values, .* got 40 .*: are objects numbered\?"):
        meaning_of(masks(numbers))
    few = [sum(square(1, k, k + 2) * (k // 2 + 1) for k in range(0, 2 * n, 2)) for n in (1, 3, 5)]
    assert "if they number objects" in meaning_of(masks(*few)).doubts[0][1]


def test_masks_of_one_value_are_refused(masks):
    with pytest.raises(
        ValueError, match=r"0\.png: expected a background and a class at least, got 0 in all masks"
    ):
        meaning_of(masks(square(0)))


@pytest.mark.parametrize(
    ("values", "classes", "unknown", "stand_for"),
    [
        ((0, 255), 2, None, (0, 255)),
        ((0, 1), 2, None, ()),
        ((0, 2), 2, None, (0, 2)),
        ((0, 128, 255), 3, None, (0, 128, 255)),
        ((0, 1, 7), 3, None, ()),  # 1 would be another class as it is
        ((0, 128, 255), 2, None, ()),  # one value too many
        ((0, 255, 9), 2, 9, (0, 255)),
    ],
)
def test_values_are_proposed_for_known_classes_where_they_are_clear(
    masks, values, classes, unknown, stand_for
):
    assert for_classes(masks(*(square(value) for value in values[1:])), classes, unknown) == stand_for


def test_a_mask_that_cannot_be_read_is_left_out_unless_all_are(tmp_path):
    good, bad = save_picture(tmp_path / "a.png", square(1)), tmp_path / "b.png"
    bad.write_bytes(b"no picture")
    assert list(stored([good, bad])) == [good]
    with pytest.raises(ValueError, match=r"b\.png: expected a PNG file"):
        stored([bad])
