"""Elastic deformation: a spline of a few control points that never folds, and the way back."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from medseg_lab.data.augment import (
    Augmentation,
    displacement,
    draw_spatial,
    margins,
    resample,
    turned,
)
from medseg_lab.data.case import Case
from medseg_lab.data.pool import Pool
from medseg_lab.data.view import View

PATCH = {2: (20, 24), 3: (16, 20, 12)}
DEFORMED = Augmentation(resampled=0.5, deformed=1.0, displacement_mm=(1.0, 4.0))
dimensions = pytest.mark.parametrize("d", [2, 3])


def drawn(d, n=4, how=DEFORMED, spacing=1.0, seed=0):
    spacings = np.broadcast_to(spacing, (n, d)).astype(float)
    return draw_spatial(np.random.default_rng(seed), spacings, tuple(range(d)), how)


def blocks(d, n=2, border=8):
    generator = torch.Generator().manual_seed(0)
    size = [edge + 2 * border for edge in PATCH[d]]
    return torch.randn(n, 2, *size, generator=generator), torch.zeros(n, *size)


@dimensions
def test_displacements_are_the_cubic_spline_of_scipy(d):
    control = np.random.default_rng(0).uniform(-0.5, 0.5, (2, d, 7, 6, 5)[: 2 + d])
    found = displacement(control, PATCH[d]).numpy()
    voxels = [np.arange(edge) + 0.5 for edge in PATCH[d]]
    at = [v / len(v) * (g - 3) + 1 for v, g in zip(voxels, control.shape[2:], strict=True)]
    places = np.meshgrid(*at, indexing="ij")
    for n in range(2):
        for axis in range(d):
            wanted = map_coordinates(control[n, axis], places, order=3, prefilter=False)
            np.testing.assert_allclose(found[n, axis], wanted, atol=1e-6)


def test_control_points_that_move_alike_shift_the_patch():
    image, _ = blocks(2)
    control = np.tile(np.array([1.0, -2.0])[None, :, None, None], (2, 1, 5, 6))
    moved, label = resample(image, image[:, 0], np.stack([np.eye(2)] * 2), (20, 24), control)
    torch.testing.assert_close(moved, image[:, :, 9:29, 6:30], atol=1e-5, rtol=0)
    torch.testing.assert_close(label, image[:, 0, 9:29, 6:30], atol=0, rtol=0)


@dimensions
def test_deforming_equals_monais_warp_by_the_same_displacement(d):
    from monai.networks.blocks import Warp

    image, label = blocks(d, border=0)
    control = drawn(d, n=2).control
    plain = np.stack([np.eye(d)] * 2)
    moved, _ = resample(image, label, plain, PATCH[d], control)
    wanted = Warp(mode="bilinear", padding_mode="zeros")(image, displacement(control, PATCH[d]))
    torch.testing.assert_close(moved, wanted, atol=1e-4, rtol=0)


@dimensions
def test_a_patch_is_displaced_before_the_matrix(d):
    """It shows at p what is at matrix (p + u(p)), here read off an image that is its own place."""
    image = torch.stack(torch.meshgrid(*(torch.arange(p + 40.0) for p in PATCH[d]), indexing="ij"))
    centre = [(p + 39) / 2 for p in PATCH[d]]
    image -= torch.tensor(centre).view(d, *[1] * d)
    spatial = drawn(d, n=8)
    i = int(turned(spatial.matrix)[0])
    matrix, control = spatial.matrix[i : i + 1], spatial.control[i : i + 1]
    moved, _ = resample(image[None], image[:1], matrix, PATCH[d], control)
    own = torch.stack(torch.meshgrid(*(torch.arange(p) - (p - 1) / 2 for p in PATCH[d]), indexing="ij"))
    places = own + displacement(control, PATCH[d])[0]
    wanted = torch.einsum("ij,j...->i...", torch.from_numpy(matrix[0]).float(), places)
    torch.testing.assert_close(moved[0], wanted, atol=1e-3, rtol=0)


@dimensions
@pytest.mark.parametrize("seed", range(3))
def test_it_never_folds_however_strong(d, seed):
    """The determinant of its Jacobian is positive: neighbours stay in order."""
    control = np.random.default_rng(seed).choice([-100.0, 100.0], (4, d, *[7] * d))
    moved = displacement(control, (64,) * d).numpy()
    assert np.abs(moved).max() > 3
    jacobian = np.stack([np.gradient(moved[:, i], axis=tuple(range(1, d + 1))) for i in range(d)])
    jacobian = np.moveaxis(jacobian, (0, 1), (-2, -1)) + np.eye(d)
    assert np.linalg.det(jacobian).min() > 0


@dimensions
def test_image_and_label_are_deformed_together(d):
    size = [edge + 16 for edge in PATCH[d]]
    axes = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    ball = (sum(axis**2 for axis in axes) < 16).float()
    spatial = drawn(d, n=1)
    moved, kept = resample(
        ball[None, None], ball[None].to(torch.uint8), spatial.matrix, PATCH[d], spatial.control
    )
    inside, outside = moved[0, 0] > 0.99, moved[0, 0] < 0.01
    assert inside.sum() > 5
    assert kept[0][inside].min() == 1
    assert kept[0][outside].max() == 0
    assert not torch.equal(kept[0], ball.to(torch.uint8)[(slice(8, -8),) * d])


@dimensions
@pytest.mark.parametrize("seed", range(3))
def test_margins_reach_all_that_a_deformed_patch_reads(d, seed):
    spatial, patch = drawn(d, n=2, seed=seed), PATCH[d]
    wide = margins(spatial.matrix, patch, spatial.control)
    image, label = blocks(d, border=40 if d == 2 else 24)
    inner = [
        slice((n - p) // 2 - m, (n + p) // 2 + m)
        for n, p, m in zip(label.shape[1:], patch, wide, strict=True)
    ]
    small = resample(image[:, :, *inner], label[:, *inner], spatial.matrix, patch, spatial.control)[0]
    large = resample(image, label, spatial.matrix, patch, spatial.control)[0]
    torch.testing.assert_close(small, large, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("shape", "patch", "start", "spacing"),
    [((60, 64), (20, 24), [20, 20], (1.0, 1.0)), ((48, 50, 40), (16, 20, 12), [16, 15, 14], (1.0, 1.0, 2.0))],
)
def test_what_was_deformed_is_brought_back(shape, patch, start, spacing):
    """On an image that linear interpolation gives exactly, wherever the way back stayed in view."""
    axes = torch.meshgrid(*(torch.arange(n).float() for n in shape), indexing="ij")
    image = 1 + sum((2 + a) * axis for a, axis in enumerate(axes)) / 10
    case = Case("c", "p", image[None], torch.zeros((1, *shape), dtype=torch.uint8), spacing)
    spatial = drawn(len(patch), n=12, spacing=spacing)
    view = View([0] * 12, [start] * 12, patch, spatial.matrix, spatial.mirrored, spatial.control)
    seen, _ = view.of(Pool([case], patch, None, "cpu"))
    window = image[tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))]
    restored, known = view.undone(seen)
    voxel = 0.2  # the image changes by that, or more, from a voxel to the next
    assert (seen[:, 0] - window).abs().mean() > voxel
    for one, where in zip(restored[:, 0], known, strict=True):
        torch.testing.assert_close(one[where], window[where], atol=voxel / 4, rtol=0)
    assert 0.4 < known.float().mean() < 1


def test_it_is_drawn_last_and_of_a_share():
    """So that what is drawn without it is drawn with it, too."""
    some = drawn(2, n=400, how=Augmentation(deformed=0.3))
    none = drawn(2, n=400, how=Augmentation())
    assert none.control is None
    np.testing.assert_array_equal(some.matrix, none.matrix)
    np.testing.assert_array_equal(some.mirrored, none.mirrored)
    assert abs(some.control.any(axis=(1, 2, 3)).mean() - 0.3) < 0.07
    assert len(turned(none.matrix)) < len(turned(some.matrix, some.control)) < 400


def test_displacements_are_in_millimetres_and_none_across_thick_slices():
    how = Augmentation(deformed=1.0, displacement_mm=(2.0, 2.0), control=5)
    control = drawn(3, n=60, how=how, spacing=(1.0, 0.5, 4.0)).control
    assert control.shape == (60, 3, 8, 8, 8)
    np.testing.assert_allclose(control.std(axis=(0, 2, 3, 4)), [2.0, 4.0, 0.0], rtol=0.03)


def test_gamma_equals_monais():
    from monai.transforms import AdjustContrast

    from medseg_lab.data.augment import Intensity, change_intensity

    image = torch.randn(2, 1, 8, 9, generator=torch.Generator().manual_seed(0))
    gamma = np.array([0.7, 1.5])
    still = np.zeros(2)
    found = change_intensity(image.clone(), Intensity(still + 1, still, gamma, still, 0))
    for one, exponent, changed in zip(image, gamma, found, strict=True):
        torch.testing.assert_close(
            changed, torch.as_tensor(AdjustContrast(gamma=exponent)(one)), atol=1e-4, rtol=0
        )
