"""MC dropout: only dropout is on, all patches of a pass share its mask, and together is one by one."""

import pytest
import torch
from bayes_toys import NETWORK, TASK, batch, seeded, tiny_cohort
from torch import Tensor, nn

from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import Budget
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty import mc_dropout
from medseg_lab.uncertainty.mc_dropout import MCDropout, dropout_mask, dropouts, masks

DROPPING = recipe(UNet, features=(4, 8), dropout=0.5)


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


BOTH = pytest.mark.parametrize("network", [DROPPING, recipe(Twice)], ids=["coarsest", "anywhere"])


def built(network=DROPPING, method=Supervised) -> MCDropout:
    torch.manual_seed(0)
    return MCDropout(method(TASK, network))


def one_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr(mc_dropout, "VOXELS", {"cpu": 1})


# The masks


def test_a_mask_scales_what_it_keeps():
    for p, kept in ((0.5, 2.0), (0.2, 1.25)):
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


@pytest.mark.parametrize("dropout", [nn.Dropout(0.4), nn.Dropout2d(0.4)])
def test_the_mean_over_many_masks_of_a_linear_map_is_the_plain_one(dropout):
    torch.manual_seed(0)
    linear = nn.Sequential(dropout, nn.Conv2d(3, 2, 1)).eval()
    x, seeds = torch.randn(1, 3, 2, 2), list(range(6000))
    with torch.no_grad(), masks(linear, seeds):
        mean = linear(x.expand(6000, -1, -1, -1)).mean(0)
    torch.testing.assert_close(mean, linear(x)[0].detach(), atol=0.05, rtol=0)


def test_each_pass_has_its_mask_and_all_its_patches_share_it():
    dropout, x = nn.Dropout2d(0.5).eval(), torch.ones(3 * 4, 64, 2, 2)
    with masks(dropout, [5, 6, 5]):
        found = dropout(x).unflatten(0, (3, 4))
    assert torch.equal(found, found[:, :1].expand(-1, 4, -1, -1, -1))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


def test_dropout_of_every_kind_is_found():
    assert [type(module) for module in dropouts(Twice())] == [nn.Dropout, nn.Dropout2d]
    assert [type(module) for module in dropouts(UNet(1, 2, 3, dropout=0.5))] == [nn.Dropout3d]


def test_after_it_dropout_is_off_again_whatever_happened():
    dropout, x = nn.Dropout2d(0.5).eval(), torch.ones(1, 64, 2, 2)
    with pytest.raises(RuntimeError), masks(dropout, [1]):
        raise RuntimeError
    assert torch.equal(dropout(x), x)


# The passes


@BOTH
def test_a_pass_is_the_network_under_its_masks_and_nothing_else_is_on(network):
    learner, image = built(network), batch(3).image
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    found = seeded(learner, image, 4)
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
            torch.testing.assert_close(sample, learner.learner.predict(image))
        _ = [hook.remove() for hook in hooks]
    for name, value in learner.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_batch_norm_stays_put_even_in_training_mode():
    learner = built(recipe(Twice)).train()
    assert not any(module.training for module in learner.modules())
    image = 5 + batch().image
    before = [buffer.clone() for buffer in learner.buffers()]
    found = seeded(learner, image, 3)
    assert all(torch.equal(a, b) for a, b in zip(learner.buffers(), before, strict=True))
    assert torch.equal(found, seeded(learner.eval(), image, 3))


@BOTH
def test_with_p_zero_a_pass_is_the_plain_prediction(network):
    learner, image = built(network), batch().image
    for module in dropouts(learner):
        module.p = 0.0
    with torch.no_grad():
        wanted = learner.learner.predict(image)
    torch.testing.assert_close(seeded(learner, image, 3), wanted.expand(3, *wanted.shape))


@BOTH
def test_together_is_as_one_by_one(network, monkeypatch):
    learner, image = built(network), batch(3).image
    together = seeded(learner, image, 5)
    one_at_a_time(monkeypatch)
    torch.testing.assert_close(seeded(learner, image, 5), together)
    monkeypatch.setattr(mc_dropout, "VOXELS", {"cpu": 2 * image.numel()})  # 2, 2 and 1
    torch.testing.assert_close(seeded(learner, image, 5), together)


def test_the_encoder_is_computed_once_with_the_same_result():
    image, found, calls = batch(3).image, [], []
    for kind in (UNet, OtherUNet):
        learner = built(recipe(kind, features=(4, 8), dropout=0.5))
        seen = []
        learner.learner.network.encoder[0].register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.append(len(output))
        )
        found.append(seeded(learner, image, 5))
        calls.append(sum(seen))
    torch.testing.assert_close(*found)
    assert calls == [3, 15]


@pytest.mark.parametrize("size", [7, 9])
def test_odd_sizes_keep_their_shape(size):
    image = batch(2, size).image
    assert seeded(built(), image, 2).shape == (2, 2, 3, size, size)


def test_volumes():
    torch.manual_seed(0)
    learner = MCDropout(Supervised(TASK, DROPPING, spatial_dims=3))
    image = torch.randn(2, 1, 6, 5, 8)
    found = seeded(learner, image, 3)
    assert found.shape == (3, 2, 3, 6, 5, 8)
    torch.testing.assert_close(found[:, :1], seeded(learner, image[:1], 3))


def test_a_learner_that_predicts_in_its_own_way_is_asked():
    image = batch().image
    plain, backwards = built(), built(method=Backwards)
    torch.testing.assert_close(seeded(backwards, image, 3), seeded(plain, image, 3).flip(2))


@BOTH
def test_patches_share_a_pass_and_more_of_them_change_nothing(network):
    learner, image = built(network), batch(4).image
    together = seeded(learner, image, 3)
    torch.testing.assert_close(together[:, 1:2], seeded(learner, image[1:2], 3))
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert torch.equal(together, seeded(learner, image, 3))
    assert not torch.equal(together, seeded(learner, image, 3, seed=8))
    torch.testing.assert_close(together.sum(2), torch.ones(3, 4, 8, 8))


def test_the_number_of_patches_changes_no_mask_where_they_go_in_chunks(monkeypatch):
    learner, image = built(recipe(Twice)), batch(4).image
    monkeypatch.setattr(mc_dropout, "VOXELS", {"cpu": 64 * 6})
    torch.testing.assert_close(seeded(learner, image, 5)[:, :1], seeded(learner, image[:1], 5))


def test_the_prediction_is_the_mean_of_eight_passes():
    learner, image = built(), batch().image
    wanted = seeded(learner, image, 8).mean(0)
    torch.manual_seed(7)
    with torch.no_grad():
        torch.testing.assert_close(learner.predict(image), wanted)


def test_it_is_called_what_its_learner_is():
    inner = Supervised(TASK, DROPPING, reading="consensus", spatial_dims=3)
    inner.patch, inner.precision = (4, 5, 6), "bf16-mixed"
    learner = MCDropout(inner)
    assert learner.task == inner.task
    assert (learner.patch, learner.precision) == ((4, 5, 6), "bf16-mixed")
    assert learner.reading == "consensus"


def test_without_dropout_it_is_refused():
    with pytest.raises(ValueError, match="learner: got Supervised without dropout, wanted a network with it"):
        MCDropout(Supervised(TASK, NETWORK))


def test_its_base_is_trained_and_it_is_not(tmp_path):
    base = recipe(Supervised, network=DROPPING)
    options = {"store": RunStore(tmp_path), "progress": False}
    cohort, budget = tiny_cohort(), Budget(steps=3, voxels=128, patch=8)
    run = fit(recipe(MCDropout, learner=base), cohort, budget, 0, **options)
    trained = fit(base, cohort, budget, 0, **options)
    assert trained.replayed
    assert run.record.base == trained.record.key
    learner, image = run.learner(), cohort.validation[0].image[None]
    assert learner.patch == (8, 8)
    wanted = seeded(MCDropout(trained.learner()), image, 3)
    assert torch.equal(seeded(learner, image, 3), wanted)
