"""Which axis is halved when, by hand."""

import pytest

from medseg_lab.planning.topology import topology

EACH = (2, 2, 2)


@pytest.mark.parametrize(
    ("spacing", "shape", "strides"),
    [
        # 40, 56, 40: 20, 28, 20: 10, 14, 10: 5, 7, 5: none has 8 voxels left
        ((1, 1, 1), (40, 56, 40), (EACH,) * 3),
        # 7 voxels would become fewer than 4
        ((1, 1, 1), (7, 7, 7), ()),
        # 16, 8: both become 8, 4; the first alone needs 12 to go on
        ((1, 1), (16, 8), ((2, 2),)),
        ((1, 1), (24, 8), ((2, 2), (2, 1))),
        # 1.9 mm is less than twice 1 mm, 2 mm is not: it waits until the others are 2 mm as well
        ((1, 1, 1.9), (16, 16, 16), (EACH, EACH)),
        ((1, 1, 2), (32, 32, 16), ((2, 2, 1), EACH, EACH)),
        # no voxels of the finest axis can be halved: the other two do not wait for it
        ((1, 2.5, 2.5), (6, 32, 32), ((1, 2, 2),) * 3),
    ],
)
def test_strides_by_hand(spacing, shape, strides):
    assert topology(spacing, shape).strides == strides


def test_kernels_span_slices_once_these_are_near_and_always_at_the_bottom():
    # 5 mm against 1.25 and 2.5 mm: four and two times as long; against 5 mm as long
    levels = topology((1.25, 1.25, 5), (64, 64, 8))
    assert levels.strides == ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 1))
    assert levels.kernels == ((3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3))
    assert topology((1, 1, 9), (8, 8, 4)).kernels == ((3, 3, 1), (3, 3, 3))


def test_a_patch_is_rounded_up_to_what_its_levels_divide():
    levels = topology((1, 1, 1), (35, 50, 18))  # 18: 9: 5, once fewer than the others
    assert levels.multiple == (8, 8, 4)
    assert levels.padded((35, 50, 18)) == (40, 56, 20)
    assert levels.padded((40, 56, 20)) == (40, 56, 20)


def test_features_double_up_to_a_limit():
    assert topology((1,) * 3, (128,) * 3).features(32) == (32, 64, 128, 256, 320, 320)
    assert topology((1,) * 2, (128,) * 2).features(32) == (32, 64, 128, 256, 512, 512)
