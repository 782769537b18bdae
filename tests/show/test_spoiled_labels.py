"""What two streams say of labels that were spoiled: by hand, and as a figure."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.case import Case
from medseg_lab.data.spoiled import spoiled
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.rounds.tsman import TSMAN
from medseg_lab.show.spoiled_labels import Doubts, detection, detection_curves, doubts, spoiled_slices
from medseg_lab.training.recipe import recipe
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "ball"), 3)


class Ramps(nn.Module):
    """Two streams of logits (0, x) and (0, x + 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        first, second = (torch.cat((0 * image, image + shift), dim=1) for shift in (0, self.one))
        return first, second


def ball() -> Case:
    """Slices of a square of 4 x 4, which the image shows at 3 among -3."""
    label = torch.zeros((1, 12, 12, 10), dtype=torch.uint8)
    label[:, 4:8, 4:8] = 1
    return Case("one", "one", 6.0 * label - 3, label, (1.0, 1.0, 1.0))


def learner() -> TSMAN:
    made = TSMAN(TASK, network=recipe(UNet, features=(4, 8)), spatial_dims=2)
    made.network, made.patch = Ramps(), (12, 12)
    return made.eval()


def test_doubts_are_the_disagreement_and_what_the_label_lacks():
    case = ball()
    found = doubts(learner(), case, 2)
    np.testing.assert_array_equal(found.taught, spoiled(case, 2))
    assert found.wrong.any()
    inside, more = (1 / (1 + np.exp(-x)) for x in (3.0, 4.0))
    outside, less = (1 / (1 + np.exp(-x)) for x in (-3.0, -2.0))
    is_ball = case.label.numpy() == 1
    np.testing.assert_allclose(found.streams, np.where(is_ball, more - inside, less - outside), atol=1e-5)
    p = np.where(is_ball, (more + inside) / 2, (less + outside) / 2)
    np.testing.assert_allclose(found.label, np.where(found.taught == 1, 1 - p, p), atol=1e-5)
    np.testing.assert_array_equal(found.judged, is_ball | (found.taught == 1))
    assert detection([found])["label"] == 1.0  # the image shows which labels are wrong


def test_detection_is_over_judged_voxels_of_all_cases():
    """Of the judged voxels the wrong one has .3; the right ones .1, .2 and .4: it is above two of three."""
    case = Case("one", "one", torch.zeros(1, 1, 5), torch.ones((1, 1, 5), dtype=torch.uint8), (1.0, 1.0))
    taught, judged = np.array([[0, 1, 1, 1, 0]], np.uint8), np.array([[True, True, True, True, False]])
    values = np.array([[0.3, 0.1, 0.2, 0.4, 0.0]], np.float32)
    one = Doubts(case, taught, values, 1 - values, judged)
    assert detection([one]) == pytest.approx({"streams": 2 / 3, "label": 1 / 3})
    fig = detection_curves({"two streams": [one], "undamped": [one]})
    assert "two streams: streams disagree, 0.67" in fig.get_label()
    assert_legible(fig)


def test_slices_show_each_way_in_which_labels_are_wrong():
    found = doubts(learner(), ball(), 2)
    fig = spoiled_slices([found], TASK, slice_axis=2)
    rows = [ax.get_ylabel() for ax in fig.axes if ax.get_ylabel()]
    assert rows == ["grown", "moved", "missing"]
    assert fig.axes[3].get_title() == "1 - p of the label"
    assert_legible(fig)
    right = Doubts(found.case, found.case.label.numpy(), found.streams, found.label, found.judged)
    with pytest.raises(ValueError, match="expected a case with a spoiled label"):
        spoiled_slices([right], TASK)
