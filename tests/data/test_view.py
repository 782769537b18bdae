"""The way from a case to a patch, and back: voxel by voxel where it can be written out."""

import numpy as np
import pytest
import torch
from torch import Tensor

from medseg_lab.data.augment import Augmentation, draw_spatial
from medseg_lab.data.case import Case
from medseg_lab.data.pool import Pool
from medseg_lab.data.view import View

QUARTER = np.array([[0.0, -1.0], [1.0, 0.0]])
"""The patch at (i, j) about the centre shows the window at (-j, i)."""
ALL_TURNED = Augmentation(resampled=1.0)


def numbered(*shape: int, channels: int = 1) -> Case:
    """Each voxel has a number of its own, and one of three labels."""
    image = 1 + torch.arange(channels * torch.Size(shape).numel()).float().view(channels, *shape)
    return Case("c", "p", image, (image[:1] % 3).to(torch.uint8), (1.0,) * len(shape))


def sloping(*shape: int) -> Case:
    """1 + 2 i + 3 j + 4 k over 100: linear interpolation gives it exactly."""
    axes = torch.meshgrid(*(torch.arange(n).float() for n in shape), indexing="ij")
    image = 1 + sum((2 + a) * axis for a, axis in enumerate(axes))
    return Case("c", "p", image[None] / 100, torch.zeros((1, *shape), dtype=torch.uint8), (1.0,) * len(shape))


def pool(case: Case, patch: tuple[int, ...], slice_axis: int | None = None) -> Pool:
    return Pool([case], patch, slice_axis, "cpu")


def view(start: list[int], patch: tuple[int, ...], matrix: np.ndarray | None = None, mirrored=()) -> View:
    d = len(patch)
    matrix = np.eye(d) if matrix is None else matrix
    return View([0], [start], patch, matrix[None], np.array([[axis in mirrored for axis in range(d)]]))


def drawn(n: int, start: list[int], patch: tuple[int, ...], spacing: tuple[float, ...]) -> View:
    """n views of one window, turned, scaled and mirrored at random."""
    rng = np.random.default_rng(0)
    spatial = draw_spatial(rng, np.array([spacing] * n), tuple(range(len(patch))), ALL_TURNED)
    return View([0] * n, [start] * n, patch, spatial.matrix, spatial.mirrored)


def test_a_plain_view_is_the_patch_as_it_was_cut():
    case = numbered(6, 7, 8, channels=2)
    plain = View.plain([0, 0], [[1, 2, 3], [0, 0, 0]], (3, 4, 4))
    image, label = plain.of(pool(case, (3, 4, 4)))
    assert torch.equal(image[0], case.image[:, 1:4, 2:6, 3:7])
    assert torch.equal(label[0], case.label[1:4, 2:6, 3:7])
    assert torch.equal(image[1], case.image[:, :3, :4, :4])
    restored, known = plain.undone(image)
    assert torch.equal(restored, image)
    assert (known.shape, bool(known.all())) == ((2, 3, 4, 4), True)


@pytest.mark.parametrize("mirrored", [(0,), (1,), (0, 1)])
def test_mirrored_axes_are_reversed(mirrored):
    case = numbered(6, 7)
    image, label = view([1, 2], (3, 4), mirrored=mirrored).of(pool(case, (3, 4)))
    assert torch.equal(image[0, 0], case.image[0, 1:4, 2:6].flip(mirrored))
    assert torch.equal(label[0], case.label[1:4, 2:6].flip(mirrored))
    restored, known = view([1, 2], (3, 4), mirrored=mirrored).undone(image)
    assert torch.equal(restored[0, 0], case.image[0, 1:4, 2:6])
    assert known.all()


@pytest.mark.parametrize("mirrored", [(), (0,), (1,)])
def test_a_patch_is_turned_about_its_centre_then_mirrored(mirrored):
    case = numbered(9, 8)
    turned = view([3, 2], (3, 3), QUARTER, mirrored)
    image, label = turned.of(pool(case, (3, 3)))
    wanted, labels = torch.zeros(3, 3), torch.zeros(3, 3, dtype=torch.uint8)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            wanted[1 + i, 1 + j] = case.image[0, 4 - j, 3 + i]
            labels[1 + i, 1 + j] = case.label[4 - j, 3 + i]
    torch.testing.assert_close(image[0, 0], wanted.flip(mirrored), atol=1e-3, rtol=0)
    assert torch.equal(label[0], labels.flip(mirrored))
    restored, known = turned.undone(image)
    torch.testing.assert_close(restored[0, 0], case.image[0, 3:6, 2:5], atol=1e-3, rtol=0)
    assert known.all()


def test_a_turned_patch_sees_what_lies_around_its_window_and_zero_beyond_the_case():
    # content of half the size: pixel i of 4 shows the window at 2 (i - 1.5) + 1.5, so -1.5, .5, 2.5, 4.5
    case = sloping(6, 6)
    image, _ = view([2, 1], (4, 4), 2 * np.eye(2)).of(pool(case, (4, 4)))
    rows, columns = np.array([0.5, 2.5, 4.5]), np.array([1.5, 3.5])
    wanted = (1 + 2 * rows[:, None] + 3 * columns[None]) / 100
    assert image[0, 0, :3, 1:3].flatten().tolist() == pytest.approx(wanted.flatten().tolist(), abs=1e-5)
    assert not image[0, 0, 3].any()  # row 6.5 of 6


@pytest.mark.parametrize(
    ("shape", "patch", "start", "spacing"),
    [((40, 40), (12, 10), [14, 15], (1.0, 1.0)), ((30, 30, 24), (8, 10, 6), [11, 10, 9], (1.0, 1.0, 2.5))],
)
def test_what_was_turned_is_turned_back(shape, patch, start, spacing):
    """On an image that linear interpolation gives exactly, wherever the way back stayed in view."""
    case, views = sloping(*shape), drawn(24, start, patch, spacing)
    image, _ = views.of(pool(case, patch))
    restored, known = views.undone(image)
    window = case.image[(0, *(slice(s, s + p) for s, p in zip(start, patch, strict=True)))]
    assert not torch.allclose(image[0, 0], window, atol=1e-2)
    for one, seen in zip(restored[:, 0], known, strict=True):
        torch.testing.assert_close(one[seen], window[seen], atol=1e-4, rtol=0)
    assert 0.4 < known.float().mean() < 1
    assert known[(slice(None), *(slice(p // 2 - 1, p // 2 + 1) for p in patch))].all()


def test_what_is_turned_back_is_known_only_where_it_was_in_view():
    # content of twice the size: of 8 pixels along an edge the middle 4 were seen
    _, known = view([0, 0], (8, 8), np.eye(2) / 2).undone(torch.ones(1, 1, 8, 8))
    wanted = torch.zeros(8, 8, dtype=torch.bool)
    wanted[2:6, 2:6] = True
    assert torch.equal(known[0], wanted)


def test_each_patch_goes_its_own_way():
    case, start = numbered(9, 9), [3, 3]
    matrices = np.stack([np.eye(2), QUARTER, np.eye(2), QUARTER])
    mirrored = np.array([[False, False], [False, False], [True, False], [True, False]])
    together = View([0] * 4, [start] * 4, (3, 3), matrices, mirrored)
    image, label = together.of(pool(case, (3, 3)))
    back, known = together.undone(image)
    for i in range(4):
        alone = View([0], [start], (3, 3), matrices[i : i + 1], mirrored[i : i + 1])
        one, its = alone.of(pool(case, (3, 3)))
        torch.testing.assert_close(image[i : i + 1], one)
        assert torch.equal(label[i : i + 1], its)
        torch.testing.assert_close(back[i : i + 1], alone.undone(one)[0])
    assert len({tuple(patch.flatten().round().tolist()) for patch in image}) == 4
    assert known.all()


def test_slices_of_a_volume_are_viewed_as_slices():
    case = numbered(6, 7, 8)
    seen = pool(case, (3, 4), slice_axis=2)  # the axis they lie across comes first
    image, label = view([5, 1, 2], (3, 4), mirrored=(1,)).of(seen)
    assert torch.equal(image[0, 0], case.image[0, 1:4, 2:6, 5].flip(1))
    assert torch.equal(label[0], case.label[1:4, 2:6, 5].flip(1))
    turned, _ = view([5, 2, 2], (3, 3), QUARTER).of(seen)
    wanted = torch.stack([case.image[0, 2:5, 2 + 1 + i, 5].flip(0) for i in (-1, 0, 1)])
    torch.testing.assert_close(turned[0, 0], wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("mirrored", [(), (0, 1)])
@pytest.mark.parametrize("matrix", [np.eye(2), QUARTER, np.eye(2) / 2])
def test_what_was_seen_is_left_as_it_is(matrix, mirrored):
    seen: Tensor = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    before = seen.clone()
    restored, known = view([0, 0], (4, 4), matrix, mirrored).undone(seen)
    assert torch.equal(seen, before)
    assert restored.shape == seen.shape
    assert (known.dtype, known.shape) == (torch.bool, (1, 4, 4))
