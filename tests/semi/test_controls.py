"""What is compared with the methods of section 3.2: labels alone, at their cost or turned as they turn."""

import pytest
import torch
from toys import SMALL, one_weight, tiny_budget, tiny_cohort

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.semi import controls
from medseg_lab.semi.controls import LargerBatch, TurnedLabels
from medseg_lab.semi.transforms.similarity import Similarity
from medseg_lab.training.begin import begin
from medseg_lab.training.device import make_fabric
from medseg_lab.training.recipe import recipe


@pytest.mark.parametrize(("times", "patches"), [(1.0, 3), (7 / 3, 7), (0.5, 1)])
def test_a_larger_batch_has_so_many_times_the_patches(times, patches):
    room = tiny_budget(voxels=3 * 8**3)
    target = recipe(LargerBatch, network=SMALL, times=times)
    _, batches = begin(target, tiny_cohort(), room, 0, make_fabric("32-true"))
    assert len(batches.batch(0).image) == patches
    assert batches.batch(0).unlabelled is None


def test_turned_labels_are_of_image_and_label_turned_alike(monkeypatch):
    """A quarter turn of four pixels, and a scale of a half, beyond whose border nothing is known."""
    learner, seen = one_weight(TurnedLabels, classes=3), []
    monkeypatch.setattr(TurnedLabels.__base__, "losses", lambda self, batch, step: seen.append(batch))
    image = torch.arange(16.0).view(1, 1, 4, 4)
    label = torch.tensor([0, 1, 2, IGNORE]).repeat(4).view(1, 4, 4)
    for turn in (Similarity(turns=((0, 1, 1),)), Similarity(scale=0.5)):
        monkeypatch.setattr(controls, "draw_similarity", lambda shape, mirror, turn=turn: turn)
        learner.losses(Batch(image, label), 0)
    turned, halved = seen
    assert torch.equal(turned.image, image.rot90(1, (2, 3)))
    assert torch.equal(turned.label, label.rot90(1, (1, 2)))
    # rows and columns 1 and 2 show columns (0, 1) and (2, 3) half each: of two alike, the lower class
    assert halved.label[0].tolist() == [
        [IGNORE] * 4,
        [IGNORE, 0, 2, IGNORE],
        [IGNORE, 0, 2, IGNORE],
        [IGNORE] * 4,
    ]
