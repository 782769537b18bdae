"""Samples scored against all readings: by hand on a few voxels, and as a judge of runs."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.task import Task
from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.pooled import pooled_reliability
from medseg_lab.evaluation.sample_judge import SampleJudge, scores
from medseg_lab.evaluation.sampling import Drawn, drawn, surroundings
from medseg_lab.survey.measures import measure
from medseg_lab.training.learner import Learner

TASK = Task(1, ("background", "a"), 2)


def one_hot(*segmentations: list[list[int]]) -> torch.Tensor:
    """Samples that are sure: `(n, K, *S)`."""
    return torch.nn.functional.one_hot(torch.tensor(segmentations), 2).movedim(-1, 1).float()


def case(*readings: list[list[int]]) -> Case:
    labels = torch.tensor(readings, dtype=torch.uint8)
    return Case("c", "p", torch.zeros(1, *labels.shape[1:]), labels, None)


NONE, LEFT, BOTH = [[0, 0], [0, 0]], [[1, 0], [0, 0]], [[1, 1], [0, 0]]


def test_measures_of_a_class_by_hand():
    """Two sure samples, left and both; two readings, none and both."""
    (row,) = scores(Drawn(case(NONE, BOTH), one_hot(LEFT, BOTH)), TASK)
    # the mean ties on the right voxel, which goes to the background; the consensus is "both": a tie, too
    assert row["dice"] == pytest.approx(2 / 3)
    assert row["iou"] == pytest.approx(1 / 2)
    # distances 1 - IoU: left-none 1, left-both 1/2, both-none 1, both-both 0; left-both 1/2, none-both 1
    assert row["ged"] == pytest.approx(2 * (1 + 1 / 2 + 1 + 0) / 4 - (1 / 2 + 1 / 2) / 4 - (1 + 1) / 4)
    # the best matching: left with none (0), both with both (1)
    assert row["matched_iou"] == pytest.approx(1 / 2)


def test_samples_as_far_apart_as_the_readings_are_as_diverse():
    (row,) = scores(Drawn(case(NONE, LEFT), one_hot(NONE, LEFT)), TASK)
    assert (row["ged"], row["diversity"]) == (0, 1 / 2)  # none-left 1, each with itself 0
    (row,) = scores(Drawn(case(NONE, LEFT), one_hot(LEFT, LEFT)), TASK)
    assert row["diversity"] == 0


def test_what_half_of_the_raters_marked_is_scored_apart():
    """Two of four are half, one is not; a place that they share is not asked for."""
    elsewhere = [[0, 0], [0, 1]]
    for readings, often in (((NONE, NONE, NONE, LEFT), False), ((NONE, NONE, elsewhere, LEFT), True)):
        for samples, seen in (((NONE, NONE), 0.0), ((NONE, BOTH), 1.0)):
            (row,) = scores(Drawn(case(*readings), one_hot(*samples)), TASK)
            assert np.isnan(row["ged_marked"]) != often
            assert np.isnan(row["drawn"]) != often
            if often:
                assert (row["ged_marked"], row["drawn"]) == (row["ged"], seen)


def test_measures_of_voxels_by_hand():
    """Probabilities 1/2 on one voxel and 1 on three; half of the readings mark the first voxel."""
    samples = one_hot(NONE, LEFT)
    (row,) = scores(Drawn(case(NONE, LEFT), samples), TASK)
    assert row["predictive_entropy"] == pytest.approx(log(2) / 4)
    assert row["expected_entropy"] == pytest.approx(0)
    assert row["mutual_information"] == pytest.approx(log(2) / 4)
    assert row["nll"] == pytest.approx(log(2) / 4, abs=1e-5)
    assert row["brier"] == pytest.approx(1 / 2 / 4)  # (1/2)^2 for each of the two classes
    assert row["rater_ncc"] == pytest.approx(1)
    assert row["spread_ncc"] == pytest.approx(1)
    # the only error (the tie) has the only doubt
    assert row["error_auroc"] == pytest.approx(1)


def test_a_noise_map_is_held_against_where_raters_differ():
    """Noise 1, 3, 1, 3; the raters differ on the second voxel of four."""
    found = Drawn(case(NONE, [[0, 1], [0, 0]]), one_hot(NONE), torch.tensor([[1.0, 3.0], [1.0, 3.0]]))
    (row,) = scores(found, TASK)
    assert row["noise_ncc"] == pytest.approx(4 / (4 * 12) ** 0.5)  # -1, 1, -1, 1 and -1, 3, -1, -1
    assert row["noise_variation"] == pytest.approx(1 / 2)
    (same,) = scores(replace(found, noise=torch.ones(2, 2)), TASK)
    assert (same["noise_ncc"], same["noise_variation"]) == (0, 0)
    assert "noise_ncc" not in scores(replace(found, noise=None), TASK)[0]


def test_voxels_far_from_what_was_marked_do_not_count():
    big = torch.zeros(2, 40, 40, dtype=torch.uint8)
    big[1, 20, 20] = 1
    image = torch.zeros(1, 40, 40)
    sure = torch.nn.functional.one_hot(big.long(), 2).movedim(-1, 1).float()
    doubting = sure.clone()
    doubting[:, :, :5] = 0.5  # far away
    for margin, entropy in ((8, log(2) / 17**2), (3, log(2) / 7**2)):
        (row,) = scores(Drawn(Case("c", "p", image, big, None), doubting), TASK, margin)
        assert row["predictive_entropy"] == pytest.approx(entropy, rel=1e-4)


def test_surroundings_are_a_box_about_what_any_rater_marked_but_not_across_slices():
    readings = torch.zeros(2, 9, 9, 3, dtype=torch.uint8)
    readings[1, 4, 4, 1] = 1
    flat = surroundings(readings, 2, across=2)
    assert flat.sum() == 25
    assert flat[2:7, 2:7, 1].all()
    assert surroundings(readings, 2).sum() == 75
    assert surroundings(torch.zeros_like(readings), 2).all()


def test_voxels_that_a_rater_left_open_enter_no_measure():
    open_ = case([[0, 0], [0, IGNORE]], [[1, 0], [0, 0]])
    wild = one_hot([[0, 0], [0, 1]], [[1, 0], [0, 1]])
    tame = one_hot([[0, 0], [0, 0]], [[1, 0], [0, 0]])
    rows = [scores(Drawn(open_, samples), TASK)[0] for samples in (wild, tame)]
    for name in set(rows[0]) - {"dice", "iou", "precision"}:
        assert rows[0][name] == pytest.approx(rows[1][name], nan_ok=True), name


def test_where_the_distribution_is_known_samples_are_held_against_it():
    known = replace(case(NONE, LEFT), distribution=torch.tensor([[[0.5, 1], [1, 1]], [[0.5, 0], [0, 0]]]))
    (right,) = scores(Drawn(known, one_hot(NONE, LEFT)), TASK)
    (wrong,) = scores(Drawn(known, one_hot(NONE, NONE)), TASK)
    assert right["entropy_error"] == pytest.approx(0, abs=1e-6)
    assert right["truth_kl"] == pytest.approx(0, abs=1e-5)
    assert wrong["entropy_error"] == pytest.approx(log(2) / 4)
    assert wrong["truth_kl"] > 1
    assert "truth_kl" not in scores(Drawn(case(NONE, LEFT), one_hot(NONE, LEFT)), TASK)[0]


def test_everything_scored_is_a_measure_of_cases():
    known = replace(case(NONE, LEFT), distribution=torch.full((2, 2, 2), 0.5))
    (row,) = scores(Drawn(known, one_hot(NONE, LEFT), torch.ones(2, 2)), TASK)
    assert {measure(name).per for name in [*row, "ece"]} == {"case"}


class Coin(Learner):
    """Every draw is one class throughout."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.weight, self.patch = torch.nn.Parameter(torch.zeros(1)), (48, 48)

    def sample(self, image: torch.Tensor, n: int) -> torch.Tensor:
        odds = torch.randn(n, 1, len(self.task.classes), 1, 1) + self.weight
        return odds.softmax(dim=2).expand(n, len(image), -1, *image.shape[2:])


def test_the_judge_gives_a_row_a_case_and_class_of_each_part():
    cohort = load_cohort("virtual-brain+raters", cases=5)
    table = SampleJudge(("validation", "labelled"), samples=3)(Coin(Task(1, cohort.task.classes, 2)), cohort)
    assert list(table["part"].unique()) == ["validation", "labelled"]
    assert len(table) == 3 * (len(cohort.validation) + len(cohort.labelled))
    assert list(table["class"][:3]) == ["CSF", "grey matter", "white matter"]
    first = table[table["case"] == table["case"][0]]
    assert first["nll"].nunique() == 1  # of the whole image, in each of its rows
    assert first["ged"].nunique() == 3
    assert not table.drop(columns="rarest_dice").isna().any().any()
    assert table["rarest_dice"].notna().sum() == table["case"].nunique()
    assert not cohort.openings


def test_the_calibration_error_is_that_of_all_cases_together():
    cohort = load_cohort("virtual-brain+raters", cases=5)
    learner = Coin(Task(1, cohort.task.classes, 2))
    torch.manual_seed(0)
    table = SampleJudge(("labelled",), samples=3)(learner, cohort)
    torch.manual_seed(0)
    cases = list(drawn(learner, cohort, cohort.labelled, 3))
    assert len(cases) > 1
    pooled = pooled_reliability(cases, cohort.card.preprocessing.slice_axis)
    assert table["ece"].mean() == pytest.approx(pooled.ece)
    assert table.groupby("case")["ece"].nunique().eq(1).all()


def test_the_test_part_is_opened_and_said():
    cohort = load_cohort("virtual-brain+raters", cases=5)
    SampleJudge(("test",), samples=1)(Coin(Task(1, cohort.task.classes, 2)), cohort)
    assert cohort.openings == ["judging a trained learner"]


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="parts: expected"):
        SampleJudge(("train",))
    assert issubclass(SampleJudge, Judge)
