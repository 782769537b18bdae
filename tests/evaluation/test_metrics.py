"""The metrics against values by hand and against MONAI."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics import HausdorffDistanceMetric, SurfaceDiceMetric, SurfaceDistanceMetric, compute_iou
from monai.metrics.meandice import compute_dice
from scipy.ndimage import gaussian_filter

from medseg_lab.data.case import IGNORE
from medseg_lab.evaluation.metrics import METRICS, diagonal, score, surface


def line(*filled: int, length: int = 10) -> np.ndarray:
    """A strip of one-voxel width, 1 where filled."""
    strip = np.zeros((1, length), dtype=np.int64)
    strip[0, list(filled)] = 1
    return strip


def test_overlap_by_hand():
    # 4 voxels against 3, 2 shared: Dice 2*2/(4+3), IoU 2/5, precision 2/4.
    (row,) = score(line(2, 3, 4, 5), line(4, 5, 6), 2, None)
    assert row == pytest.approx({"dice": 4 / 7, "iou": 2 / 5, "precision": 2 / 4})


def test_distances_by_hand_in_millimetres():
    # In a strip every voxel is surface. 1 voxel is 2 mm. From {2,3} to {3,6}: 2, 0 mm; back: 0, 6 mm.
    (row,) = score(line(2, 3), line(3, 6), 2, (1.0, 2.0), tolerance=2.0)
    assert row["assd"] == pytest.approx((2 + 0 + 0 + 6) / 4)
    assert row["hd95"] == pytest.approx(0.95 * 6)  # linear interpolation between 0 and 6
    assert row["nsd"] == pytest.approx(3 / 4)


def test_a_shifted_cube_is_off_by_the_shift():
    label = np.zeros((12, 12, 12), dtype=np.int64)
    label[3:7, 3:7, 3:7] = 1
    prediction = np.roll(label, 1, axis=2)
    (row,) = score(prediction, label, 2, (1.0, 1.0, 5.0))
    assert row["dice"] == pytest.approx(2 * 48 / 128)
    assert row["hd95"] == pytest.approx(5.0)


def test_the_surface_of_a_cube_is_its_shell():
    cube = np.zeros((7, 7, 7), dtype=bool)
    cube[1:6, 1:6, 1:6] = True
    assert surface(cube).sum() == 5**3 - 3**3


def test_a_mask_that_touches_the_image_border_has_a_surface_there():
    assert surface(np.ones((3, 3), dtype=bool)).sum() == 8


def test_equal_masks_are_perfect():
    (row,) = score(line(2, 3), line(2, 3), 2, (1.0, 1.0))
    assert row == {"dice": 1, "iou": 1, "precision": 1, "hd95": 0, "assd": 0, "nsd": 1}


def test_a_class_that_is_neither_there_nor_predicted_has_no_value():
    (row,) = score(line(), line(), 2, (1.0, 1.0))
    assert set(row) == set(METRICS)
    assert np.isnan(list(row.values())).all()


@pytest.mark.parametrize(
    ("prediction", "precision"),
    [(line(2, 3), 1), (line(1, 2, 7, 8), 1 / 4), (line(7), 0), (line(), 0)],
)
def test_precision_is_the_share_of_the_prediction_that_is_there(prediction, precision):
    """What is missed does not count, unless nothing was predicted at all."""
    (row,) = score(prediction, line(2, 3, 4), 2, None, metrics=["precision"])
    assert row == {"precision": pytest.approx(precision)}


@pytest.mark.parametrize(("prediction", "label"), [(line(), line(1)), (line(1), line())])
def test_one_empty_is_the_worst(prediction, label):
    (row,) = score(prediction, label, 2, (1.0, 1.0))
    assert row == {"dice": 0, "iou": 0, "precision": 0, "hd95": np.inf, "assd": np.inf, "nsd": 0}


def test_without_spacing_there_are_no_distances():
    (row,) = score(line(1), line(1), 2, None)
    assert set(row) == {"dice", "iou", "precision"}


@pytest.mark.parametrize("metric", ["hd95", "assd", "nsd"])
def test_asking_for_a_distance_without_spacing_is_refused(metric):
    with pytest.raises(ValueError, match=f"{metric}.*spacing"):
        score(line(1), line(1), 2, None, metrics=[metric])


def test_unknown_metrics_shapes_and_classes_are_refused():
    with pytest.raises(ValueError, match="dise"):
        score(line(1), line(1), 2, None, metrics=["dise"])
    with pytest.raises(ValueError, match="shape"):
        score(line(1), line(1, length=9), 2, None)
    with pytest.raises(ValueError, match="classes"):
        score(line(1) * 2, line(1), 2, None)
    with pytest.raises(ValueError, match="one for each axis"):
        score(line(1), line(1), 2, (1.0, 1.0, 1.0))


def test_the_diagonal_joins_the_farthest_voxel_centres():
    assert diagonal((4, 5), (1.0, 1.0)) == pytest.approx(5.0)  # 3 and 4 steps
    assert diagonal((4, 1), (2.0, 9.0)) == pytest.approx(6.0)


def blobs(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth random regions of three classes, 0 to 2."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return np.digitize(noise, np.quantile(noise, [0.5, 0.8]))


@pytest.mark.parametrize(("shape", "spacing"), [((40, 31), (0.7, 1.9)), ((24, 31, 18), (1.0, 1.0, 1.0))])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_monai_on_random_blobs(seed, shape, spacing):
    _agrees_with_monai(blobs(seed, shape), blobs(seed + 100, shape), spacing)


def test_agrees_with_monai_on_anisotropic_volumes():
    near = np.roll(blobs(5, (24, 31, 18)), 1, axis=1)
    _agrees_with_monai(near, blobs(5, (24, 31, 18)), (0.5, 1.0, 3.0))


def _agrees_with_monai(prediction: np.ndarray, label: np.ndarray, spacing: tuple[float, ...]) -> None:
    rows = score(prediction, label, 3, spacing, tolerance=1.2)
    ours = {name: [row[name] for row in rows] for name in METRICS}
    one_hot = [torch.stack([torch.as_tensor(a == k) for k in range(3)])[None] for a in (prediction, label)]
    theirs = {
        "dice": compute_dice(*one_hot, include_background=False),
        "iou": compute_iou(*one_hot, include_background=False),
        "hd95": HausdorffDistanceMetric(percentile=95)(*one_hot, spacing=spacing),
        "assd": SurfaceDistanceMetric(symmetric=True)(*one_hot, spacing=spacing),
        "nsd": SurfaceDiceMetric(class_thresholds=[1.2, 1.2])(*one_hot, spacing=spacing),
    }
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values[0].numpy(), rtol=1e-5, err_msg=name)


def test_a_million_voxels_are_scored_in_about_a_second():
    prediction, label = np.zeros((2, 100, 100, 100), dtype=np.uint8)
    for k, edge in enumerate((95, 70, 45), start=1):
        label[5:edge, 5:edge, 5:edge] = k
        prediction[6:edge, 5 : edge + 1, 4:edge] = k
    start = time.process_time()
    score(prediction, label, 4, (1.0, 1.0, 1.0))
    assert time.process_time() - start < 2  # 0.2 s alone; shared machines are slower


def test_what_the_reference_leaves_open_counts_for_neither_by_hand():
    # Known: 0-6. There 3 voxels (2, 3, 4) against 2 (4, 5), 1 shared; 7-9 are left open, 7 and 8 predicted.
    reference = line(4, 5)
    reference[0, 7:] = IGNORE
    (row,) = score(line(2, 3, 4, 7, 8), reference, 2, (1.0, 2.0), tolerance=2.0)
    assert row["dice"] == pytest.approx(2 * 1 / (3 + 2))
    assert row["iou"] == pytest.approx(1 / 4)
    # To the reference 4, 2, 0 mm; back 0, 2 mm.
    assert row["assd"] == pytest.approx((4 + 2 + 0 + 0 + 2) / 5)
    assert row["nsd"] == pytest.approx(4 / 5)


@given(st.integers(0, 2**32))
def test_no_prediction_in_what_is_left_open_changes_a_score(seed):
    rng = np.random.default_rng(seed)
    prediction, label = rng.integers(0, 3, (2, 6, 7, 4))
    label[rng.random(label.shape) < 0.3] = IGNORE
    other = np.where(label == IGNORE, rng.integers(0, 3, label.shape), prediction)
    assert score(prediction, label, 3, (1.0, 1.0, 2.0)) == score(other, label, 3, (1.0, 1.0, 2.0))


def test_masks_that_both_reach_what_is_left_open_agree_along_it():
    reference = np.ones((5, 5), dtype=np.int64)
    reference[:, 3:] = IGNORE
    (row,) = score(np.ones((5, 5), dtype=np.int64), reference, 2, (1.0, 1.0))
    assert row == {"dice": 1, "iou": 1, "precision": 1, "hd95": 0, "assd": 0, "nsd": 1}


def test_a_reference_of_which_nothing_is_known_is_refused():
    with pytest.raises(ValueError, match=r"label: every voxel is 255 \(left open\)"):
        score(line(1), np.full_like(line(1), IGNORE), 2, None)


def test_a_prediction_is_never_left_open():
    with pytest.raises(ValueError, match="prediction: expected classes 0 to 1, got 0 to 255"):
        score(line(1) * IGNORE, line(1), 2, None)
