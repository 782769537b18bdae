import numpy as np
import pytest
import torch

from medseg_lab.data.card import Preprocessing
from medseg_lab.data.case import IGNORE
from medseg_lab.data.preprocess import prepare, resample, resampled_shape, zscore
from medseg_lab.data.readers.reader import Raw


def raw(image, label, spacing):
    return Raw("a", "a", np.asarray(image, np.float32), np.asarray(label, np.uint8), spacing)


def test_zscore_by_hand():
    image = torch.tensor([[1.0, 3.0], [10.0, 10.0]]).reshape(2, 2, 1)
    assert zscore(image).flatten().tolist() == [-1.0, 1.0, 0.0, 0.0]


def test_zscore_holds_at_intensities_of_millions():
    image = 1.7e6 + torch.arange(1000.0).reshape(1, 10, 100)
    scaled = zscore(image)
    assert abs(float(scaled.mean())) < 1e-5
    assert abs(float(scaled.std(correction=0)) - 1) < 1e-5


def test_a_constant_image_is_refused():
    with pytest.raises(ValueError, match=r"scan-7: expected an image that varies, got the constant 3\.0"):
        zscore(torch.full((1, 2, 2), 3.0), "scan-7")


def test_resampling_keeps_the_millimetres_covered():
    assert resampled_shape((10, 20, 5), (1.0, 1.0, 4.0), (2.0, 1.0, 1.0)) == (5, 20, 20)


def test_a_spacing_that_would_make_absurdly_many_voxels_is_refused():
    many = Preprocessing(patch=(4, 4, 4), spacing=(0.01, 0.01, 0.01))
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 4))
    with pytest.raises(ValueError, match=r"a: expected at most 1073741824 voxels .* spacing of \(100\.0, "):
        prepare(raw(image, np.zeros(image.shape), (100.0, 100.0, 100.0)), many)


def test_labels_stay_labels_when_resampled():
    label = torch.zeros((1, 4, 4, 4), dtype=torch.uint8)
    label[:, 2:] = 3
    finer = resample(label, (8, 8, 8))
    assert finer.unique().tolist() == [0, 3]
    assert torch.equal(finer[0, 4:], torch.full((4, 8, 8), 3, dtype=torch.uint8))


def test_what_is_left_open_stays_so_when_resampled():
    label = torch.zeros((1, 4, 4, 4), dtype=torch.uint8)
    label[:, 2:], label[:, :, 2:] = 1, IGNORE
    finer = resample(label, (8, 8, 8))[0]
    assert torch.equal(finer == IGNORE, (torch.arange(8) >= 4)[None, :, None].expand(8, 8, 8))
    assert finer.unique().tolist() == [0, 1, IGNORE]


def test_resampling_a_ramp_gives_the_ramp():
    ramp = torch.arange(4.0).view(1, 4, 1).expand(1, 4, 4)
    assert resample(ramp, (8, 4))[0, 1:-1, 0].tolist() == [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]


def test_a_resampled_case_carries_the_new_spacing():
    image, label = np.random.default_rng(0).normal(size=(1, 4, 4, 2)), np.zeros((1, 4, 4, 2))
    case = prepare(
        raw(image, label, (1.0, 1.0, 3.0)), Preprocessing(patch=(4, 4, 4), spacing=(1.0, 1.0, 1.0))
    )
    assert case.spacing == (1.0, 1.0, 1.0)
    assert case.image.shape == (1, 4, 4, 6)
    assert case.labels.shape == (1, 4, 4, 6)


def test_spacing_cannot_be_reached_from_none():
    with pytest.raises(ValueError, match="a: has no spacing"):
        prepare(
            raw(np.eye(4)[None], np.zeros((1, 4, 4)), None), Preprocessing(patch=(4, 4), spacing=(1.0, 1.0))
        )


def test_the_middle_is_cut_out_of_image_and_labels_before_they_are_normalised():
    image = np.arange(42.0).reshape(1, 6, 7)
    how = Preprocessing(patch=(2, 3), crop=(2, 9))
    found = prepare(raw(image, image % 5, None), how)
    assert found.labels.tolist() == [(np.arange(14, 28).reshape(2, 7) % 5).tolist()]
    assert abs(float(found.image.mean())) < 1e-6
    odd = prepare(raw(image, image % 5, None), Preprocessing(patch=(2, 3), crop=(5, 4)))
    assert odd.labels[0, :, 0].tolist() == [row % 5 for row in (1, 8, 15, 22, 29)]


def test_the_distribution_is_cut_like_the_labels():
    share = np.arange(6.0, dtype=np.float32).reshape(1, 2, 3)
    taken = Raw("a", "a", share, np.zeros((1, 2, 3), np.uint8), None, share)
    found = prepare(taken, Preprocessing(patch=(2, 1), crop=(2, 1)))
    assert found.distribution.tolist() == [[[1.0], [4.0]]]
