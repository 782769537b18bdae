"""Regions, unions of classes, are scored as masks of their own."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.protocol import judge_of
from medseg_lab.evaluation.region_judge import RegionJudge, region_scores
from medseg_lab.training.learner import Learner
from medseg_lab.training.notation import parse, written

REGIONS = {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}
TASK = Task(1, ("background", "edema", "necrosis", "enhancing"), 2)
LABEL, PREDICTED = np.array([[0, 1, 2, 3]]), np.array([[1, 1, 3, 2]])


class Fixed(Learner):
    """Predicts `PREDICTED`, whatever the image."""

    def __init__(self) -> None:
        super().__init__(TASK)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def predict(self, image: torch.Tensor) -> torch.Tensor:
        classes = torch.nn.functional.one_hot(torch.tensor(PREDICTED), 4).movedim(-1, 0).float()
        return torch.stack([classes * self.scale] * len(image))


def case(label: np.ndarray = LABEL, spacing: tuple[float, ...] | None = (1.0, 1.0)) -> Case:
    return Case("a", "p", torch.zeros(1, 1, 4), torch.tensor(label[None], dtype=torch.uint8), spacing)


def judged(*cases: Case):
    preprocessing = SimpleNamespace(slice_axis=0)
    cohort = SimpleNamespace(
        card=SimpleNamespace(preprocessing=preprocessing),
        task=TASK,
        patch=(1, 4),
        labelled=cases,
        validation=cases,
    )
    judge = RegionJudge(list(REGIONS), list(REGIONS.values()))
    return judge, judge(Fixed(), cohort)


def dice(label: np.ndarray, members: tuple[int, ...]) -> float:
    return region_scores(PREDICTED, label, members, (1.0, 1.0))["dice"]


def test_the_dice_of_regions_by_hand():
    # whole: 3 voxels there, 4 predicted, 3 in both; core: 2, 2, 2; enhancing: 1, 1, 0
    assert [dice(LABEL, members) for members in REGIONS.values()] == pytest.approx([6 / 7, 1, 0])


def test_what_is_left_open_is_in_no_region():
    # without the first voxel, whole is 3 there, 3 predicted, 3 in both
    assert dice(np.array([[IGNORE, 1, 2, 3]]), REGIONS["whole"]) == 1


def test_a_region_that_is_neither_there_nor_predicted_has_no_score():
    assert np.isnan(region_scores(LABEL * 0, LABEL * 0, (1, 2), (1.0, 1.0))["dice"])


def test_a_row_for_each_region_with_the_columns_of_a_judge_of_classes():
    judge, table = judged(case())
    assert table["class"].tolist() == ["whole", "core", "enhancing"]
    assert table["dice"].tolist() == pytest.approx([6 / 7, 1, 0])
    assert table["hd95"].tolist()[1:] == [0, 1]  # enhancing is one voxel beside where it is
    assert table["diagonal"].tolist() == [3, 3, 3]
    assert {"part", "case", "patient", "iou", "precision", "assd", "nsd", "object_f1"} <= set(table)
    assert judge.label_maps["a"].tolist() == PREDICTED.tolist()


def test_inner_dice_is_of_all_regions_but_the_outermost_and_rarest_dice_of_the_smallest():
    _, table = judged(case())
    assert table["inner_dice"].tolist() == pytest.approx([np.nan, 1, 0], nan_ok=True)
    assert table["rarest_dice"].tolist() == pytest.approx([np.nan, np.nan, 0], nan_ok=True)


def test_without_a_spacing_surfaces_are_compared_in_pixels():
    _, table = judged(case(spacing=None))
    assert table["nsd_pixels"].tolist()[1:] == [1, 1]
    assert "hd95" not in table


def test_the_regions_are_part_of_how_a_run_is_scored():
    judge = judge_of(["validation"], regions=REGIONS)
    assert parse(written(judge)) == judge
    assert judge.build().regions == REGIONS
    assert judge != judge_of(["validation"], regions={"whole": (1, 2, 3), "core": (2, 3)})
    assert judge_of(["validation"], regions={}) == judge_of(["validation"])


def test_a_region_without_classes_is_refused():
    with pytest.raises(
        ValueError, match=r"members: expected the classes of each of 2 regions, got \[\[1\]\]"
    ):
        RegionJudge(["a", "b"], [[1]])
