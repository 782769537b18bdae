"""Elastic warps: shifts by hand, directions axis by axis, and the way back."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from medseg_lab.semi.transforms import warp as warps
from medseg_lab.semi.transforms.warp import Warp, draw_warp, pull

SHAPES = [(40, 56), (96, 96), (32, 36, 30)]


def shift(shape: tuple[int, ...], axis: int, by: float) -> Warp:
    """Every voxel shows what is `by` voxels further along one axis."""
    displacement = torch.zeros(1, len(shape), *shape)
    displacement[:, axis] = by
    return Warp(displacement, -displacement)


def row(displacement: list[float], inverse: list[float]) -> Warp:
    """A warp of a row of pixels, `(1, n)`."""
    along = [torch.tensor(u).view(1, 1, 1, -1) for u in (displacement, inverse)]
    return Warp(*(torch.cat((torch.zeros_like(u), u), dim=1) for u in along))


def interior(dims: int, edge: int = 10) -> tuple[slice, ...]:
    return (slice(None), *[slice(edge, -edge)] * dims)


def places(shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.meshgrid(*(np.arange(edge, dtype=float) for edge in shape), indexing="ij"))


def waves(shape: tuple[int, ...]) -> Tensor:
    """A smooth image, `(1, 1, *S)`: a wave of 30 voxels along each axis."""
    found = sum(np.sin(2 * np.pi * place / 30 + axis) for axis, place in enumerate(places(shape)))
    return torch.from_numpy(found)[None, None].float()


def residue(there: Tensor, back: Tensor) -> np.ndarray:
    """|u(p + u'(p)) + u'(p)| in voxels, `(*S)`, of one patch: how far from home both together lead."""
    u, inverse = there.double().numpy(), back.double().numpy()
    at = places(u.shape[1:]) + inverse
    moved = np.stack([map_coordinates(component, at, order=1, mode="nearest") for component in u])
    return np.linalg.norm(moved + inverse, axis=0)


def determinants(displacement: Tensor) -> np.ndarray:
    """Of the Jacobian of p + u(p) of one patch, by central differences: what a voxel's volume becomes."""
    u = displacement.double().numpy()
    jacobian = np.stack([np.stack(np.gradient(component)) for component in u])  # (d, d, *S)
    jacobian = np.moveaxis(jacobian, (0, 1), (-2, -1)) + np.eye(len(u))
    return np.linalg.det(jacobian)


@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 7), 0), ((5, 7), 1), ((4, 5, 6), 0), ((4, 5, 6), 1), ((4, 5, 6), 2)]
)
def test_a_shift_shows_what_is_further_along_its_axis_alone(shape, axis):
    image = torch.randn(1, 2, *shape)
    last = shape[axis] - 1
    moved = image.movedim(axis + 2, 0)
    by_one = shift(shape, axis, 1)(image).movedim(axis + 2, 0)
    torch.testing.assert_close(by_one[:last], moved[1:])
    torch.testing.assert_close(by_one[last], torch.zeros_like(by_one[last]), atol=1e-4, rtol=0)
    by_half = shift(shape, axis, 0.5)(image).movedim(axis + 2, 0)
    torch.testing.assert_close(by_half[:last], (moved[:-1] + moved[1:]) / 2, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(by_half[last], moved[last] / 2, atol=1e-5, rtol=1e-4)
    back = shift(shape, axis, 1).inverse(image).movedim(axis + 2, 0)
    torch.testing.assert_close(back[1:], moved[:-1])


def test_voxels_that_come_from_beyond_are_not_inside():
    maps = torch.zeros(3, 2, 4, 5)
    wanted = torch.ones(1, 4, 5, dtype=torch.bool)
    wanted[..., -1] = False
    assert torch.equal(shift((4, 5), 1, 0.5).inside(maps[:1]), wanted)
    assert torch.equal(shift((4, 5), 1, 1).inside(maps[:1]), wanted)
    assert torch.equal(shift((4, 5), 1, -1).inside(maps[:1]), wanted.flip(-1))
    assert shift((4, 5), 1, 0).inside(maps[:1]).all()


def test_then_applies_the_second_to_what_the_first_gives():
    # the first shows x(p + 1), the second x(2 p): together x(2 p + 1); the other way round x(2 (p + 1))
    image = torch.tensor([5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0, 29.0]).view(1, 1, 1, 8)
    further = row([1.0] * 8, [-1.0] * 8)
    spread = row([float(p) for p in range(8)], [-p / 2 for p in range(8)])
    for both, wanted in (
        (further.then(spread), [7.0, 13.0, 19.0, 29.0]),
        (spread.then(further), [11.0, 17.0, 23.0]),
    ):
        torch.testing.assert_close(both(image).flatten()[: len(wanted)], torch.tensor(wanted))
    torch.testing.assert_close(further.then(spread)(image)[..., :3], spread(further(image))[..., :3])
    # undone: q = 2 p + 1 is seen again at p = (q - 1) / 2
    back = further.then(spread).inverse.displacement[0, 1, 0]
    torch.testing.assert_close(back[1:], torch.tensor([(q - 1) / 2 - q for q in range(1, 8)]))


def test_a_constant_velocity_moves_by_itself(monkeypatch):
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.ones(shape))
    found = draw_warp(torch.zeros(2, 1, 20, 33), displacement=2.5)
    torch.testing.assert_close(found.displacement, torch.full((2, 2, 20, 33), 2.5))
    torch.testing.assert_close(found.inverse_displacement, torch.full((2, 2, 20, 33), -2.5))


def test_a_velocity_towards_the_centre_shrinks_by_its_exponential(monkeypatch):
    # x' = -x / 2 for a unit of time: x becomes x exp(-1/2). Control points are the corners of 17^3 voxels
    def towards_the_centre(shape, **_):
        ends = torch.tensor([8.0, -8.0]) / 2
        return torch.stack(
            [ends.view([-1 if a == axis else 1 for a in range(3)]).expand(2, 2, 2) for axis in range(3)]
        )[None]

    monkeypatch.setattr(torch, "randn", towards_the_centre)
    found = draw_warp(torch.zeros(1, 1, 17, 17, 17), displacement=1.0).displacement[0]
    wanted = (np.exp(-0.5) - 1) * (places((17, 17, 17)) - 8)
    np.testing.assert_allclose(found.numpy(), wanted, atol=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_warp_and_its_inverse_lead_home_within_half_a_voxel(shape):
    torch.manual_seed(0)
    drawn = draw_warp(torch.zeros(6, 1, *shape))
    inner = interior(len(shape))[1:]
    pairs = list(zip(drawn.displacement, drawn.inverse_displacement, strict=True))
    found = np.stack(
        [residue(u, back)[inner] for one, other in pairs for u, back in ((one, other), (other, one))]
    )
    assert found.max() < 0.5
    assert found.mean() < 0.04
    assert drawn.displacement.norm(dim=1).mean() > 2  # it is not that nothing moved


@pytest.mark.parametrize("shape", SHAPES)
def test_a_smooth_image_is_itself_again_after_a_warp_and_its_inverse(shape):
    torch.manual_seed(1)
    image = waves(shape).expand(4, 1, *shape)
    drawn = draw_warp(image)
    out = drawn(image)
    back = drawn.inverse(out)
    known = drawn.inverse(drawn.inside(image)[:, None].float()) > 0.999
    amplitude = float(image.abs().max())
    assert known.float().mean() > 0.6
    assert (back - image)[known].abs().mean() < 0.01 * amplitude
    assert (back - image)[known].abs().max() < 0.1 * amplitude
    assert (out - image)[known].abs().mean() > 0.1 * amplitude


@pytest.mark.parametrize("shape", SHAPES)
def test_no_drawn_warp_folds(shape):
    torch.manual_seed(2)
    drawn = draw_warp(torch.zeros(12, 1, *shape))
    for displacement in (*drawn.displacement, *drawn.inverse_displacement):
        assert determinants(displacement).min() > 0


def test_without_the_integration_it_would_fold(monkeypatch):
    """What scaling and squaring is for: the same velocity, taken as the displacement, folds."""
    monkeypatch.setattr(warps, "SQUARINGS", 0)
    torch.manual_seed(2)
    drawn = draw_warp(torch.zeros(12, 1, 48, 48))
    assert min(determinants(displacement).min() for displacement in drawn.displacement) < 0


def test_control_points_lie_every_so_many_voxels_and_spread_as_they_are_told():
    # so little that the displacement is the velocity; between control points that is linear in 3D
    torch.manual_seed(0)
    drawn = draw_warp(torch.zeros(30, 1, 33, 17, 17), displacement=1e-3)
    u = drawn.displacement / 1e-3
    bends = u.diff(n=2, dim=2).abs().amax(dim=(0, 1, 3, 4))  # bends[i] is that at voxel i + 1
    assert bends.argmax() == 15
    assert bends[15] > 30 * bends[torch.arange(len(bends)) != 15].max()
    corners = u[:, :, ::16, ::16, ::16]
    assert corners.std().item() == pytest.approx(1, abs=0.05)
    closer = draw_warp(torch.zeros(4, 1, 33, 17, 17), displacement=1e-3, control=8).displacement
    bends = closer.diff(n=2, dim=2).abs().amax(dim=(0, 1, 3, 4))
    assert sorted(bends.topk(3).indices.tolist()) == [7, 15, 23]


def test_each_patch_is_warped_its_own_way_by_pytorchs_global_generator():
    like = torch.zeros(3, 1, 16, 16)
    torch.manual_seed(0)
    first, second = draw_warp(like).displacement, draw_warp(like).displacement
    torch.manual_seed(0)
    assert torch.equal(draw_warp(like).displacement, first)
    fields = [*first, *second]
    assert all((a - b).abs().max() > 0.5 for i, a in enumerate(fields) for b in fields[:i])


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 3)])
def test_gradients_flow_back_through_the_warp(shape):
    torch.manual_seed(0)
    maps = torch.randn(2, 1, *shape, dtype=torch.float64, requires_grad=True)
    displacement = torch.randn(2, len(shape), *shape, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda image: Warp(displacement, displacement)(image), (maps,))


def test_the_warp_is_as_fine_under_autocast():
    def warped(low: bool) -> Tensor:
        torch.manual_seed(0)
        maps = torch.randn(1, 1, 64, 64)
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            drawn = draw_warp(maps)
            return drawn.then(drawn)(maps)

    assert torch.equal(warped(low=True), warped(low=False))


def test_a_displacement_beyond_the_patch_takes_the_borders_or_zeros():
    image = torch.arange(1.0, 5.0).view(1, 1, 1, 4)
    beyond = torch.zeros(1, 2, 1, 4)
    beyond[:, 1] = 2
    torch.testing.assert_close(pull(image, beyond).flatten(), torch.tensor([3.0, 4.0, 0.0, 0.0]))
    bordered = pull(image, beyond, padding="border").flatten()
    torch.testing.assert_close(bordered, torch.tensor([3.0, 4.0, 4.0, 4.0]))
