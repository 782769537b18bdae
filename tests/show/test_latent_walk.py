"""A walk through the code of a Probabilistic U-Net, as pictures."""

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.show.figure import described
from medseg_lab.show.latent_walk import along, latent_walk
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a", "b"), 3)


def learner() -> ProbabilisticUNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = ProbabilisticUNet(TASK, network=recipe(UNet, features=(4, 8)), latents=3, spatial_dims=2)
        with torch.no_grad():
            made.fuse.code.weight.zero_()
            made.fuse.code.weight[:, 1] = 30 * torch.randn(4)  # the second dimension alone means something
    made.patch = (8, 8)
    return made


def case() -> Case:
    image = torch.randn((1, 14, 12, 6), generator=torch.Generator().manual_seed(1))
    label = torch.zeros(1, 14, 12, 6, dtype=torch.uint8)
    label[0, 4:9, 3:8, 2:5], label[0, 9:11, 3:8, 3] = 1, 2
    return Case("one", "one", image, label, (1.0, 1.0, 3.0))


def test_the_walk_is_along_the_dimension_that_matters():
    frame = latent_walk(learner(), case(), TASK)
    said = [described(frame(deviations)) for deviations in (-2, 0, 1.5)]
    assert ["code 2 at -2 std" in said[0], "code 2 at +0 std" in said[1], "code 2 at +1.5 std" in said[2]]
    assert len({text.split("std: ")[1] for text in said}) > 1


def test_zero_deviations_are_the_mean_of_the_prior():
    one, image = learner().eval(), torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        mean = one.logits(one.features(image), one.prior(image).mean).softmax(dim=1)
    for dimension in range(3):
        torch.testing.assert_close(along(one, image, dimension, 0.0), mean)
    assert torch.allclose(along(one, image, 0, 2.0), mean, atol=1e-6)
    assert not torch.allclose(along(one, image, 1, 2.0), mean, atol=1e-3)


def test_the_learner_stays_in_its_mode():
    one = learner().train()
    along(one, torch.randn(1, 1, 8, 8), 0, 1.0)
    assert one.training


def test_a_frame_can_be_read():
    assert_legible(latent_walk(learner(), case(), TASK)(1))


def test_another_learner_is_refused():
    other = Supervised(TASK, network=recipe(UNet, features=(4, 8)), spatial_dims=2)
    with pytest.raises(ValueError, match="learner: expected a ProbabilisticUNet, got Supervised"):
        latent_walk(other, case(), TASK)
