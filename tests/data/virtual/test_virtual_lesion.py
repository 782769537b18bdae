import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medseg_lab.data.virtual.lesion import CLASSES, Tumour, draw, fade, memberships, shares
from medseg_lab.data.virtual.settings import LesionSettings, RaterSettings, VirtualSettings
from medseg_lab.data.virtual.subject import subject
from medseg_lab.data.virtual.templates import anatomy

BALL = LesionSettings(irregularity=0.0)
MIDDLE = np.array([[80.0, 96.0, 80.0]])


def grown(tissue: torch.Tensor, tumour: Tumour, how: LesionSettings = BALL, seed: int = 0) -> torch.Tensor:
    """One tumour in the middle of a box of 4 mm voxels."""
    return memberships([tumour], MIDDLE, tissue, np.random.default_rng(seed), 4, how)[0]


def all_of(tissue: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.full((40, 48, 40), tissue), 3).movedim(-1, 0).float()


def ill(index: int, raters: RaterSettings | None = None, **knobs):
    return subject(0, index, VirtualSettings(resolution=4, lesion=LesionSettings(**knobs), raters=raters))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    irregularity=st.floats(0, 0.5),
    infiltration=st.floats(0, 15),
    rim=st.floats(0, 12),
    number=st.integers(1, 3),
)
def test_regions_lie_in_one_another_and_classes_partition_each_voxel(
    seed, irregularity, infiltration, rim, number
):
    how = LesionSettings(
        number=(number, number), size_mm=(12, 40), irregularity=irregularity, rim_mm=(rim, rim)
    ).model_copy(update={"infiltration_mm": (infiltration, infiltration)})
    rng = np.random.default_rng(seed)
    tumours = draw(rng, how)
    middles = rng.uniform(50, 110, (len(tumours), 3))
    tissue = anatomy(4)[:3]
    nested, left = memberships(tumours, middles, tissue, rng, 4, how)
    wt, tc, et = nested
    assert bool((wt >= tc).all())
    assert bool((tc >= et).all())
    assert bool((et >= 0).all())
    # Nothing grows where there is air, or fluid that is left.
    assert bool((wt <= left[1:].sum(0).clamp(max=1)).all())
    assert float(left.min()) >= 0
    torch.testing.assert_close(left.sum(0), tissue.sum(0))
    parts = shares(nested)
    assert len(parts) == len(CLASSES)
    assert float(parts.min()) >= 0
    torch.testing.assert_close(parts.sum(0), torch.ones(40, 48, 40))


def test_tumours_are_drawn_from_their_ranges_both_ends_of_the_number_included():
    how = LesionSettings(number=(1, 3), size_mm=(20, 30), rim_mm=(2, 3))
    drawn = [draw(np.random.default_rng(i), how) for i in range(40)]
    assert {len(tumours) for tumours in drawn} == {1, 2, 3}
    for tumours in drawn:
        radii = [tumour.radius for tumour in tumours]
        assert radii == sorted(radii, reverse=True)
        assert all(10 <= tumour.radius <= 15 and 2 <= tumour.rim <= 3 for tumour in tumours)


@pytest.mark.parametrize("radius", [14.0, 20.0, 28.0])
def test_in_even_tissue_core_and_whole_are_balls_of_the_sizes_asked_for(radius):
    wt, tc, et = grown(all_of(2), Tumour(radius, 12.0, 5.0, 1.0)).sum((1, 2, 3)) * 4**3
    assert float(tc) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)
    assert float(wt) == pytest.approx(4 / 3 * np.pi * (radius + 12) ** 3, rel=0.06)
    assert float(tc - et) == pytest.approx(4 / 3 * np.pi * (radius - 5) ** 3, rel=0.12)


def test_oedema_reaches_less_far_in_grey_matter_by_its_factor():
    how = LesionSettings(irregularity=0.0, spread=2.0)
    in_grey = grown(all_of(1), Tumour(10.0, 30.0, 3.0, 1.0), how)[0]
    # (10 + 30) mm of white matter are 20 mm of grey.
    assert float(in_grey.sum()) * 4**3 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.06)


def test_a_sheet_of_fluid_stops_a_tumour():
    parted = all_of(2)
    parted[:, 22:24] = torch.tensor([1.0, 0, 0])[:, None, None, None]
    free, stopped = (grown(t, Tumour(14.0, 12.0, 4.0, 1.0))[0, 24:].sum() for t in (all_of(2), parted))
    assert float(free) > 50
    assert float(stopped) < 0.02 * float(free)


def test_a_core_squeezes_out_the_fluid_that_it_encloses():
    with_cyst = all_of(2)
    with_cyst[:, 22, 24, 20] = torch.tensor([1.0, 0, 0])
    tumour = Tumour(24.0, 10.0, 4.0, 1.0)
    nested, left = memberships([tumour], MIDDLE, with_cyst, np.random.default_rng(0), 4, BALL)
    assert float(left[0, 22, 24, 20]) < 0.01
    assert float(nested[1, 22, 24, 20]) > 0.99


def test_a_border_falls_from_90_to_10_percent_over_its_width():
    assert fade(torch.tensor([3.0, 0.0, -3.0]), 6.0).tolist() == pytest.approx([0.9, 0.5, 0.1])


@pytest.mark.parametrize("index", range(3))
def test_a_larger_size_makes_a_larger_tumour(index):
    volumes = [(ill(index, size_mm=(s, s)).labels >= 2).sum().item() for s in (12.0, 18.0, 26.0, 38.0)]
    assert volumes == sorted(volumes)
    assert volumes[-1] > 3 * volumes[0] > 0


def test_the_number_asked_for_is_the_number_of_cores():
    for number in (1, 2, 3):
        found = []
        for index in range(4):
            made = ill(index, number=(number, number), size_mm=(18, 22), oedema_mm=(4, 6), irregularity=0.1)
            found.append(ndimage.label(made.shares[2:].sum(0).numpy() > 0.5)[1])
        assert number - 0.5 <= np.mean(found) <= number + 0.5


def test_a_tumour_that_finds_no_room_is_left_out():
    made = ill(0, size_mm=(400, 400))
    assert not made.labels.any()
    assert bool((made.shares[0] == 1).all())


def test_more_infiltration_leaves_more_voxels_in_doubt():
    bands = []
    for width in (2.0, 6.0, 12.0):
        made = ill(1, RaterSettings(), infiltration_mm=(width, width))
        bands.append(int(((made.distribution[0] > 0.1) & (made.distribution[0] < 0.9)).sum()))
    assert bands == sorted(set(bands))
    assert bands[-1] > 1.5 * bands[0]


def test_tumours_sit_in_the_brain():
    for index in range(6):
        made, healthy = ill(index, push=0.0), subject(0, index, VirtualSettings(resolution=4))
        ill_here = made.labels[0] > 0
        assert int(ill_here.sum()) > 40
        assert float(healthy.shares[0][ill_here].max()) < 0.5
        assert float(healthy.shares[2:].sum(0)[ill_here].mean()) > 0.85
