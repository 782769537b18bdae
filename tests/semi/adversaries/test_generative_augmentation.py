"""Generated deformations and intensities: what they do to image and label, and what drives them."""

import pytest
import torch
from toys import SMALL, Voxelwise, noise_batch, task, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.semi.adversaries.discriminator import taken_for, told_apart
from medseg_lab.semi.adversaries.generative_augmentation import (
    BRIGHTEST,
    REACH,
    Fields,
    GenerativeAugmentation,
    at_random,
    changed,
    rms,
    smooth,
)
from medseg_lab.training.recipe import recipe


def learner(**arguments) -> GenerativeAugmentation:
    torch.manual_seed(0)
    return GenerativeAugmentation(task(), network=SMALL, spatial_dims=2, width=4, **arguments)


def batch(n: int = 2) -> Batch:
    found = noise_batch((32, 24), n, classes=2)
    return found._replace(unlabelled=noise_batch((32, 24), n, seed=1).image)


def test_a_label_moves_with_its_image_and_the_intensity_is_added():
    """A shift by one voxel along the second axis, and half a voxel."""
    image = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).view(1, 1, 1, 4)
    label = torch.tensor([0, 1, 1, IGNORE]).view(1, 1, 4)
    shift = torch.zeros(1, 2, 1, 4)
    shift[:, 1] = 1.0
    found, planes = changed(Batch(image, label), Fields(shift, torch.full_like(image, 0.5)), classes=2)
    torch.testing.assert_close(found.flatten(), torch.tensor([2.5, 3.5, 4.5, 4.5]))
    assert planes.argmax(dim=1).flatten().tolist() == [1, 1, 2, 2]  # plane 2: nobody annotated it
    shift[:, 1] = 0.5
    _, planes = changed(Batch(image, label), Fields(shift, torch.zeros_like(image)), classes=2)
    torch.testing.assert_close(planes[0, 1, 0], torch.tensor([0.5, 1.0, 0.5, 0.0]))


def test_the_task_loss_is_cross_entropy_with_the_moved_label():
    method = learner()
    method.network = Voxelwise().eval()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        found = method.generators_losses(batch(), 0)["task"]
        torch.manual_seed(3)
        image, planes = changed(batch(), method.fields(batch().image), 2)
    of_class = torch.nn.functional.cross_entropy(method.network(image), planes[:, :2])
    torch.testing.assert_close(found, of_class)


def test_two_draws_for_one_patch_are_compared():
    """Fields that do not read their noise have no size that counts."""
    method = learner()
    for generator in (method.deformation, method.intensity):
        generator.noise = 4
        first = generator.field[0][0]
        first.weight.data[:, -4:] = 0.0
    assert method.generators_losses(batch(), 0)["size"].item() == 0
    assert method.noted["varied"].item() == 0


def test_random_fields_have_the_root_mean_square_of_the_learned_ones():
    torch.manual_seed(0)
    fields = Fields(
        torch.randn(2, 2, 48, 40) * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.randn(2, 1, 48, 40)
    )
    other = at_random(fields)
    for one, random in zip(fields, other, strict=True):
        torch.testing.assert_close(rms(random), rms(one))
        assert not torch.equal(random, one)


@pytest.mark.parametrize("learned", [True, False])
def test_the_segmenter_is_shown_random_fields_in_the_control_alone(learned):
    method = learner(learned=learned)
    for layer in (method.deformation.field[1], method.intensity.field[1]):
        layer.weight.data.zero_()
        layer.bias.data.fill_(0.5)  # one shift, one brightness, for all
    seen = []
    method.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    method.consistency_loss(batch(), 0)
    strength = REACH * torch.tensor(0.5).tanh()
    torch.testing.assert_close(method.noted["strength"], strength)
    torch.testing.assert_close(method.noted["contrast"], BRIGHTEST * torch.tensor(0.5).tanh())
    shift = torch.full((2, 2, 32, 24), strength.item())
    alike, _ = changed(batch(), Fields(shift, torch.full((2, 1, 32, 24), BRIGHTEST * 0.4621172)), 2)
    assert torch.allclose(seen[0], alike, atol=1e-4) == learned


def test_large_fields_are_worth_something_to_the_generators(tmp_path):
    """With a reward that outweighs all else, two draws for a patch come to have little in common."""
    varied = []
    for large in (0.0, 100.0):
        how = recipe(
            GenerativeAugmentation, network=SMALL, spatial_dims=2, width=4, large=large, opponents=1.0
        )
        _, curves = trained(how, tiny_cohort(3), tmp_path / str(large), steps=40)
        varied.append([curves.rows[step]["noted.varied"] for step in (0, -1)])
    assert varied[1][1] > 2 * varied[1][0]
    assert varied[1][1] > 2 * varied[0][1]


def test_a_discriminator_comes_to_see_large_fields(tmp_path):
    """At the default learning rates: a reward that outweighs all else makes fields that nobody would miss."""
    how = recipe(GenerativeAugmentation, network=SMALL, spatial_dims=2, large=100.0, share=1.0)
    cohort = tiny_cohort(3, shape=(20, 18, 16), patch=16)
    _, curves = trained(how, cohort, tmp_path, steps=80, voxels=4 * 16**2, patch=16)
    told = [row["noted.discriminator_accuracy"] for row in curves.rows]
    assert sum(told[-10:]) / 10 > 0.8


def test_generators_want_to_be_taken_for_real_and_all_real_patches_are_shown():
    learner = GenerativeAugmentation(task(), network=SMALL, spatial_dims=2, width=4)
    batch = noise_batch((32, 24), 2, classes=2)._replace(unlabelled=noise_batch((32, 24), 2, seed=1).image)
    torch.manual_seed(3)
    taken = learner.generators_losses(batch, 0)["taken"]
    torch.manual_seed(3)
    apart = learner.discriminator_losses(batch, 0)["told_apart"]
    torch.manual_seed(3)
    made = learner.discriminator(changed(batch, learner.fields(batch.image), 2)[0])
    torch.testing.assert_close(taken, taken_for(made, True))
    real = learner.discriminator(torch.cat((batch.image, batch.unlabelled)))
    torch.testing.assert_close(apart, told_apart(real, made))


def test_what_nobody_annotated_stays_so_wherever_it_is_moved():
    learner = GenerativeAugmentation(task(), network=SMALL, spatial_dims=2, width=4)
    batch, seen = noise_batch((32, 24), 2, classes=2), []
    learner.loss = lambda logits, label: seen.append(label) or logits.mean()
    learner.consistency_loss(batch._replace(label=torch.full_like(batch.label, IGNORE)), 0)
    assert (seen[0] == IGNORE).all()


def test_control_points_lie_in_the_middle_of_what_they_stand_for():
    """Of two points 16 voxels apart: 7.5 voxels from the border is the first, half-way their mean."""
    field = smooth(torch.tensor([[[[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]]]), (48, 32))[0, 0, 24]
    assert (field[15] + field[16]).item() == pytest.approx(1, abs=1e-4)
    assert (field[7] + field[8]).item() == pytest.approx(0, abs=0.1)
    assert (field[23] + field[24]).item() == pytest.approx(2, abs=0.1)
