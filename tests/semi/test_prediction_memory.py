"""What is remembered of a case, on cases of a few voxels."""

import numpy as np
import pytest
import torch
from torch import Tensor

from medseg_lab.data.augment import Augmentation, draw_spatial
from medseg_lab.data.view import View
from medseg_lab.semi.memory import Memory

QUARTER = np.array([[0.0, -1.0], [1.0, 0.0]])
"""The patch at (i, j) about the centre shows the window at (-j, i)."""


def view(start: list[int], patch: tuple[int, ...], matrix: np.ndarray | None = None, mirrored=()) -> View:
    d = len(patch)
    matrix = np.eye(d) if matrix is None else matrix
    return View([0], [start], patch, matrix[None], np.array([[axis in mirrored for axis in range(d)]]))


def whole(memory: Memory, case: int = 0) -> tuple[Tensor, Tensor]:
    """The corrected mean of a case `(K, *S)` and how often each of its voxels was predicted `(*S)`."""
    shape = memory.shapes[case]
    mean, times = memory.windows([case], [[0] * len(shape)], shape)
    return mean[0, : memory.classes], times[0]


def two_classes(foreground: Tensor) -> Tensor:
    """`(1, 2, *P)` of `(*P)`."""
    return torch.stack((1 - foreground, foreground))[None]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_the_memory_moves_by_the_formula_and_is_corrected(momentum):
    """Z <- a Z + (1 - a) z from zero on; what is recalled is Z / (1 - a^t)."""
    memory, place, z = Memory([(4, 5)], 2, momentum), view([1, 1], (2, 3)), torch.zeros(2, 3)
    for step in range(1, 6):
        seen = drawn(2, 3, seed=step)
        z = momentum * z + (1 - momentum) * seen
        memory.remember(place, two_classes(seen))
        past, known, _ = memory.recall(place)
        assert known.all()
        torch.testing.assert_close(past, two_classes(z / (1 - momentum**step)), atol=2e-3, rtol=0)
        torch.testing.assert_close(memory.mean0[1, 1:3, 1:4].float(), z, atol=1e-3, rtol=0)


def test_nothing_is_known_before_it_was_seen():
    memory = Memory([(4, 5)], 2, 0.6)
    past, known, _ = memory.recall(view([0, 0], (4, 5)))
    assert not known.any()
    assert torch.equal(past, torch.zeros(1, 2, 4, 5))
    memory.remember(view([0, 0], (2, 2)), two_classes(drawn(2, 2)))
    _, known, _ = memory.recall(view([0, 0], (4, 5)))
    wanted = torch.zeros(4, 5, dtype=torch.bool)
    wanted[:2, :2] = True
    assert torch.equal(known[0], wanted)


def test_each_voxel_counts_for_itself():
    # two patches of a row that share its middle: seen once, twice, once
    memory = Memory([(1, 5)], 2, 0.6)
    memory.remember(view([0, 0], (1, 3)), two_classes(torch.full((1, 3), 0.5)))
    memory.remember(view([0, 2], (1, 3)), two_classes(torch.full((1, 3), 1.0)))
    mean, times = whole(memory)
    assert times[0].tolist() == [1, 1, 2, 1, 1]
    assert mean[1, 0].tolist() == pytest.approx([0.5, 0.5, 0.8125, 1.0, 1.0], abs=1e-3)


def test_two_patches_of_a_batch_may_be_of_one_case():
    memory = Memory([(1, 3), (2, 2)], 2, 0.6)
    both = View.plain([0, 0, 1], [[0, 0], [0, 1], [0, 0]], (1, 2))
    seen = torch.tensor([0.5, 1.0, 0.25]).view(3, 1, 1).expand(3, 1, 2)
    memory.remember(both, torch.stack((1 - seen, seen), dim=1))
    mean, times = whole(memory)
    assert times[0].tolist() == [1, 2, 1]
    assert mean[1, 0].tolist() == pytest.approx([0.5, 0.8125, 1.0], abs=1e-3)
    mean, times = whole(memory, 1)
    assert times.tolist() == [[1, 1], [0, 0]]
    assert mean[1].flatten().tolist() == pytest.approx([0.25, 0.25, 0, 0], abs=1e-3)


def test_a_mirrored_patch_is_remembered_in_the_frame_of_its_case():
    memory, seen = Memory([(4, 6)], 2, 0.6), drawn(2, 3)
    memory.remember(view([1, 2], (2, 3), mirrored=(1,)), two_classes(seen))
    mean, times = whole(memory)
    torch.testing.assert_close(mean[1, 1:3, 2:5], seen.flip(1), atol=1e-3, rtol=0)
    assert int(times.sum()) == 6
    past, _, _ = memory.recall(view([1, 2], (2, 3), mirrored=(0,)))
    torch.testing.assert_close(past[0, 1], seen.flip(1).flip(0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("mirrored", [(), (0,), (0, 1)])
def test_a_turned_patch_is_remembered_in_the_frame_of_its_case(mirrored):
    """A quarter turn maps voxels onto voxels: the window is written out one by one."""
    memory, seen = Memory([(5, 6)], 2, 0.6), drawn(3, 3)
    turned = view([1, 2], (3, 3), QUARTER, mirrored)
    memory.remember(turned, two_classes(seen))
    unmirrored = seen.flip(mirrored)
    window = torch.zeros(3, 3)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            window[1 - j, 1 + i] = unmirrored[1 + i, 1 + j]
    mean, times = whole(memory)
    torch.testing.assert_close(mean[1, 1:4, 2:5], window, atol=2e-3, rtol=0)
    assert int(times.sum()) == int(times[1:4, 2:5].sum()) == 9
    past, known, _ = memory.recall(turned)  # turned again, it is what was seen
    assert known.all()
    torch.testing.assert_close(past[0, 1], seen, atol=2e-3, rtol=0)


def test_of_an_enlarged_patch_only_what_was_in_view_is_remembered():
    # Content of twice the size: 8 pixels show the middle 4 of the window. That at offset .5 of it was seen
    # at offset 1, between the pixels at .5 and 1.5; that at 1.5 at offset 3, between 2.5 and 3.5.
    memory = Memory([(12, 12)], 2, 0.6)
    seen = torch.arange(8.0).expand(8, 8) / 8
    memory.remember(view([2, 2], (8, 8), np.eye(2) / 2), two_classes(seen))
    mean, times = whole(memory)
    wanted = torch.zeros(12, 12, dtype=torch.uint8)
    wanted[4:8, 4:8] = 1
    assert torch.equal(times, wanted)
    row = [0.5 / 8, 2.5 / 8, 4.5 / 8, 6.5 / 8]
    torch.testing.assert_close(mean[1, 4:8, 4:8], torch.tensor(row).expand(4, 4), atol=1e-3, rtol=0)


def test_a_patch_that_hangs_over_the_border_is_cut_off_there():
    memory, seen = Memory([(3, 4)], 2, 0.6), drawn(5, 3)
    over = view([-1, 2], (5, 3))
    memory.remember(over, two_classes(seen))
    mean, times = whole(memory)
    torch.testing.assert_close(mean[1, :, 2:], seen[1:4, :2], atol=1e-3, rtol=0)
    assert times.tolist() == [[0, 0, 1, 1]] * 3
    past, known, inside = memory.recall(over)
    wanted = torch.zeros(5, 3, dtype=torch.bool)
    wanted[1:4, :2] = True
    assert torch.equal(known[0], wanted)
    assert torch.equal(inside[0], wanted)
    torch.testing.assert_close(past[0, 1][wanted], seen[wanted], atol=1e-3, rtol=0)


def test_slices_are_remembered_in_their_volume():
    memory, seen = Memory([(3, 4, 5)], 2, 0.6), drawn(2, 3)
    place = View([0], [[2, 1, 1]], (2, 3), np.eye(2)[None], np.array([[True, False]]))
    memory.remember(place, two_classes(seen))
    mean, times = whole(memory)
    torch.testing.assert_close(mean[1, 2, 1:3, 1:4], seen.flip(0), atol=1e-3, rtol=0)
    assert int(times.sum()) == int(times[2, 1:3, 1:4].sum()) == 6
    past, known, _ = memory.recall(place)
    assert known.all()
    torch.testing.assert_close(past, two_classes(seen), atol=1e-3, rtol=0)


def test_a_volume_is_remembered_in_three_dimensions():
    memory, seen = Memory([(4, 4, 5)], 3, 0.6), drawn(1, 3, 2, 3, 3).softmax(1)
    place = View([0], [[1, 0, 2]], (2, 3, 3), np.eye(3)[None], np.array([[False, True, True]]))
    memory.remember(place, seen)
    mean, times = whole(memory)
    torch.testing.assert_close(mean[:, 1:3, :3, 2:5], seen[0].flip(2, 3), atol=1e-3, rtol=0)
    assert int(times.sum()) == int(times[1:3, :3, 2:5].sum()) == 18


@pytest.mark.parametrize("dims", [2, 3])
def test_where_there_is_a_past_it_is_one_of_probabilities(dims):
    """However patches were turned: nothing of what was never seen, or lies beyond, is mixed in."""
    rng = np.random.default_rng(0)
    memory, patch = Memory([(14, 16, 12)[:dims]], 2, 0.6), (8,) * dims
    everywhere = torch.full((1, 1, *patch), 0.8)
    counts = []
    for _ in range(12):
        spatial = draw_spatial(rng, np.ones((1, dims)), (0, 1), Augmentation(resampled=1.0))
        place = View([0], [rng.integers(-2, 7, dims).tolist()], patch, spatial.matrix, spatial.mirrored)
        past, known, _ = memory.recall(place)
        counts.append(int(known.sum()))
        torch.testing.assert_close(past[:, 1][known], torch.full((counts[-1],), 0.8), atol=1e-2, rtol=0)
        memory.remember(place, torch.cat((1 - everywhere, everywhere), dim=1))
    assert counts[0] == 0
    assert max(counts) > 8**dims / 2


def test_after_255_predictions_the_count_stays_and_the_memory_still_moves():
    memory, place = Memory([(1, 1)], 2, 0.6), view([0, 0], (1, 1))
    for _ in range(300):
        memory.remember(place, two_classes(torch.tensor([[0.25]])))
    assert memory.times0.item() == 255
    assert memory.recall(place)[0][0, 1].item() == pytest.approx(0.25, abs=1e-3)
    memory.remember(place, two_classes(torch.tensor([[0.75]])))
    assert memory.times0.item() == 255
    assert memory.recall(place)[0][0, 1].item() == pytest.approx(0.45, abs=1e-3)


def test_it_is_kept_in_half_precision_and_in_a_checkpoint():
    memory = Memory([(4, 5), (3, 3)], 2, 0.6)
    kept = {name: (value.dtype, tuple(value.shape)) for name, value in memory.state_dict().items()}
    assert kept == {
        "mean0": (torch.float16, (2, 4, 5)),
        "times0": (torch.uint8, (4, 5)),
        "mean1": (torch.float16, (2, 3, 3)),
        "times1": (torch.uint8, (3, 3)),
    }
    assert list(memory.parameters()) == []


def test_what_is_remembered_is_not_changed_and_carries_no_gradient():
    memory, seen = Memory([(4, 6)], 2, 0.6), two_classes(drawn(2, 3)).requires_grad_()
    before = seen.detach().clone()
    memory.remember(view([0, 0], (2, 3), mirrored=(0, 1)), seen)
    assert torch.equal(seen, before)
    assert not memory.mean0.requires_grad
