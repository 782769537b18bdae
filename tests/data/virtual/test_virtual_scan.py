import numpy as np
import pytest
import torch

from medseg_lab.data.virtual.scan import scan, slice_profile
from medseg_lab.data.virtual.settings import VirtualSettings
from medseg_lab.data.virtual.templates import anatomy, templates

CLEAN = VirtualSettings(
    resolution=4,
    means=((0.3, 0.3), (0.6, 0.6), (0.9, 0.9)),
    texture=0,
    drift=0,
    bias=(0, 0),
    noise=(0, 0),
    thickness_mm=(4, 4),
)


def test_without_artefacts_the_image_is_the_means_weighted_by_the_shares():
    maps = anatomy(4)
    image = scan(maps[:3], maps[3], np.random.default_rng(0), CLEAN)
    torch.testing.assert_close(image, 0.3 * maps[0] + 0.6 * maps[1] + 0.9 * maps[2])


def test_other_means_make_another_contrast():
    maps = anatomy(4)
    image = scan(maps[:3], maps[3], np.random.default_rng(0), CLEAN, ((1.0, 1.0), (0.5, 0.5), (0.2, 0.2)))
    torch.testing.assert_close(image, maps[0] + 0.5 * maps[1] + 0.2 * maps[2])


def test_noise_in_air_is_rayleigh():
    air = torch.zeros(3, 40, 48, 40)
    noisy = CLEAN.model_copy(update={"noise": (0.05, 0.05)})
    image = scan(air, air[0], np.random.default_rng(0), noisy)
    # The mean of a Rayleigh distribution is sigma sqrt(pi / 2).
    assert float(image.mean()) == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.01)


def test_a_thick_slice_averages_across_slices_only():
    impulse = torch.zeros(3, 3, 7)
    impulse[1, 1, 3] = 1
    thick = slice_profile(impulse, 2.0)
    assert thick[1, 1].tolist() == [0, 0, 0.25, 0.5, 0.25, 0, 0]
    assert float(thick.sum()) == 1


def test_template_fractions_are_fractions():
    maps = templates(4)
    assert maps.shape == (4, 40, 48, 40)
    assert maps.min() >= 0
    assert maps[:3].sum(0).max() <= 1 + 1e-5


def test_a_box_of_broken_voxels_is_refused():
    with pytest.raises(ValueError, match="got 3"):
        templates(3)
