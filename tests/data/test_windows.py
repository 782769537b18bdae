"""Patches inside cases, across their borders, and slices, beside plain indexing."""

import pytest
import torch

from medseg_lab.data.case import IGNORE
from medseg_lab.data.sources import Source
from medseg_lab.data.windows import cut, overlap, whole


def numbered(shape: tuple[int, ...], channels: int = 1, labelled: bool = True, beyond: int = 0) -> Source:
    """Each voxel has a number of its own, from 1 on; its label is the last digit."""
    image = 1 + torch.arange(channels * torch.Size(shape).numel()).float().view(channels, *shape)
    label = (image[0] % 10).to(torch.uint8)

    def reading(window):
        return image[(slice(None), *window)], label[window] if labelled else None

    return Source(reading, channels, shape, [], beyond)


def everything(source: Source) -> tuple[torch.Tensor, torch.Tensor | None]:
    return source.cut((slice(None),) * len(source.shape))


def test_a_slice_is_one_voxel_thick_along_the_first_axis():
    assert whole((5, 6), (9, 8, 7)) == (1, 5, 6)
    assert whole((5, 6), (8, 7)) == (5, 6)
    assert whole((4, 5, 6), (9, 8, 7)) == (4, 5, 6)


@pytest.mark.parametrize(
    ("first", "inside", "target"),
    [
        (2, (2, 6), (0, 4)),  # within
        (-1, (0, 3), (1, 4)),  # over the near border
        (8, (8, 10), (0, 2)),  # over the far one
    ],
)
def test_the_overlap_as_seen_from_the_case_and_from_the_window(first, inside, target):
    found = overlap([first, 0], (4, 3), (10, 3))
    assert found == ((slice(*inside), slice(0, 3)), (slice(*target), slice(0, 3)))


def test_a_window_larger_than_the_case_holds_it_whole():
    assert overlap([-2], (9,), (5,)) == ((slice(0, 5),), (slice(2, 7),))


def test_patches_are_the_voxels_from_their_first_one_on():
    sources = [numbered((6, 7, 8), 2), numbered((5, 6, 9), 2)]
    image, label = cut(sources, [1, 0, 1], [[0, 2, 3], [2, 0, 4], [2, 1, 0]], (3, 4, 4), "cpu")
    assert (image.shape, label.shape) == ((3, 2, 3, 4, 4), (3, 3, 4, 4))
    for i, (case, (a, b, c)) in enumerate([(1, (0, 2, 3)), (0, (2, 0, 4)), (1, (2, 1, 0))]):
        voxels, readings = everything(sources[case])
        assert torch.equal(image[i], voxels[:, a : a + 3, b : b + 4, c : c + 4])
        assert torch.equal(label[i], readings[a : a + 3, b : b + 4, c : c + 4])


def test_beyond_the_case_there_is_nothing():
    source = numbered((3, 4))
    image, label = cut([source], [0], [[-1, 2]], (5, 3), "cpu")
    voxels, readings = everything(source)
    assert torch.equal(image[0, :, 1:4, :2], voxels[:, :, 2:])
    assert torch.equal(label[0, 1:4, :2], readings[:, 2:])
    assert int((image != 0).sum()) == 6
    assert int(label.count_nonzero()) == int(readings[:, 2:].count_nonzero())


def test_beyond_a_case_with_open_voxels_the_label_is_open():
    image, label = cut(
        [numbered((3, 4), beyond=IGNORE), numbered((3, 4))], [0, 1], [[1, 1]] * 2, (3, 3), "cpu"
    )
    assert (label[0, 2] == IGNORE).all()
    assert (label[0, :2] < 10).all()
    assert (label[1, 2] == 0).all()
    assert torch.equal(image[0], image[1])


def test_where_labels_are_withheld_the_label_is_zero():
    image, label = cut([numbered((3, 4), labelled=False)], [0], [[0, 0]], (3, 4), "cpu")
    assert (image > 0).all()
    assert not label.any()


def test_slices_lose_the_axis_they_lie_across():
    source = numbered((4, 6, 7), 2)
    image, label = cut([source], [0, 0], [[3, 1, 2], [0, 4, -1]], (3, 4), "cpu")
    voxels, readings = everything(source)
    assert (image.shape, label.shape) == ((2, 2, 3, 4), (2, 3, 4))
    assert torch.equal(image[0], voxels[:, 3, 1:4, 2:6])
    assert torch.equal(label[0], readings[3, 1:4, 2:6])
    assert torch.equal(image[1, :, :2, 1:], voxels[:, 0, 4:, :3])
    assert not image[1, :, 2].any()
    assert not image[1, :, :, 0].any()


def test_a_margin_is_on_every_side_of_a_patch():
    source = numbered((6, 7))
    image, label = cut([source], [0], [[2, 0]], (2, 3), "cpu", margin=(1, 2))
    voxels, readings = everything(source)
    assert image.shape == (1, 1, 4, 7)
    assert torch.equal(image[0, :, :, 2:], voxels[:, 1:5, :5])
    assert torch.equal(label[0, :, 2:], readings[1:5, :5])
    assert not image[..., :2].any()


def test_a_slice_has_no_margin_across():
    source = numbered((4, 6, 7))
    image, _ = cut([source], [0], [[1, 2, 3]], (2, 2), "cpu", margin=(1, 2))
    assert torch.equal(image[0], everything(source)[0][:, 1, 1:5, 1:7])


def test_what_is_skipped_is_left_zero():
    source = numbered((4, 4))
    starts = [[0, 0], [1, 1], [2, 2]]
    every, _ = cut([source], [0] * 3, starts, (2, 2), "cpu")
    some, label = cut([source], [0] * 3, starts, (2, 2), "cpu", skip=[1])
    assert torch.equal(some[[0, 2]], every[[0, 2]])
    assert not some[1].any()
    assert not label[1].any()


def test_the_case_is_copied():
    source = numbered((4, 4))
    before = everything(source)[0].clone()
    cut([source], [0], [[0, 0]], (4, 4), "cpu")[0].zero_()
    assert torch.equal(everything(source)[0], before)
