"""Turns, flips and a scale: by hand on a few pixels, and undone."""

from itertools import chain, combinations, product

import pytest
import torch
from torch import Tensor

from medseg_lab.semi.transforms.similarity import Similarity, draw_similarity

FOUR = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])


def square(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def ramp(shape: tuple[int, ...], axis: int) -> Tensor:
    """The index along one axis, `(1, 1, *S)`."""
    steps = torch.arange(float(shape[axis]))
    return steps.view([-1 if a == axis else 1 for a in range(len(shape))]).expand(1, 1, *shape)


def smooth(shape: tuple[int, ...]) -> Tensor:
    """A wave along each axis, of periods that differ and are long against a voxel."""
    waves = [torch.sin(0.2 * ramp(shape, axis) + axis) for axis in range(len(shape))]
    return torch.stack(waves).sum(dim=0)


def subsets(d: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(range(d), n) for n in range(d + 1)))


def every(shape: tuple[int, ...]) -> list[Similarity]:
    """All turns and flips of a patch: half turns only where a plane's edges differ."""
    planes = [
        [(a, b, q) for q in (range(4) if shape[a] == shape[b] else (0, 2))]
        for a, b in combinations(range(len(shape)), 2)
    ]
    return [Similarity(turns, flipped) for turns in product(*planes) for flipped in subsets(len(shape))]


@pytest.mark.parametrize(
    ("transformation", "wanted"),
    [
        (Similarity(), square([0, 1], [2, 3])),
        (Similarity(turns=((0, 1, 1),)), square([1, 3], [0, 2])),
        (Similarity(turns=((0, 1, 2),)), square([3, 2], [1, 0])),
        (Similarity(turns=((0, 1, 3),)), square([2, 0], [3, 1])),
        (Similarity(flipped=(0,)), square([2, 3], [0, 1])),
        (Similarity(flipped=(1,)), square([1, 0], [3, 2])),
        # the turn first: the other way round it would be [0, 2], [1, 3]
        (Similarity(turns=((0, 1, 1),), flipped=(1,)), square([3, 1], [2, 0])),
    ],
)
def test_turns_then_flips_of_four_pixels(transformation, wanted):
    assert torch.equal(transformation(FOUR), wanted)


def test_turns_of_a_volume_come_one_after_the_other():
    volume = torch.arange(27.0).view(1, 1, 3, 3, 3)
    found = Similarity(turns=((0, 1, 1), (1, 2, 1)))(volume)
    # a quarter in the plane of (a, b): the voxel at (i, j) comes from (j, last - i); last = 2
    for i, j, k in product(range(3), repeat=3):
        between = (i, k, 2 - j)  # where (i, j, k) is before the second turn
        before = (between[1], 2 - between[0], between[2])
        assert found[0, 0, i, j, k] == volume[0, 0, *before]


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (3, 3, 3), (2, 4, 4), (2, 3, 4)])
def test_turns_and_flips_are_undone_bit_for_bit(shape):
    maps = torch.randn(2, 3, *shape)
    transformations = every(shape)
    moved = 0
    for transformation in transformations:
        out = transformation(maps)
        assert out.shape == maps.shape
        assert torch.equal(transformation.inverse(out), maps)
        moved += not torch.equal(out, maps)
    assert moved > len(transformations) / 2


def test_every_turn_and_flip_of_a_square_is_one_of_its_eight_symmetries_twice():
    found = [tuple(t(FOUR).flatten().tolist()) for t in every((2, 2))]
    assert len(found) == 16
    assert {found.count(image) for image in found} == {2}


@pytest.mark.parametrize(("shape", "axis"), [((4, 4), 0), ((6, 4), 1), ((4, 6, 8), 0), ((8, 6, 4), 2)])
def test_a_scale_of_two_spreads_four_pixels_over_twice_the_room(shape, axis):
    # -1.5, -0.5, 0.5, 1.5 from the centre show what was half as far from it
    found = Similarity(scale=2.0)(ramp(shape, axis)).movedim(axis + 2, 0).flatten(1)
    torch.testing.assert_close(found, torch.tensor([0.75, 1.25, 1.75, 2.25])[:, None].expand_as(found))


def test_a_scale_of_a_half_shows_what_was_twice_as_far_and_zeros_beyond():
    # rows 0 and 3 would come from -1.5 and 4.5, which is beyond the patch
    half = Similarity(scale=0.5)
    found = half(ramp((4, 4), 0) + 1)[0, 0, :, 1]
    torch.testing.assert_close(found, torch.tensor([0.0, 1.5, 3.5, 0.0]))
    wanted = torch.zeros(1, 4, 4, dtype=torch.bool)
    wanted[:, 1:3, 1:3] = True
    assert torch.equal(half.inside(torch.randn(5, 2, 4, 4)), wanted)


def test_the_scale_comes_before_the_turns_and_leaves_the_centre():
    image = smooth((8, 8))
    turn, scale = Similarity(turns=((0, 1, 1),)), Similarity(scale=1.2)
    both = Similarity(turns=((0, 1, 1),), scale=1.2)
    torch.testing.assert_close(both(image), turn(scale(image)))
    odd = smooth((9, 7))
    torch.testing.assert_close(scale(odd)[..., 4, 3], odd[..., 4, 3])


def test_all_voxels_of_a_turned_or_enlarged_patch_come_from_within():
    for transformation in (*every((4, 4)), Similarity(scale=1.25), Similarity(scale=1.001)):
        assert transformation.inside(torch.randn(2, 3, 4, 4)).all()
    for edge in (5, 48, 63, 96):
        assert Similarity(scale=1.1).inside(torch.zeros(1, 1, edge, edge)).all()
        assert not Similarity(scale=0.99).inside(torch.zeros(1, 1, edge, edge))[:, [0, -1]].any()


@pytest.mark.parametrize("shape", [(40, 56), (24, 24, 24)])
@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_a_scale_of_a_smooth_map_is_undone_within_the_error_of_linear_interpolation(shape, scale):
    # at most f''/8 along each axis: f'' is 0.2^2 at first, and 0.2^2 / scale^2 on the way back
    turns = ((0, 1, 2 if shape[0] != shape[1] else 3),)
    there, maps = Similarity(turns, (1,), scale), smooth(shape)
    out = there(maps)
    back, known = there.inverse(out), there.inverse(there.inside(maps)[:, None].float()) > 0.999
    inner = (slice(None), slice(None), *[slice(6, -6)] * len(shape))
    assert known[inner].all() or scale > 1  # what was pushed out of the patch is lost
    assert (back - maps)[known].abs().max() < len(shape) * 0.2**2 / 8 * (1 + 1 / scale**2)
    assert (out - maps)[inner].abs().max() > 0.2


@pytest.mark.parametrize("shape", [(6, 6), (6, 8), (6, 6, 6), (4, 6, 6)])
def test_a_draw_reaches_every_turn_every_flip_and_both_ends_of_the_scale(shape):
    torch.manual_seed(0)
    drawn = [draw_similarity(shape, tuple(range(len(shape)))) for _ in range(600)]
    for number, (a, b) in enumerate(combinations(range(len(shape)), 2)):
        quarters = [transformation.turns[number] for transformation in drawn]
        allowed = range(4) if shape[a] == shape[b] else (0, 2)
        assert set(quarters) == {(a, b, q) for q in allowed}
        for q in allowed:
            assert quarters.count((a, b, q)) == pytest.approx(600 / len(allowed), abs=60)
    flips = [transformation.flipped for transformation in drawn]
    assert set(flips) == set(subsets(len(shape)))
    for axis in range(len(shape)):
        assert sum(axis in flip for flip in flips) == pytest.approx(300, abs=60)
    scales = [transformation.scale for transformation in drawn]
    assert 0.8 <= min(scales) < 0.805
    assert 1.24 < max(scales) <= 1.25


def test_only_axes_that_may_be_mirrored_are_flipped():
    torch.manual_seed(0)
    assert {draw_similarity((6, 8), ()).flipped for _ in range(20)} == {()}
    assert {draw_similarity((6, 8), (1,)).flipped for _ in range(20)} == {(), (1,)}


def test_halving_is_as_likely_as_doubling():
    # of 1/2 to 8, evenly in the logarithm: one of four is below 1, one of two below 2
    torch.manual_seed(0)
    scales = torch.tensor([draw_similarity((4, 4), (), (0.5, 8.0)).scale for _ in range(2000)])
    assert (scales < 1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert (scales < 2).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_chance_comes_from_pytorchs_global_generator():
    torch.manual_seed(3)
    first, second = draw_similarity((4, 4, 4), (0,)), draw_similarity((4, 4, 4), (0,))
    torch.manual_seed(3)
    assert draw_similarity((4, 4, 4), (0,)) == first != second


def test_the_scale_is_as_fine_under_autocast():
    maps, transformation = torch.randn(1, 1, 64, 64), Similarity(scale=1.1)
    with torch.autocast("cpu", torch.bfloat16):
        found = transformation(maps)
    assert torch.equal(found, transformation(maps))
