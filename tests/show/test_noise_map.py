"""The noise of a network beside the raters' variance, as a picture."""

from dataclasses import replace

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.networks.unet import UNet
from medseg_lab.show.figure import described
from medseg_lab.show.noise_map import show_noise
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.noise import HeteroscedasticNoise, HomoscedasticNoise
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a"), 2)


def drawn() -> Drawn:
    """Two raters who differ on a column; a probability of 3/4 everywhere."""
    labels = torch.zeros(2, 30, 30, dtype=torch.uint8)
    labels[:, 10:20, 10:18], labels[1, 10:20, 18] = 1, 1
    case = Case("one", "one", torch.randn(1, 30, 30), labels, None)
    return Drawn(case, torch.tensor([0.75, 0.25]).view(1, 2, 1, 1).expand(3, 2, 30, 30))


def test_the_maps_are_of_what_they_say():
    """Two votes to none have no variance, one to one has 1/2; a probability of 3/4 have 2 * 3/16."""
    one = HomoscedasticNoise(TASK, network=recipe(UNet, features=(2, 4)), sigma=2.0)
    said = described(show_noise(one, drawn(), TASK))
    assert "raters' variance from 0.00 to 0.50" in said
    assert "sigma of the logits from 2.00 to 2.00" in said
    assert "predicted variance from 0.38 to 0.38" in said


def test_a_slice_of_a_volume_is_shown_too():
    flat = drawn()
    thick = replace(
        flat.case, image=flat.case.image[..., None], labels=flat.case.labels[..., None], spacing=(1, 1, 4)
    )
    one = HeteroscedasticNoise(
        replace(TASK, spatial_dims=3), network=recipe(UNet, features=(2, 4)), spatial_dims=2
    )
    assert_legible(show_noise(one, Drawn(thick, flat.samples[..., None]), TASK))


def test_a_learner_without_noise_is_refused():
    with pytest.raises(ValueError, match="learner: expected one with noise on its logits, got Supervised"):
        show_noise(Supervised(TASK, network=recipe(UNet, features=(2, 4))), drawn(), TASK)
