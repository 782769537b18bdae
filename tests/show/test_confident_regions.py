"""ASDNet's regions as a picture and as counts: what is kept, and how often it is right, by hand."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from toys import one_weight

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.semi.adversaries.asdnet import ASDNet
from medseg_lab.semi.adversaries.deep_adversarial_network import DeepAdversarialNetwork
from medseg_lab.show.confident_regions import confidence_at, confident_regions, kept_and_right
from medseg_lab.show.spot import fullest

TASK = Task(1, ("background", "left ventricle"), 2)


class ByImage(torch.nn.Module):
    """A confidence that is the lower, the brighter the image is."""

    def forward(self, judged):
        return 2 - judged[:, :1]


def learner(method=ASDNet, **arguments):
    """It predicts foreground where the image is positive."""
    made = one_weight(method, 1.0, **arguments)
    made.discriminator, made.patch = ByImage(), (8, 8)
    return made.eval()


def case(*columns: tuple[float, int]) -> Case:
    """A picture of 8 rows; each column has one value and one label."""
    image = torch.tensor([[value for value, _ in columns]] * 8)[None]
    label = torch.tensor([[k for _, k in columns]] * 8, dtype=torch.uint8)[None]
    return Case("one", "one", image.float(), label, None)


BACKGROUND = [(-1.0, 0)] * 2
# foreground is predicted five times, and in two of these the image is brightest: confidence is lowest there
# right and kept; right, left out; wrong and kept, twice; wrong, left out; nobody knows
COLUMNS = [*BACKGROUND, (1.0, 1), (5.0, 1), (1.5, 0), (-1.0, 1), (3.0, 0), (1.0, IGNORE)]


def test_pixels_are_counted_by_what_is_kept_and_right():
    found = kept_and_right(learner(threshold=0.4), [case(*COLUMNS)])
    assert found["share"].to_dict() == pytest.approx(
        {"all": 1, "kept": 3 / 5, "left out": 2 / 5, "as many by probability": 3 / 5}
    )
    # the network is surest of the values 5, 3 and 1.5, of which the first is right
    assert found["right"].to_dict() == pytest.approx(
        {"all": 2 / 5, "kept": 1 / 3, "left out": 1 / 2, "as many by probability": 1 / 3}
    )


def test_where_all_is_kept_nothing_is_said_of_the_rest():
    found = kept_and_right(learner(threshold=0.0), [case(*COLUMNS)] * 2)
    assert found["share"]["kept"] == 1
    assert np.isnan(found["right"]["left out"])


def test_the_picture_counts_its_colours():
    fig = confident_regions(learner(threshold=0.4), case(*COLUMNS), TASK)
    shown = [text.get_text() for text in fig.legends[0].get_texts()]
    assert {"wrong, left out: 8", "wrong, kept: 16", "right, left out: 8"} <= set(shown)
    assert "75% of the pixels" in fig.get_label()  # 6 of 8 columns
    assert_legible(fig)


def test_confidence_is_the_learners_own():
    one, it = learner(), case(*COLUMNS)
    found = confidence_at(one, it, fullest(it, 2, (8, 8)))
    np.testing.assert_allclose(found["confidence"], 1 / (1 + np.exp(it.image[0].numpy() - 2)), rtol=1e-5)


def test_other_learners_are_refused():
    with pytest.raises(ValueError, match="learner: expected ASDNet, got DeepAdversarialNetwork"):
        confident_regions(learner(DeepAdversarialNetwork), case(*COLUMNS), TASK)
    with pytest.raises(ValueError, match="cases: expected one or more, got none"):
        kept_and_right(learner(), [])
