"""The usual MONAI loop trains the networks that ours does, on patches like ours."""

import comparison
import pytest
import torch
import toys
import usual_loop

from medseg_lab.data.pool import FOREGROUND_SHARE
from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.norms import InstanceNorm
from medseg_lab.networks.unet import UNet
from medseg_lab.training.notation import parse


@pytest.mark.parametrize("net", comparison.NETWORKS.values())
@pytest.mark.parametrize("shape", [(2, 1, 16, 24), (1, 1, 16, 16, 24)])
def test_network_with_monai_layers_is_the_same_function(net: str, shape: tuple[int, ...]) -> None:
    text = f"Supervised(network={net}, spatial_dims={len(shape) - 2})"
    ours = parse(text).build(toys.task(3, 3)).network
    theirs = usual_loop.with_monai_layers(ours)
    assert not any(isinstance(module, InstanceNorm) for module in theirs.modules())
    assert any(type(module).__module__.startswith("monai") for module in theirs.modules())
    assert parameters(theirs) == parameters(ours)
    assert flops(theirs, shape) == flops(ours, shape)
    image = torch.randn(shape)
    assert torch.allclose(theirs(image), ours(image), atol=1e-4)  # our instance norm adds up in another order


def test_layer_without_a_counterpart_is_refused() -> None:
    ours = UNet(1, 2)
    ours.encoder[0][0][2] = torch.nn.GELU()
    with pytest.raises(ValueError, match="expected LeakyReLU or PReLU, got GELU"):
        usual_loop.with_monai_layers(ours)


def test_step_minimises_our_loss() -> None:
    learner = parse("Supervised(network=UNet(features=[4, 8]), spatial_dims=2)").build(toys.task(3, 3))
    image, label = torch.randn(2, 1, 16, 16), torch.randint(3, (2, 1, 16, 16))
    expected = DiceCE()(learner.network(image).detach(), label[:, 0])
    _, step = usual_loop.step_of(learner, 8, "cpu", False)
    losses = [float(step(number, image, label.float())) for number in range(8)]
    assert losses[0] == pytest.approx(float(expected), rel=1e-5)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("dims", "patch", "n"), [(2, (4, 6), 3), (3, (4, 6, 4), 2)])
def test_batches_are_patches_of_which_a_share_is_centred_on_foreground(
    dims: int, patch: tuple[int, ...], n: int
) -> None:
    torch.manual_seed(0)
    cohort = toys.tiny_cohort(shape=(40, 40, 40))  # a twelfth is foreground
    drawn = list(usual_loop.batches(cohort, dims, patch, n, 60, workers=0))
    assert len(drawn) == 60
    for image, label in drawn:
        assert tuple(image.shape) == tuple(label.shape) == (n, 1, *patch)
        assert set(label.unique().tolist()) <= {0, 1}
    share = float(torch.stack([label.mean() for _, label in drawn]).mean())
    assert share == pytest.approx(FOREGROUND_SHARE, abs=0.15)
