"""Pixels among the features of a network, as numbers and as points."""

import numpy as np
import pytest
import torch
from toys import SMALL, task, tiny_cohort

from medseg_lab.data.case import IGNORE
from medseg_lab.outlook.compact_features import CompactFeatures
from medseg_lab.show.feature_geometry import feature_geometry, geometry, geometry_table, pixels_of
from medseg_lab.show.figure import described
from tests.show.legible import assert_legible

COHORT = tiny_cohort(3, 3, shape=(20, 18, 6))
TASK = COHORT.task


def learner(seed: int) -> CompactFeatures:
    torch.manual_seed(seed)
    found = CompactFeatures(task(2, 3), network=SMALL, spatial_dims=2).eval()
    found.patch = (15, 14)
    return found


def test_geometry_by_hand():
    """Class 0 points east twice and north once, its prototype nearer to the east; class 2 points north."""
    east, north = [2.0, 0.0], [0.0, 0.5]
    features = torch.tensor([east, east, north, north, north])
    found = geometry(features, torch.tensor([0, 0, 0, 2, IGNORE]), task(2, 3))
    assert found["overlap"] == pytest.approx(1 / 6)  # a third of class 0, nothing of class 2
    assert found["overlap, background"] == pytest.approx(1 / 3)
    assert found["overlap, b"] == 0
    assert np.isnan(found["overlap, a"])
    assert found["between"] == pytest.approx(1 / np.sqrt(5))  # of (2, 1) and (0, 1)
    assert found["within"] == pytest.approx((5 / 3 / np.sqrt(5) + 1) / 2)


def test_all_learners_are_asked_about_the_same_pixels_with_their_true_classes():
    one, other = (pixels_of(learner(seed), COHORT.labelled, number=50) for seed in (0, 1))
    assert torch.equal(one[1], other[1])
    assert one[0].shape == other[0].shape == (100, 4)
    assert not torch.equal(one[0], other[0])
    assert all(10 < (one[1] == k).sum() < 60 for k in range(3))


def test_features_are_those_of_the_pixels():
    """A network whose features are the image, of a case without noise: those of the class of each pixel."""
    plain = learner(0)
    case = COHORT.labelled[0]
    clean = type(case)(case.id, case.patient, case.label[None].float() + 1, case.labels, case.spacing)
    plain.network.decoder.forward = lambda encoded: encoded[0][:, :1]
    plain.network.encoder[0].forward = lambda x: x.repeat(1, 4, 1, 1)
    plain.network.head.forward = lambda x: x
    features, label = pixels_of(plain, [clean], number=40)
    assert torch.equal(features[:, 0], label.float() + 1)


def test_a_table_has_a_row_for_each_learner():
    found = geometry_table({"one": learner(0), "other": learner(1)}, COHORT.labelled, TASK)
    assert list(found.index) == ["one", "other"]
    assert found[["within", "between", "overlap"]].notna().all().all()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_picture_names_classes_trainings_and_numbers(classes):
    cohort = tiny_cohort(3, classes, shape=(20, 18, 6))
    torch.manual_seed(0)
    one = CompactFeatures(task(2, classes), network=SMALL, spatial_dims=2).eval()
    one.patch = (15, 14)
    draw = feature_geometry(
        {"few labels": {10: one}, "Compact features": {10: one}}, cohort.labelled, cohort.task
    )
    fig = draw(10)
    assert_legible(fig)
    assert "after 10. few labels: within" in described(fig)
    assert [text.get_text() for text in fig.legends[0].get_texts()] == list(cohort.task.classes)


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="cases: expected one or more"):
        pixels_of(learner(0), [])
    with pytest.raises(ValueError, match="expected one training or more"):
        feature_geometry({}, COHORT.labelled, TASK)
    with pytest.raises(ValueError, match="expected the same steps for all"):
        feature_geometry({"a": {1: learner(0)}, "b": {2: learner(0)}}, COHORT.labelled, TASK)
