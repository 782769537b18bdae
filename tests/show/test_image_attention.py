"""Attention of a classifier, drawn beside where the classes are."""

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.semi.adversaries.image_classifier import ImageClassifier
from medseg_lab.show.figure import described
from medseg_lab.show.image_attention import attention_in_and_out, image_attention
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "front", "back", "side", "top"), 2)


def case(dims: int) -> Case:
    label = torch.zeros(1, 20, 18, 3, dtype=torch.uint8)
    label[0, 2:8, 2:9, 1], label[0, 12:15, 10:13, 1] = 1, 2
    image = torch.randn(1, 20, 18, 3, generator=torch.Generator().manual_seed(0))
    flat = Case("c", "p", image[..., 1], label[..., 1], (1.0, 1.0))
    return flat if dims == 2 else Case("c", "p", image, label, (1.0, 1.0, 3.0))


def classifier() -> ImageClassifier:
    torch.manual_seed(0)
    found = ImageClassifier(TASK, width=4).eval()
    found.patch = (16, 16)
    return found


@pytest.mark.parametrize("dims", [2, 3])
def test_attention_counts_in_slices_that_show_the_class(dims, monkeypatch):
    """Attention of .75 in the upper half: of the class that lies there, and of none of the lower one."""
    known, found = case(dims), classifier()

    def upper(image):
        return (torch.arange(20) < 10).float().view(1, 1, -1, 1).mul(0.75).expand(len(image), 4, 20, 18)

    monkeypatch.setattr(found.places, "attention", upper)
    measured = attention_in_and_out(found, [known, known], TASK)
    assert list(measured) == ["front", "back"]
    assert measured["front"] == pytest.approx((0.75, 0.75 * (180 - 42) / (360 - 42)))
    assert measured["back"] == pytest.approx((0, 0.75 * 180 / (360 - 9)))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.filterwarnings("error")
def test_each_class_has_a_map(dims):
    fig = image_attention(classifier(), {"one case": case(dims), "another": case(dims)}, TASK)
    titles = [ax.get_title() for ax in fig.axes if ax.get_title()]
    assert titles == ["one case", "front", "back", "side", "another", "front", "back", "side"]
    assert described(fig, None).startswith("Where a classifier of images looks, on average: front 0.")
    assert_legible(fig)
