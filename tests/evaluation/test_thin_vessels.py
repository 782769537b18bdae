"""Thin vessels: lines of known width."""

import numpy as np
import pandas as pd
import pytest
import torch
from toys import SMALL, tiny_cohort

from medseg_lab.evaluation.protocol import judge_of
from medseg_lab.evaluation.thin_vessels import ThinVesselJudge, thin, thin_recall
from medseg_lab.training.supervised import Supervised


def lines(*widths):
    """Vertical lines, each in a picture of 40 rows, 20 columns apart."""
    mask = np.zeros((40, 20 * len(widths)), dtype=bool)
    for number, width in enumerate(widths):
        mask[5:35, 20 * number + 5 : 20 * number + 5 + width] = True
    return mask


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_a_line_is_thin_up_to_its_own_width(width):
    middle = (slice(12, 28), slice(None))  # ends of a wide line are narrower
    mask = lines(width)
    assert np.array_equal(thin(mask, width)[middle], mask[middle])
    assert not thin(mask, width - 1)[middle].any()


def test_beyond_the_image_is_outside():
    mask = np.zeros((40, 20), dtype=bool)
    mask[:, :5] = True
    assert thin(mask, 5)[12:28, :5].all()
    assert not thin(mask, 4)[12:28].any()


def test_in_a_volume_too():
    mask = np.zeros((20, 9, 9), dtype=bool)
    mask[:, 3:6, 3:6] = True
    assert thin(mask, 3)[6:14].sum() == 8 * 9
    assert not thin(mask, 2)[6:14].any()


def test_recall_counts_thin_pixels_alone():
    label = lines(1, 9).astype(np.uint8)
    prediction = label.copy()
    prediction[5:20, 5] = 0  # half of the thin line
    assert thin_recall(prediction, label, 1, 1) == 0.5
    wide = label.copy()
    wide[:, 20:] = 0  # the wide line is missed altogether
    assert thin_recall(wide, label, 1, 1) == 1
    assert np.isnan(thin_recall(prediction, np.zeros_like(label), 1, 3))
    label[5:20] = 255  # left open
    assert thin_recall(prediction, label, 1, 1) == 1


def test_the_judge_adds_one_column_to_those_of_the_plain_one():
    cohort = tiny_cohort(2, 2, shape=(20, 18, 16))
    torch.manual_seed(0)
    learner = Supervised(cohort.task, network=SMALL)
    judge = judge_of(["validation"], thin=3).build()
    table, plain = judge(learner, cohort), judge_of(["validation"]).build()(learner, cohort)
    pd.testing.assert_frame_equal(table.drop(columns="thin_recall"), plain)
    case, classes = cohort.validation[0], cohort.task.classes
    for k in range(1, len(classes)):
        row = table[(table["case"] == case.id) & (table["class"] == classes[k])].iloc[0]
        wanted = thin_recall(judge.label_maps[case.id], case.label.numpy(), k, 3)
        assert row["thin_recall"] == pytest.approx(wanted, nan_ok=True)


def test_what_it_cannot_do_is_said():
    with pytest.raises(ValueError, match="width: expected 1 pixel or more, got 0"):
        ThinVesselJudge(width=0)
