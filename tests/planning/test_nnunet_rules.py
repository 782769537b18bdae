"""nnU-Net's plans of known data sets, and what decides them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from medseg_lab.data.case import IGNORE
from medseg_lab.data.readers.reader import Raw
from medseg_lab.planning.fingerprint import (
    DataFingerprint,
    Intensity,
    cohort_fingerprint,
    data_fingerprint,
    inner_shape,
    of_equal_cases,
)
from medseg_lab.planning.plan import _shrunk, plan
from medseg_lab.planning.published import PUBLISHED, beside_published


@pytest.mark.parametrize("name", PUBLISHED)
def test_patches_are_the_published_ones(name):
    found = PUBLISHED[name].plan()
    assert {network: found[network].patch for network in ("2D", "3D")} == PUBLISHED[name].patch


def test_poolings_are_the_published_ones():
    strides = {name: one.plan()["3D"].levels.strides for name, one in PUBLISHED.items()}
    assert strides["hippocampus"] == ((2, 2, 2),) * 3
    assert strides["brain tumour"] == ((2, 2, 2),) * 5
    assert strides["ACDC"] == ((2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1))


def test_batches_are_the_published_ones_but_for_the_memory_that_is_reckoned_with():
    table = beside_published().set_index(["data set", "network"])
    assert (table.loc["hippocampus", "batch"] == table.loc["hippocampus", "published batch"]).all()
    assert table.loc[("brain tumour", "3D"), "batch"] == 2
    # values of the maps by hand: 5 maps of 32 channels and 4 classes at 224 x 256 x 20, and so on down
    voxels = 224 * 256 * 20
    values = voxels * (4 + 5 * (32 + 64 / 4 + 128 / 32 + 256 / 256 + 320 / 1024) + 2 * 320 / 4096)
    assert table.loc[("ACDC", "3D"), "batch"] == round(560e6 / values * 2) == 4  # the paper has 3
    near = table["batch"] / table["published batch"]
    assert near.drop(("ACDC", "3D")).between(0.96, 1.04).all()


def test_five_per_cent_of_all_voxels_cap_the_batch():
    few, many = (plan(of_equal_cases((40, 40, 40), (1, 1, 1), cases))["3D"].batch for cases in (100, 1000))
    assert few == 5
    assert many == 50
    assert plan(of_equal_cases((40, 40, 40), (1, 1, 1), 10))["3D"].batch == 2  # and never fewer


def test_a_coarse_axis_takes_its_tenth_percentile():
    spacings = np.tile([1.0, 1.0, 10.0], (100, 1))
    spacings[:20, 2] = 5.0
    shapes = np.tile([200, 200, 10], (100, 1))
    found = plan(DataFingerprint(("MRI",), ("background", "a"), shapes, spacings))
    assert found["3D"].spacing == (1.0, 1.0, 5.0)
    assert found["3D"].image == (200, 200, 20)
    assert "10.0 times longer and 20.0 times fewer" in found.decisions[0].reason
    shapes[:, 2] = 100  # coarse, but not few: the median stays
    assert plan(DataFingerprint(("MRI",), ("b", "a"), shapes, spacings))["3D"].spacing[2] == 10.0


def test_a_small_patch_calls_for_low_resolution():
    low = plan(of_equal_cases((512, 512, 512), (1, 1, 1)))
    assert [stage.name for stage in low.stages] == ["2D", "3D", "3D, low resolution"]
    full, coarse = low["3D"], low["3D, low resolution"]
    assert np.prod(full.patch) < 0.25 * 512**3
    assert np.prod(coarse.patch) >= 0.25 * np.prod(coarse.image)
    assert coarse.spacing[0] == pytest.approx(coarse.spacing[2])
    assert len(plan(of_equal_cases((128, 128, 128), (1, 1, 1))).stages) == 2
    # 3.5 patches in an image: where one patch is a quarter, half of the voxels are left
    assert len(plan(of_equal_cases((208, 208, 208), (1, 1, 1))).stages) == 2


def test_slices_are_cut_across_the_longest_voxels():
    assert plan(of_equal_cases((20, 128, 96), (5, 1, 1)))["2D"].image == (128, 96)
    assert plan(of_equal_cases((128, 96, 20), (1, 1, 5)))["2D"].image == (128, 96)


def test_pictures_have_one_network():
    found = plan(of_equal_cases((512, 384), None))
    assert [stage.name for stage in found.stages] == ["2D"]
    assert found.decisions[0].choice == "unknown"


def test_ct_is_clipped_and_a_mask_is_kept_where_much_is_cut_off():
    ct = DataFingerprint(
        ("CT",), ("b", "a"), np.full((5, 3), 64), None, intensities=(Intensity(-57.0, 164.0, 99.4, 39.4),)
    )
    assert plan(ct).decisions[1].choice == "clip to -57 to 164, less 99.4, by 39.4"
    assert "mask" in plan(replace(of_equal_cases((64, 64, 64), None), kept=0.7)).decisions[1].choice
    assert "mask" not in plan(replace(of_equal_cases((64, 64, 64), None), kept=0.8)).decisions[1].choice


def test_empty_borders_are_cut_off():
    image = np.zeros((2, 6, 7))
    image[0, 2, 1] = image[1, 4, 5] = -1
    assert inner_shape(image) == (3, 5)
    assert inner_shape(np.zeros((1, 4, 5))) == (4, 5)


def test_a_fingerprint_counts_the_files():
    from medseg_lab.data.choose import choose

    chosen = choose("virtual-brain")
    only = list(chosen.reader.patients())[:2]

    class Few:
        def patients(self):
            return only

        def read(self, case):
            return chosen.reader.read(case)

    found = data_fingerprint(Few(), chosen.card)
    raw = [chosen.reader.read(case) for case in only]
    assert found.spacings.tolist() == [list(one.spacing) for one in raw]
    assert found.cases == 2
    inside = np.concatenate([one.image[0][one.labels[0] > 0] for one in raw])
    assert found.intensities[0].mean == pytest.approx(inside.mean(), rel=0.01)
    assert found.intensities[0].low == pytest.approx(np.percentile(inside, 0.5), rel=0.05)


def test_a_cohort_is_planned_by_its_training_cases():
    from medseg_lab.data.cohort import load_cohort

    cohort = load_cohort("virtual-brain", cases=5, labelled=1)
    found = cohort_fingerprint(cohort)
    assert found.cases == len(cohort.labelled) + len(cohort.unlabelled)
    assert found.shapes[0].tolist() == list(cohort.labelled[0].image.shape[1:])
    assert {stage.name for stage in plan(found).stages} == {"2D", "3D"}


def test_a_patch_shrinks_where_it_covers_most_of_the_image():
    """Shares of 128/512, 160/512 and 96/100: the third axis goes first, though it is the shortest."""
    assert _shrunk((128, 160, 96), (1, 1, 1), (512, 512, 100)) == (128, 160, 80)
    assert _shrunk((64, 64, 64), (1, 1, 1), (64, 64, 64)) == (64, 64, 56)  # of equals the last


def test_for_a_low_resolution_the_finest_axes_are_coarsened_first():
    coarse = plan(of_equal_cases((512, 512, 128), (1, 1, 5)))["3D, low resolution"]
    assert coarse.spacing[2] == 5.0
    assert 1 < coarse.spacing[0] == coarse.spacing[1] < 2.5


def test_a_coarse_axis_is_made_no_finer_than_the_others():
    spacings = np.tile([1.0, 1.0, 10.0], (100, 1))
    spacings[:20, 2] = 0.5
    shapes = np.tile([200, 200, 10], (100, 1))
    assert plan(DataFingerprint(("MRI",), ("b", "a"), shapes, spacings))["3D"].spacing == (1.0, 1.0, 1.0)


def test_each_channel_is_scaled_by_its_own_intensities():
    both = Intensity(0.0, 9.0, 3.0, 2.0), Intensity(-57.0, 164.0, 99.4, 39.4)
    found = plan(DataFingerprint(("T1", "ct"), ("b", "a"), np.full((5, 3), 64), None, intensities=both))
    assert [one.choice for one in found.decisions[1:3]] == [
        "z-score of each image",
        "clip to -57 to 164, less 99.4, by 39.4",
    ]


@pytest.mark.parametrize(("distance", "said"), [(1.5, None), (5, "axis 2 waits for 2 while")])
def test_an_axis_is_said_to_wait_where_it_does(distance, said):
    stage = plan(of_equal_cases((128, 128, 64), (1, 1, distance)))["3D"]
    (reason,) = (one.reason for one in stage.decisions if one.about == "pooling")
    assert said in reason if said else "waits" not in reason


def test_a_fingerprint_leaves_out_what_nobody_labelled_and_empty_borders():
    """Of 4 x 5 pixels 2 x 3 are not empty; of these one is foreground and one is open."""
    image, label = np.zeros((1, 4, 5), np.float32), np.zeros((1, 4, 5), np.uint8)
    image[0, 1:3, 1:4] = [[7, 90, 1], [1, 1, 1]]
    label[0, 1, 1], label[0, 1, 2] = 1, IGNORE
    reader = SimpleNamespace(
        patients=lambda: {"a": "a"}, read=lambda case: Raw(case, case, image, label, None)
    )
    card = SimpleNamespace(modality=("light",), classes=("background", "a"))
    found = data_fingerprint(reader, card)
    assert (found.shapes.tolist(), found.spacings, found.kept) == ([[2, 3]], None, 6 / 20)
    assert found.intensities == (Intensity(7.0, 7.0, 7.0, 0.0),)
