"""DCAN: the attention by hand, which way gradients go, and the network without attention."""

import pytest
import torch
from toys import NAMES, noise_batch

from medseg_lab.data.task import Task
from medseg_lab.nested.dcan import DCAN, attended, two_classes
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.vnet import VNet
from medseg_lab.training.recipe import recipe


def made(**arguments) -> DCAN:
    torch.manual_seed(0)
    return DCAN(Task(1, NAMES[:3], 2), network=recipe(UNet, features=(4, 6, 8)), **arguments)


def test_features_are_multiplied_by_one_plus_the_map_at_their_resolution():
    a = torch.tensor([[0.0, 1.0, 0.5, 0.5], [1.0, 1.0, 0.0, 0.0]]).view(1, 1, 2, 4)
    x = torch.tensor([[2.0, 4.0]]).view(1, 1, 1, 2)
    assert attended(x, a).flatten().tolist() == [2 * 1.75, 4 * 1.25]
    assert attended(torch.ones(1, 3, 2, 4), a)[0, 2].tolist() == (1 + a[0, 0]).tolist()


def test_two_classes_say_what_the_sigmoid_says():
    z = torch.randn(2, 1, 5)
    torch.testing.assert_close(two_classes(z).softmax(1)[:, 1:], z.sigmoid())


def test_where_the_outer_map_is_zero_the_network_is_the_one_without_attention():
    image = torch.randn(2, 1, 18, 14)
    with_map, without = made(), made(attention=False)
    assert not torch.equal(with_map.logits(image)[:, 1], without.logits(image)[:, 1])
    assert torch.equal(with_map.logits(image)[:, 0], without.logits(image)[:, 0])
    for learner in (with_map, without):
        torch.nn.init.constant_(learner.network.head.bias, -1e4)
    assert torch.equal(with_map.logits(image), without.logits(image))


def test_the_inner_regions_loss_reaches_the_encoder_and_not_the_outer_map():
    learner = made()
    learner.losses(noise_batch(), 0)["region 2"].backward()
    reached = {name for name, p in learner.named_parameters() if p.grad.abs().max() > 0}
    names = {name for name, _ in learner.named_parameters()}
    assert names - reached == {n for n in names if n.startswith(("network.decoder", "network.head"))}


def test_both_sides_have_the_same_parameters_and_only_one_notes_its_map():
    sizes = [[p.shape for p in made(attention=on).parameters()] for on in (True, False)]
    assert sizes[0] == sizes[1]
    learners = made(), made(attention=False)
    for learner in learners:
        learner.losses(noise_batch(), 0)
    assert learners[1].noted == {}
    # a map that is the same everywhere guides nothing
    torch.nn.init.zeros_(learners[0].network.head.weight)
    assert learners[0].noted["spread"] > 1e-3
    learners[0].losses(noise_batch(), 0)
    assert learners[0].noted["spread"] < 1e-6


def test_a_network_that_cannot_be_taken_apart_is_refused():
    with pytest.raises(ValueError, match=r"network: expected an encoder and decoder .*, got VNet"):
        DCAN(Task(1, NAMES[:3], 3), network=recipe(VNet))
