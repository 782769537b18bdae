import pytest
import torch

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.virtual.settings import read_settings
from medseg_lab.data.virtual.subject import Subject, classes, subject

SHIFTS = ("shift-contrast", "shift-bias", "shift-noise", "shift-slices")


def made(*variants: str, index: int = 1) -> Subject:
    card = load_card("+".join(["virtual-brain", *variants]))
    settings = read_settings(card.virtual.settings, card.id).model_copy(update={"resolution": 4})
    assert classes(settings) == card.classes
    return subject(0, index, settings)


@pytest.mark.parametrize("others", [(), ("lesion",), ("raters",), ("lesion", "raters")])
@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_changes_the_scan_and_not_a_bit_of_the_truth(shift, others):
    plain, shifted = made(*others), made(*others, shift)
    assert torch.equal(plain.labels, shifted.labels)
    assert torch.equal(plain.shares, shifted.shares)
    if plain.distribution is not None:
        assert torch.equal(plain.distribution, shifted.distribution)
    for before, after in zip(plain.image, shifted.image, strict=True):
        assert float((before - after).abs().mean()) > 0.003


def test_every_shift_may_be_had_at_once():
    assert torch.equal(made("lesion").labels, made("lesion", *SHIFTS).labels)


def test_shifted_contrast_is_a_lesser_difference_of_grey_and_white():
    def difference(case: Subject) -> float:
        return float(case.image[case.labels == 3].mean() - case.image[case.labels == 2].mean())

    for index in range(4):
        assert difference(made("shift-contrast", index=index)) < 0.8 * difference(made(index=index))


def test_shifted_noise_is_at_least_one_and_a_half_times_as_strong_in_air():
    def in_air(case: Subject) -> float:
        return float(case.image[0][case.shares[0] > 0.999].mean())

    for index in range(4):
        assert in_air(made("shift-noise", index=index)) > 1.5 * in_air(made(index=index))


def test_shifted_bias_spreads_the_intensities_of_one_tissue():
    def spread(case: Subject) -> float:
        white = case.image[case.labels == 3]
        return float(white.std() / white.mean())

    for index in range(4):
        assert spread(made("shift-bias", index=index)) > 1.2 * spread(made(index=index))


def test_thick_slices_blur_along_the_last_axis_alone():
    def roughness(case: Subject, axis: int) -> float:
        return float(case.image.diff(dim=axis).abs().mean())

    plain, thick = made(), made("shift-slices")
    along, across = (roughness(thick, axis) / roughness(plain, axis) for axis in (-1, 1))
    assert along < 0.97
    assert along < across - 0.02
