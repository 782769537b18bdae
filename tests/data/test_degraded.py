"""Worse scans of a case, by known strengths."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from toys import tiny_cohort

from medseg_lab.data.case import Case
from medseg_lab.data.degraded import DIALS, degraded, noise_of
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.preprocess import zscore
from medseg_lab.data.share import shared

LABEL = torch.zeros(1, 64, 48, dtype=torch.uint8)
LABEL[:, 16:48, 12:36] = 1


def scan(sd=0.1, ident="a", spacing=(1.0, 1.0)):
    """A bright square in noise of a known standard deviation."""
    noise = torch.randn(1, 64, 48, generator=torch.Generator().manual_seed(0))
    return Case(ident, "p", zscore(LABEL.float() + sd * noise), LABEL, spacing)


def contrast_to_noise(case):
    """The difference of the two means over the deviation within them."""
    inside, outside = case.image[LABEL == 1], case.image[LABEL == 0]
    within = torch.cat([inside - inside.mean(), outside - outside.mean()]).std()
    return float((inside.mean() - outside.mean()) / within)


def test_at_strength_0_it_is_the_case_itself():
    case = scan()
    assert degraded(case) is case


@pytest.mark.parametrize("dial", DIALS)
def test_labels_stay_and_the_image_is_z_scored_and_repeats(dial):
    case = scan()
    found, again = (degraded(case, **{dial: 0.5}) for _ in range(2))
    assert torch.equal(found.labels, case.labels)
    assert torch.equal(found.image, again.image)
    assert found.image.dtype == case.image.dtype
    assert found.image.mean().abs() < 1e-6
    assert abs(found.image.std(correction=0) - 1) < 1e-6
    assert not torch.equal(found.image, case.image)


def test_a_case_on_disk_is_degraded_like_one_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cohort = tiny_cohort(2, 2)
    in_memory, on_disk = cohort.labelled[0], shared(cohort).open().labelled[0]
    assert isinstance(on_disk, MappedCase)
    found = degraded(on_disk, noise=0.5)
    assert torch.equal(found.image, degraded(in_memory, noise=0.5).image)
    assert torch.equal(found.labels, in_memory.labels)


def test_chance_is_that_of_the_case():
    first, other = (degraded(scan(ident=name), noise=0.5).image for name in "ab")
    assert not torch.allclose(first, other)


def test_noise_of_white_noise_is_its_standard_deviation_whatever_the_edges():
    assert noise_of(scan(0.1).image[0].numpy() * LABEL.float().std().item(), [0, 1]) == pytest.approx(
        0.1, rel=0.06
    )
    ramp = np.add.outer(np.arange(9.0), 2 * np.arange(7.0))
    assert noise_of(ramp, [0, 1]) == 0


def test_contrast_that_is_lost_leaves_the_noise():
    """Half the contrast is half the contrast-to-noise ratio; without the noise kept it would stay."""
    before = contrast_to_noise(scan())
    assert contrast_to_noise(degraded(scan(), contrast=0.5)) == pytest.approx(before / 2, rel=0.05)
    assert contrast_to_noise(degraded(scan(), contrast=0.8)) == pytest.approx(before / 5, rel=0.08)


def test_noise_is_in_standard_deviations_of_the_image():
    """Noise of .5 on a square that has hardly any: its means are apart by 1 over .4330, the image's own."""
    found = contrast_to_noise(degraded(scan(0.001), noise=0.5))
    assert found == pytest.approx(1 / (0.5 * LABEL.float().std(correction=0).item()), rel=0.05)


def test_noise_that_is_added_is_another_than_that_which_is_kept():
    """So their variances add up: the image's own, and a quarter of the image's variance."""
    case, inside = scan(0.2), LABEL == 1
    apart = float(case.image[inside].mean() - case.image[~inside].mean())
    own = apart / contrast_to_noise(case)
    found = contrast_to_noise(degraded(case, contrast=0.5, noise=0.5))
    assert found == pytest.approx(apart / 2 / (own**2 + 0.25) ** 0.5, rel=0.05)


def test_blur_is_in_mm_and_leaves_the_noise():
    """At 2 mm a pixel, 2 mm are one pixel along both axes."""
    case = scan(0.0001, spacing=(2.0, 2.0))
    wanted = zscore(torch.from_numpy(ndimage.gaussian_filter(case.image.double().numpy(), (0, 1, 1))))
    assert (degraded(case, blur=2.0).image - wanted).abs().max() < 0.01
    noisy, plane = scan(0.2), [0, 1]
    worse = degraded(noisy, blur=1.0).image[0].numpy()
    share = noise_of(worse, plane) / noise_of(noisy.image[0].numpy(), plane)
    assert 0.9 < share < 1.15  # the image is z-scored anew, and so a little noisier


def test_shading_rises_from_one_side_to_the_other_and_is_the_same_in_all_slices():
    flat = torch.zeros(1, 9, 7, 4)
    flat[:, 4, 3, :] = 1e-6
    case = Case("a", "p", zscore(flat), torch.zeros(1, 9, 7, 4, dtype=torch.uint8), None)
    image = degraded(case, shading=1e5).image[0]  # nothing else is left of it
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1], 0].abs()
    assert torch.isclose(corners.max(), image.abs().max())
    torch.testing.assert_close(image[:5], -image[4:].flip(0, 1), atol=0.02, rtol=0)
    assert (image[..., 0] - image[..., 3]).abs().max() < 1e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shading_lies_in_the_plane_of_the_slices(axis):
    flat = torch.zeros(1, 6, 7, 8)
    flat[:, 3, 3, 3] = 1e-6
    case = Case("a", "p", zscore(flat), torch.zeros(1, 6, 7, 8, dtype=torch.uint8), None)
    image = degraded(case, shading=1e5, slice_axis=axis).image[0].movedim(axis, 0)
    assert (image - image[:1]).abs().max() < 1e-3
    assert image[0].diff(dim=0).abs().min() > 1e-2
    assert image[0].diff(dim=1).abs().min() > 1e-2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"noise": -1.0}, "noise: expected 0 or more, got -1.0"),
        ({"contrast": 1.0}, "contrast: expected 0 or more, below 1, got 1.0"),
    ],
)
def test_strengths_that_mean_nothing_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        degraded(scan(), **given)
