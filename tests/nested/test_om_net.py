"""OM-Net: cross-task guided attention by hand, and the curriculum."""

import pytest
import torch
from toys import NAMES, noise_batch

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.nested.om_net import CrossTaskAttention, OMNet, channel_weights, near
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe

# Four pixels, two channels. The first and half of the last are inside the previous task's region.
X = torch.tensor([[4.0, 0.0, 0.0, 2.0], [1.0, 1.0, 1.0, 1.0]]).view(1, 2, 2, 2)
INSIDE = torch.tensor([1.0, 0.0, 0.0, 0.5]).view(1, 1, 2, 2)


def test_channel_weights_by_hand():
    # summed outside (0.5 * 2, 1 + 1 + 0.5) = (1, 2.5), inside (4 + 0.5 * 2, 1 + 0.5) = (5, 1.5): of these,
    # shares (2/7, 5/7) and (10/13, 3/13), whose weights are (1 + 2 m) / 2
    found = channel_weights(X, torch.cat((1 - INSIDE, INSIDE), dim=1))[0]
    wanted = torch.tensor([[11 / 14, 17 / 14], [33 / 26, 19 / 26]])
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("switches", "wanted"),
    [
        # outside, a pixel is 17/14 of its second channel, less 1; inside, 33/26 of its first
        ((True, True), [4 * 33 / 26, 17 / 14 - 1, 17 / 14 - 1, (17 / 14 - 1 + 2 * 33 / 26) / 2]),
        ((False, True), [4.0, 0.0, 0.0, 1.0]),
        ((True, False), [(3 / 14 + 4 * 33 / 26) / 2, 3 / 28, 3 / 28, (3 / 14 + 2 * 33 / 26) / 2]),
        ((False, False), [2.0, 0.0, 0.0, 1.0]),
    ],
)
def test_each_voxel_is_answered_by_the_classes_that_it_may_be(switches, wanted):
    module = CrossTaskAttention(2, 2, *switches)
    for head, weight, bias in zip(module.heads, ([0.0, 1.0], [1.0, 0.0]), (-1.0, 0.0), strict=True):
        head.weight.data = torch.tensor([[0.0, 0.0], weight]).view(2, 2, 1, 1)
        head.bias.data = torch.tensor([0.0, bias])
    logits, _ = module(X, INSIDE)
    torch.testing.assert_close(logits[0, 1].flatten(), torch.tensor(wanted))
    assert not logits[0, 0].any()


def test_an_inner_task_learns_in_and_around_the_outer_region():
    label = torch.tensor([[1, 0, 0, 1, 0, 0, IGNORE, 1]])
    outer = torch.tensor([[0, 0, 0, 1, 1, 0, IGNORE, 0]])
    wanted = [IGNORE, IGNORE, 0, 1, 0, 0, IGNORE, IGNORE]
    assert near(label.unsqueeze(1), outer.unsqueeze(1), 1).flatten().tolist() == wanted
    assert near(label.unsqueeze(1), outer.unsqueeze(1), 0).flatten().tolist()[2:6] == [IGNORE, 1, 0, IGNORE]


def made(**arguments) -> OMNet:
    torch.manual_seed(0)
    learner = OMNet(Task(1, NAMES, 2), network=recipe(UNet, features=(4, 6)), **arguments)
    learner.prepare(10, [])
    return learner


def test_tasks_enter_one_after_another_and_stay():
    learner = made()  # the second after 20% of ten steps, the third after 40%
    assert [learner.entered(step) for step in range(10)] == [1, 1, 2, 2, 3, 3, 3, 3, 3, 3]
    assert [made(entering=0.0).entered(step) for step in (0, 9)] == [3, 3]
    batch = noise_batch(classes=4)
    assert list(learner.losses(batch, 1)) == ["region 1"]
    assert list(learner.losses(batch, 9)) == ["region 1", "region 2", "region 3"]


@pytest.mark.parametrize(("step", "tasks"), [(0, 1), (3, 2), (9, 3)])
def test_a_task_has_a_gradient_from_the_step_on_at_which_it_enters(step, tasks):
    learner = made()
    sum(learner.losses(noise_batch(classes=4), step).values()).backward()
    parts = [learner.network.head, *learner.guided]
    for number, part in enumerate(parts):
        moved = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in part.parameters()]
        assert all(moved) if number < tasks else not any(moved)
    assert any(p.grad.abs().max() > 0 for p in learner.network.encoder.parameters())


def test_the_inner_tasks_loss_moves_the_shared_features_and_not_the_outer_prediction():
    learner = made()
    learner.losses(noise_batch(classes=4), 9)["region 2"].backward()
    assert all(p.grad is None for p in learner.network.head.parameters())
    assert all(p.grad is None for p in (*learner.own[1].parameters(), *learner.guided[1].parameters()))
    assert all(p.grad is not None for p in learner.network.encoder.parameters())


def test_a_patch_without_the_outer_region_teaches_the_inner_task_nothing():
    learner, empty = made(), torch.zeros(1, 12, 12, dtype=torch.int64)
    terms = learner.losses(Batch(torch.randn(1, 1, 12, 12), empty), 9)
    assert terms["region 1"] > 0
    assert terms["region 2"] == terms["region 3"] == 0


def test_a_region_is_as_probable_as_its_task_inside_the_region_around_it():
    learner, image = made(), torch.randn(1, 1, 12, 12)
    first, second, third = (z.softmax(1)[:, 1] for z in learner.logits(image)[0])
    torch.testing.assert_close(
        learner.maps(image), torch.stack((first, first * second, first * second * third), 1)
    )


def test_without_attention_the_parameters_are_the_same_and_all_channels_weigh_one():
    image = torch.randn(1, 1, 12, 12)
    plain = made(channels=False, gates=False)
    assert [p.shape for p in plain.parameters()] == [p.shape for p in made().parameters()]
    assert plain.channel_weights(image).eq(1).all()
    for learner, noted in ((made(), ["difference"]), (plain, [])):
        learner.losses(noise_batch(classes=4), 9)
        assert list(learner.noted) == noted


def test_a_task_is_guided_by_the_probability_of_the_region_around_it():
    learner, image, guides = made(), torch.randn(1, 1, 12, 12), []
    for module in learner.guided:
        module.register_forward_pre_hook(lambda module, inputs: guides.append(inputs[1]))
    maps = learner.maps(image)
    torch.testing.assert_close(torch.cat(guides, dim=1), maps[:, :2])
