"""The noise of a network beside the raters' variance, as a picture."""

from dataclasses import replace

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.figure import described
from medseg_lab.show.noise_map import show_noise
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a"), 2)


def drawn() -> Drawn:
    """Two raters who differ on a column; a probability of 3/4 and noise 2 everywhere."""
    labels = torch.zeros(2, 30, 30, dtype=torch.uint8)
    labels[:, 10:20, 10:18], labels[1, 10:20, 18] = 1, 1
    case = Case("one", "one", torch.randn(1, 30, 30), labels, None)
    samples = torch.tensor([0.75, 0.25]).view(1, 2, 1, 1).expand(3, 2, 30, 30)
    return Drawn(case, samples, torch.full((30, 30), 2.0))


def test_the_maps_are_of_what_they_say():
    """Two votes to none have no variance, one to one has 1/2; a probability of 3/4 have 2 * 3/16."""
    said = described(show_noise(drawn(), TASK))
    assert "raters' variance from 0.00 to 0.50" in said
    assert "sigma of the logits from 2.00 to 2.00" in said
    assert "predicted variance from 0.38 to 0.38" in said


def test_a_slice_of_a_volume_is_shown_too():
    flat = drawn()
    thick = replace(
        flat.case, image=flat.case.image[..., None], labels=flat.case.labels[..., None], spacing=(1, 1, 4)
    )
    assert_legible(
        show_noise(
            Drawn(thick, flat.samples[..., None], torch.rand(30, 30, 1)), replace(TASK, spatial_dims=3)
        )
    )


def test_a_learner_without_noise_is_refused():
    with pytest.raises(ValueError, match="case one: expected a learner that predicts its noise, got none"):
        show_noise(replace(drawn(), noise=None), TASK)
