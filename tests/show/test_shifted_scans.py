"""Images of other scanners, drawn and predicted."""

import pytest
import torch
from toys import SCALE, tiny_cohort

from medseg_lab.outlook.other_scanner import as_from_another_scanner
from medseg_lab.show.shifted_scans import (
    SHIFTS,
    beside_variants,
    by_strength,
    of_tissues,
    shifted,
    shifted_scans,
    strength_curves,
)
from medseg_lab.training.supervised import Supervised
from tests.show.legible import assert_legible

COHORT = tiny_cohort(3, 2, shape=(20, 18, 16), patch=32)
FLAT = tiny_cohort(2, 2, shape=(20, 18), patch=32)


def learner(cohort=COHORT) -> Supervised:
    torch.manual_seed(0)
    made = Supervised(cohort.task, network=SCALE, spatial_dims=2).eval()
    made.network.weight.data.fill_(5.0)
    made.patch = (20, 18)
    return made


def test_a_volume_is_shifted_slice_by_slice_and_a_picture_as_it_is():
    case = COHORT.labelled[0]
    found = shifted(case, "contrast", 1.0, 2)
    one = case.image[:, :, :, 3][None]
    wanted = as_from_another_scanner(one, "contrast", 1.0, [0])
    torch.testing.assert_close(found.image[:, :, :, 3], wanted[0])
    assert found.image.shape == case.image.shape
    flat = FLAT.labelled[0]
    wanted = as_from_another_scanner(flat.image[None], "slices", 1.0, [0], flat.spacing)
    torch.testing.assert_close(shifted(flat, "slices", 1.0, 2).image, wanted[0])


def test_noise_repeats_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    first = shifted(COHORT.labelled[0], "noise", 1.0, 2, number=3).image
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    assert torch.equal(first, shifted(COHORT.labelled[0], "noise", 1.0, 2, number=3).image)


@pytest.mark.parametrize("cohort", [COHORT, FLAT], ids=["volumes", "pictures"])
def test_a_network_is_asked_at_every_strength(cohort):
    found = by_strength(learner(cohort), cohort.labelled, cohort.task, (0, 2))
    assert len(found) == len(SHIFTS) * 2 * len(cohort.labelled)
    still = found[found["strength"] == 0]
    assert (still["moved"] == 0).all()
    assert still.groupby("case")["dice"].nunique().eq(1).all()
    assert (found[found["strength"] == 2]["moved"] > 0).all()
    assert_legible(strength_curves(found))


@pytest.mark.parametrize("cohort", [COHORT, FLAT], ids=["volumes", "pictures"])
def test_the_picture_says_how_far_and_how_right(cohort):
    fig = shifted_scans(learner(cohort), cohort.labelled[0], cohort.task)(2.0)
    assert_legible(fig)
    assert "as it is: moved by 0.00 standard deviations" in fig.get_label()
    assert fig.get_label().count("Dice") == 5


def test_tissues_are_measured_by_hand():
    label = torch.tensor([[[2, 2]], [[3, 3]], [[3, 3]], [[0, 0]]])
    image = torch.tensor([[[1.0, 1.0]], [[2.0, 3.0]], [[4.0, 3.0]], [[9.0, 9.0]]])
    apart, rough = of_tissues(image, label)
    assert apart == pytest.approx(2.0)  # 3 and 1
    assert rough == pytest.approx(1.0)  # neighbours differ by 2 and 0, whose deviation is sqrt 2


def test_the_variants_stand_beside_the_functions():
    fig = beside_variants(resolution=4)
    assert len(fig.axes) == 12
    assert_legible(fig)
