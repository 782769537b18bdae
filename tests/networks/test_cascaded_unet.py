"""The two-stage cascade: what its second network reads, and what it costs."""

import pytest
import torch

from medseg_lab.data.task import Task
from medseg_lab.networks.cascaded_unet import CascadedUNet
from medseg_lab.networks.measure import flops
from medseg_lab.networks.unet import UNet
from medseg_lab.training.names import recipe_called


def test_the_fine_network_reads_the_image_and_the_coarse_probabilities():
    network = CascadedUNet(2, 3, 2, features=(4, 8)).eval()
    image = torch.randn(1, 2, 16, 16)
    coarse, fine = network.heads(image)
    torch.testing.assert_close(coarse, network.coarse(image))
    torch.testing.assert_close(fine, network.fine(torch.cat((image, coarse.softmax(1)), 1)))
    assert torch.equal(network(image), fine)
    assert network.fine.widths == (8, 16)


def test_the_second_loss_moves_the_first_network_too():
    network = CascadedUNet(1, 2, 3, features=(4, 8))
    network(torch.randn(1, 1, 8, 8, 8)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.coarse.head.parameters())


@pytest.mark.parametrize(("channels", "classes"), [(1, 4), (4, 4), (1, 2)])
def test_the_wide_unet_it_is_claimed_against_costs_as_much(channels, classes):
    shape, of = (1, channels, 96, 96), Task(channels, tuple("abcd"[:classes]), 3)
    both = [
        flops(recipe_called(name).build(of).network, shape) for name in ("Two-stage cascade", "Wide U-Net")
    ]
    assert both[0] == pytest.approx(both[1], rel=0.05)


def test_a_fine_network_is_not_narrower():
    with pytest.raises(ValueError, match="wider: expected 1 or more, got 0"):
        CascadedUNet(1, 2, wider=0)
    assert isinstance(CascadedUNet(1, 2).coarse, UNet)
