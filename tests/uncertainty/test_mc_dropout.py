"""MC dropout: only dropout is on, all patches of a pass share its mask, and together is one by one."""

import pytest
import torch
from torch import Tensor, nn
from toys import noise_batch, sampled, task

from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty import mc_dropout
from medseg_lab.uncertainty.mc_dropout import MCDropout, dropout_mask, dropouts, masks

IMAGE = noise_batch((8, 8), n=3).image


class Twice(nn.Module):
    """A network with dropout of voxels and of channels, and batch norm."""

    def __init__(self, in_channels: int = 1, out_channels: int = 3, spatial_dims: int = 2) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(in_channels, 6, 3, padding=1),
            nn.Dropout(0.3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout2d(0.5),
            nn.Conv2d(6, out_channels, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.parts(image)


class OtherUNet(UNet):
    """The same network, of which nothing is known."""


class Backwards(Supervised):
    """Predicts the classes in reverse."""

    def predict(self, image: Tensor) -> Tensor:
        return super().predict(image).flip(1)


COARSEST, ANYWHERE = recipe(UNet, features=(4, 8), dropout=0.5), recipe(Twice)
both = pytest.mark.parametrize("network", [COARSEST, ANYWHERE], ids=["coarsest", "anywhere"])


def built(network=COARSEST, method=Supervised) -> MCDropout:
    torch.manual_seed(0)
    return MCDropout(learner=method(task(2, 3), network=network))


@pytest.mark.parametrize(("p", "kept"), [(0.5, 2.0), (0.2, 1.25)])
def test_a_mask_scales_what_it_keeps(p, kept):
    mask = dropout_mask(nn.Dropout2d(p), (5000, 3, 2), torch.Generator().manual_seed(0))
    assert mask.shape == (5000, 1, 1)
    assert mask.unique().tolist() == pytest.approx([0, kept])
    assert (mask == 0).float().mean().item() == pytest.approx(p, abs=0.02)


def test_plain_dropout_drops_voxels():
    mask = dropout_mask(nn.Dropout(0.5), (4, 5, 6), torch.Generator().manual_seed(0))
    assert mask.shape == (4, 5, 6)
    assert 0 < (mask[0] == 0).sum() < 30


def test_nothing_and_everything_dropped():
    seed = torch.Generator().manual_seed(0)
    assert torch.equal(dropout_mask(nn.Dropout2d(0.0), (9, 2, 2), seed), torch.ones(9, 1, 1))
    assert torch.equal(dropout_mask(nn.Dropout2d(1.0), (9, 2, 2), seed), torch.zeros(9, 1, 1))


def test_each_pass_has_its_mask_and_all_its_patches_share_it():
    dropout, x = nn.Dropout2d(0.5).eval(), torch.ones(3 * 4, 64, 2, 2)
    with masks(dropout, [5, 6, 5]):
        found = dropout(x).unflatten(0, (3, 4))
    assert torch.equal(found, found[:, :1].expand(-1, 4, -1, -1, -1))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


def test_dropout_of_every_kind_is_found_and_is_off_again_whatever_happened():
    assert [type(module) for module in dropouts(Twice())] == [nn.Dropout, nn.Dropout2d]
    assert [type(module) for module in dropouts(UNet(1, 2, 3, dropout=0.5))] == [nn.Dropout3d]
    dropout, x = nn.Dropout2d(0.5).eval(), torch.ones(1, 64, 2, 2)
    with pytest.raises(RuntimeError), masks(dropout, [1]):
        raise RuntimeError
    assert torch.equal(dropout(x), x)


@both
def test_a_pass_is_the_network_under_its_masks_and_nothing_else_is_on(network):
    learner = built(network).train()  # it stays in evaluation mode, and so does its batch norm
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    found = sampled(learner, IMAGE, 4, seed=7)
    torch.manual_seed(7)
    seeds = torch.randint(2**62, (4,)).tolist()
    for seed, sample in zip(seeds, found, strict=True):
        generator = torch.Generator().manual_seed(seed)

        def drop(module, inputs, output, generator=generator):
            shape = output.shape[1:] if type(module) is nn.Dropout else (output.shape[1], 1, 1)
            kept = torch.rand(shape, generator=generator) >= module.p
            return output * kept / (1 - module.p)

        hooks = [module.register_forward_hook(drop) for module in dropouts(learner)]
        with torch.no_grad():
            torch.testing.assert_close(sample, learner.learner.predict(IMAGE))
        _ = [hook.remove() for hook in hooks]
    for name, value in learner.state_dict().items():
        assert torch.equal(value, before[name]), name


@both
def test_together_is_as_one_by_one_whatever_the_number_of_patches(network, monkeypatch):
    learner = built(network)
    together = sampled(learner, IMAGE, 5)
    for passes in (1, 2):  # all alone; 2, 2 and 1
        monkeypatch.setattr(mc_dropout, "VOXELS", {"cpu": passes * IMAGE.numel()})
        torch.testing.assert_close(sampled(learner, IMAGE, 5), together)
        torch.testing.assert_close(sampled(learner, IMAGE[:1], 5), together[:, :1])


def test_the_encoder_is_computed_once_with_the_same_result():
    found, calls = [], []
    for kind in (UNet, OtherUNet):
        learner = built(recipe(kind, features=(4, 8), dropout=0.5))
        seen = []
        learner.learner.network.encoder[0].register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.append(len(output))
        )
        found.append(sampled(learner, IMAGE, 5))
        calls.append(sum(seen))
    torch.testing.assert_close(*found)
    assert calls == [3, 15]


def test_a_learner_that_predicts_in_its_own_way_is_asked():
    plain, backwards = built(), built(method=Backwards)
    torch.testing.assert_close(sampled(backwards, IMAGE, 3), sampled(plain, IMAGE, 3).flip(2))


def test_without_dropout_it_is_refused():
    said = "MCDropout: learner: expected a network with dropout, got Supervised without any"
    with pytest.raises(ValueError, match=said):
        built(recipe(UNet, features=(2, 4)))
