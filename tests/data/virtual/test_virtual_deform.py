import numpy as np
import pytest
import torch
import torch.nn.functional as F

from medseg_lab.data.virtual.deform import deformation, exponential
from medseg_lab.data.virtual.settings import VirtualSettings


@pytest.mark.parametrize("index", range(12))
def test_the_deformation_folds_nowhere(index, coarse, jacobian):
    rng = np.random.default_rng(np.random.SeedSequence([0, index]))
    determinant = jacobian(deformation(rng, (40, 48, 40), coarse))
    assert determinant.min() > 0.1
    assert determinant.max() < 10


def test_no_deformation_fetches_every_voxel_from_itself():
    still = VirtualSettings(resolution=4, velocity_mm=(), velocity_scale_mm=(), rotation_deg=0, scale=(1, 1))
    image = torch.rand(1, 1, 40, 48, 40)
    grid = deformation(np.random.default_rng(0), (40, 48, 40), still)
    fetched = F.grid_sample(image, grid, align_corners=False)
    torch.testing.assert_close(fetched, image, atol=1e-4, rtol=0)


def test_a_scale_of_nine_tenths_shrinks_the_head_by_its_cube(jacobian):
    smaller = VirtualSettings(resolution=4, velocity_mm=(), velocity_scale_mm=(), scale=(0.9, 0.9))
    determinant = jacobian(deformation(np.random.default_rng(0), (40, 48, 40), smaller))
    torch.testing.assert_close(determinant, torch.full_like(determinant, 0.9**-3), atol=1e-3, rtol=0)


def test_the_flow_of_a_constant_velocity_is_that_displacement():
    velocity = torch.full((3, 6, 6, 6), 0.1)
    torch.testing.assert_close(exponential(velocity), velocity)


def test_the_flow_backwards_undoes_the_flow():
    x = torch.linspace(-1, 1, 32)
    bump = 0.1 * torch.exp(-4 * (x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2))
    velocity = torch.stack([bump, torch.zeros_like(bump), torch.zeros_like(bump)])
    there, back = exponential(velocity), exponential(-velocity)
    identity = F.affine_grid(torch.eye(3, 4)[None], [1, 1, 32, 32, 32], align_corners=False)
    at = identity + back[None].permute(0, 2, 3, 4, 1)
    met = F.grid_sample(there[None], at, padding_mode="border", align_corners=False)[0]
    assert float((met + back).abs().max()) < 0.02 * float(there.abs().max())
