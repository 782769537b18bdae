import numpy as np
import pytest
import torch

from medseg_lab.data.virtual.fields import normed_kernel, smooth_noise, unit_field


@pytest.mark.parametrize("scale", [0.5, 1.3, 4.0, 25.0])
def test_the_variance_is_one_at_every_voxel_in_exact_arithmetic(scale):
    # z = sum over knots of a product of weights times N(0, 1): its variance is the product of squared norms.
    per_axis = [normed_kernel(n, scale).double().square().sum(1) for n in (7, 12, 9)]
    variance = torch.einsum("x,y,z->xyz", *per_axis)
    torch.testing.assert_close(variance, torch.ones(7, 12, 9, dtype=torch.float64), atol=1e-6, rtol=0)


def test_many_fields_have_mean_0_and_variance_1_at_edge_and_centre():
    draws = torch.cat([unit_field(np.random.default_rng(i), 500, (6, 7, 5), 3.0) for i in range(8)])
    # 4000 draws: the standard error of a mean is 0.016, of a variance 0.022; 210 voxels want 4.5 of them.
    assert float(draws.mean(0).abs().max()) < 4.5 * 0.016
    assert float((draws.var(0) - 1).abs().max()) < 4.5 * 0.0224


@pytest.mark.parametrize("scale", [2.0, 5.0])
def test_the_correlation_falls_as_a_gaussian_of_the_distance(scale):
    kernel = normed_kernel(30, scale).double()
    correlation = kernel @ kernel.T
    distance = torch.arange(30)[:, None] - torch.arange(30)
    torch.testing.assert_close(
        correlation, torch.exp(-(distance.double() ** 2) / (2 * scale**2)), atol=2e-3, rtol=0
    )


def test_axes_of_a_field_keep_their_order():
    assert unit_field(np.random.default_rng(0), 2, (4, 9, 6), 2.0).shape == (2, 4, 9, 6)
    # With a long scale along the box, neighbours differ little along every axis.
    field = unit_field(np.random.default_rng(0), 1, (8, 20, 12), 30.0)[0]
    assert max(float(field.diff(dim=axis).abs().max()) for axis in range(3)) < 0.2


def test_smooth_noise_has_about_the_strength_asked_for():
    draws = torch.stack([smooth_noise(np.random.default_rng(i), 1, (20, 20, 20), 5, 3.0) for i in range(30)])
    assert 1.5 < float(draws.std()) < 3.2
