"""The figure of hierarchical distillation: every panel says the Dice of what it shows."""

import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.distillation import distillation
from medseg_lab.training.segmenter import Segmenter
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "ball"), 3)


class TopRows(Segmenter):
    """Foreground: the lower rows of whatever it is shown, from a share of the height on; not the image."""

    start: float = 0.5

    def build(self) -> None:
        self.one = nn.Parameter(torch.zeros(()))
        self.task, self.patch = Task(1, ("background", "ball"), 2, mirror=(0,)), (16, 16)

    def predict(self, image: Tensor) -> Tensor:
        p = torch.full_like(image, 0.1)
        p[:, :, int(self.start * image.shape[2]) :] = 0.9
        return torch.cat((1 - p, p), dim=1)


def case() -> Case:
    label = torch.zeros((1, 16, 16, 3), dtype=torch.uint8)
    label[:, 8:, :, 1] = 1
    return Case("one", "one", label.float(), label, (1.0, 1.0, 1.0))


def test_each_panel_has_the_dice_of_its_answer():
    fig = distillation({"first": TopRows(), "second": TopRows(start=0.75)}, case(), TASK)
    said = fig.get_label()
    assert "first, as it is: 1.00" in said
    assert "second, as it is: 0.67" in said  # half of the rows: 2 * 4 / (4 + 8)
    assert "first, mirrored: 0.00" in said
    assert "mean, as it is: 0.67" in said  # on the rows between, the mean is one half: the background wins
    assert fig.axes[1].get_title() == "turned 10°\n0.96"
    assert_legible(fig)


def test_it_is_of_slices():
    one = TopRows()
    one.task = TASK
    with pytest.raises(ValueError, match="expected learners of slices, got one of 3 dimensions"):
        distillation({"first": one}, case(), TASK)
