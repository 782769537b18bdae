"""Few-shot GAN: one more class by hand, and who moves down which loss."""

import pytest
import torch
from toys import SMALL, noise_batch, task, tiny_cohort, trained

from medseg_lab.networks.unet import UNet
from medseg_lab.semi.adversaries.discriminator import told_apart
from medseg_lab.semi.adversaries.few_shot_gan import FewShotGAN, ImageGenerator, half, log_sum
from medseg_lab.training.recipe import recipe


def test_what_is_generated_is_a_class_whose_logit_is_0():
    """Against a softmax over K + 1 classes."""
    generator = torch.Generator().manual_seed(0)
    unlabelled, generated = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    of_real, of_generated = (
        torch.cat((each, torch.zeros(2, 1, 4, 4)), dim=1).softmax(dim=1)[:, -1]
        for each in (unlabelled, generated)
    )
    expected = -((1 - of_real).log().mean() + of_generated.log().mean()) / 2
    torch.testing.assert_close(told_apart(log_sum(unlabelled), log_sum(generated)), expected)


@pytest.mark.parametrize("shape", [(5, 4), (4, 6, 3)])
def test_a_half_lies_on_one_side_of_the_middle(shape):
    torch.manual_seed(0)
    found = [half(shape, torch.device("cpu")) for _ in range(30)]
    kinds = {tuple(each.flatten().tolist()) for each in found}
    assert len(kinds) == 2 * len(shape)  # either side, across each axis
    for each in found:
        assert each.shape == shape
        assert 0.3 < each.float().mean() < 0.7
        assert any(each.movedim(axis, 0).flatten(1).float().std(1).max() == 0 for axis in range(len(shape)))


def test_the_generator_is_asked_for_the_mean_features_of_unlabelled_patches():
    learner = FewShotGAN(task(), network=SMALL, spatial_dims=2, width=4)
    batch = noise_batch()._replace(unlabelled=noise_batch(seed=1).image)
    torch.manual_seed(0)
    found = learner.generator_losses(batch, 0)["matching"]
    torch.manual_seed(0)
    network = learner.network.eval()  # dropout is off: it would be part of the difference
    wanted, other = (
        network.encode(image)[-1].mean(dim=0)
        for image in (batch.unlabelled, learner.generator(batch.unlabelled))
    )
    torch.testing.assert_close(found, (wanted - other).square().mean())
    assert learner.network.training is False


@pytest.mark.parametrize("dims", [2, 3])
def test_generated_images_differ_and_are_z_scored(dims):
    torch.manual_seed(0)
    like = torch.zeros(3, 1, *(24, 20, 18)[:dims])
    images = ImageGenerator(dims, 1, width=4)(like)
    assert images.shape == like.shape
    torch.testing.assert_close(images.flatten(1).mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(images.flatten(1).std(1), torch.ones(3), atol=1e-2, rtol=0)
    assert (images[0] - images[1]).abs().mean() > 0.1


def test_a_segmenter_learns_to_tell_what_is_generated(tmp_path):
    """With a generator that stands still, voxels of its images become class K + 1."""
    how = recipe(
        FewShotGAN,
        network=recipe(UNet, features=(8, 16)),
        spatial_dims=2,
        opponents=1e-9,
        ramp=0.01,
        share=1.0,
        rate=1.0,
    )
    cohort = tiny_cohort(3, shape=(20, 18, 16), patch=16)
    _, curves = trained(how, cohort, tmp_path, steps=60, voxels=2 * 16**2, patch=16)
    told = [row["noted.discriminator_accuracy"] for row in curves.rows]
    assert sum(told[:5]) / 5 < 0.6
    assert sum(told[-5:]) / 5 > 0.8
