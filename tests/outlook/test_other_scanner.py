"""Shifts of grey values on patches where the answer is known, and beside the virtual subjects' variants."""

import numpy as np
import pytest
import torch

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.preprocess import zscore
from medseg_lab.data.virtual.settings import read_settings
from medseg_lab.data.virtual.subject import subject
from medseg_lab.outlook.other_scanner import (
    as_from_another_scanner,
    brightened,
    coil_fields,
    distance,
    noisier,
    saturated,
    standardised_as,
    thicker,
)

SHIFTS = ("contrast", "bias", "noise", "slices")


def row(*values: float) -> torch.Tensor:
    """A patch of one row, `(1, 1, 1, n)`."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_the_curve_spreads_dark_values_and_joins_bright_ones():
    # x = 0, .25, .5, 1 and a = 2: 3 x / (1 + 2 x) = 0, .5, .75, 1; here between -1 and 3
    torch.testing.assert_close(saturated(row(-1, 0, 1, 3), 2.0), row(-1, 1, 2, 3))
    ramp = torch.linspace(0, 1, 2001).view(1, 1, 1, -1)
    steps = saturated(ramp, 2.0).flatten().diff() / ramp.flatten().diff()
    assert (steps > 0).all()  # the order of grey values is kept
    assert steps[0].item() == pytest.approx(3, rel=0.01)
    assert steps[-1].item() == pytest.approx(1 / 3, rel=0.01)


def test_every_channel_has_a_curve_of_its_own():
    image = torch.cat([row(0, 1, 2), row(0, 10, 20)], dim=1)
    torch.testing.assert_close(saturated(image, 2.0), torch.cat([row(0, 1.5, 2), row(0, 15, 20)], dim=1))


def test_a_coil_multiplies_what_is_above_air():
    gain = torch.tensor([0.0, 1.0, -1.0]).view(1, 1, 1, 3)
    e = np.e
    torch.testing.assert_close(brightened(row(-1, 0, 1), gain), row(-1, -1 + e, -1 + 2 / e))


def test_a_coils_field_is_smooth_and_that_of_the_case():
    image = torch.zeros(3, 1, 40, 48)
    fields = coil_fields(image, [4, 5, 4], (2.0, 2.0))
    assert fields.shape == (3, 1, 40, 48)
    assert torch.equal(fields[0], fields[2])
    assert not torch.equal(fields[0], fields[1])
    # 70 mm are 35 voxels, between whose knots it is linear: neighbours differ by a small part of its range
    assert fields.diff(dim=-1).abs().max() < 0.12 * (fields.max() - fields.min())
    many = coil_fields(torch.zeros(400, 1, 40, 48), range(400), (2.0, 2.0))
    assert many.std().item() == pytest.approx(0.85, abs=0.2)
    assert coil_fields(torch.zeros(1, 2, 8, 9, 10), [0], (1.0, 1.0, 1.0)).shape == (1, 1, 8, 9, 10)


def test_noise_adds_its_variance():
    torch.manual_seed(1)
    image = 3 * noise(1, 1, 300, 300)
    assert noisier(image, 0.5).var().item() == pytest.approx(9 * 1.25, rel=0.02)


def test_a_thick_slice_is_the_mean_of_neighbours():
    torch.testing.assert_close(thicker(row(0, 0, 3, 0, 0), 3.0), row(0, 1, 1, 1, 0))
    torch.testing.assert_close(thicker(row(0, 0, 4, 0, 0), 2.0), row(0, 1, 2, 1, 0))  # half of each outer one
    torch.testing.assert_close(thicker(row(1, 2, 3), 0.5), row(1, 2, 3))
    image = noise(2, 3, 4, 5)
    assert torch.equal(thicker(image, 3.0)[1, 2, 3], thicker(image[1:, 2:, 3:], 3.0)[0, 0, 0])


def test_a_thick_slice_is_as_thick_in_mm_whatever_the_voxels():
    """6.3 mm are 6.3 voxels of 1 mm, and 2.1 of 3 mm along the last axis."""
    image = noise(1, 1, 9, 40)
    for spacing, voxels in (((1.0, 1.0), 6.3), ((1.0, 3.0), 2.1)):
        wanted = standardised_as(thicker(image, voxels), image)
        torch.testing.assert_close(as_from_another_scanner(image, "slices", 1.0, [0], spacing), wanted)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_patch_keeps_mean_and_spread_of_each_channel_and_moves_with_the_strength(shift):
    torch.manual_seed(0)
    image = 2 * noise(2, 3, 20, 24) + torch.tensor([0.0, 1.0, 5.0]).view(1, 3, 1, 1)
    moved = [as_from_another_scanner(image, shift, s, [0, 1], (2.0, 2.0)) for s in (0.5, 1.0, 2.0)]
    for one in moved:
        torch.testing.assert_close(one.mean((2, 3)), image.mean((2, 3)), atol=1e-4, rtol=0)
        torch.testing.assert_close(one.std((2, 3)), image.std((2, 3)), atol=1e-3, rtol=0)
    far = [distance(image, one).item() for one in moved]
    assert 0 < far[0] < far[1] < far[2]


def test_strength_0_is_the_image_itself_and_a_constant_patch_stays():
    image, flat = noise(1, 1, 4, 5), torch.full((1, 1, 4, 5), 0.3)
    for shift in SHIFTS:
        assert as_from_another_scanner(image, shift, 0, [0]) is image
        torch.testing.assert_close(as_from_another_scanner(flat, shift, 1.0, [0]), flat)


def test_the_distance_is_in_standard_deviations():
    assert distance(row(-2, 2), row(-2, 4)).item() == pytest.approx(2**0.5 / 2)
    torch.testing.assert_close(standardised_as(row(0, 2), row(5, 9)), row(5, 9))


@pytest.mark.parametrize("shift", ["contrast", "noise"])
def test_it_does_what_the_variant_of_the_virtual_subjects_does(shift):
    """The same people under both scanners: how far tissues are apart, or how much neighbours differ."""
    settings = load_card(f"virtual-brain+shift-{shift}").virtual.settings
    said = []
    for person in range(3):
        plain, other = (subject(0, person, read_settings(how, "test")) for how in ({}, settings))
        image, wanted = zscore(plain.image), zscore(other.image)
        torch.manual_seed(0)
        found = as_from_another_scanner(image[None], shift, 1.0, [person], (2.0, 2.0, 2.0))[0]
        said.append([of_tissues(each[0], plain.labels[0])[shift] for each in (image, wanted, found)])
    before, after, ours = np.mean(said, axis=0)
    assert (np.abs(ours - after) < 0.4 * np.abs(before - after)).all(), (before, after, ours)


def of_tissues(image: torch.Tensor, label: torch.Tensor) -> dict[str, np.ndarray]:
    """Mean grey values of CSF and white matter over that of grey matter, and noise in white matter."""
    csf, grey, white = (image[label == k].mean().item() for k in (1, 2, 3))
    inside = (label[:, :, 1:] == 3) & (label[:, :, :-1] == 3)
    rough = image.diff(dim=2)[inside].std().item() / 2**0.5
    return {"contrast": np.array([grey - csf, white - grey]), "noise": np.array([rough])}
