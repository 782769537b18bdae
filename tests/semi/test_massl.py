"""MASSL: the gated error by hand, whom each phase moves, and a decay that comes once."""

import pytest
import torch
from torch import Tensor
from toys import NAMES, SMALL, task, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.vnet import VNet
from medseg_lab.semi.massl import MASSL
from medseg_lab.training.loop import parameter_groups
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

PLAIN = recipe(UNet, features=(4, 8, 8))


def learner(dims: int = 2, classes: int = 2, channels: int = 1, network=PLAIN) -> MASSL:
    torch.manual_seed(0)
    found = MASSL(Task(channels, NAMES[:classes], dims), network)
    found.prepare(10, [])
    return found


def batch(dims: int = 2, channels: int = 1, classes: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image, unlabelled = torch.randn(2, 2, channels, *[16] * dims, generator=generator)
    return Batch(image, torch.randint(classes, (2, *[16] * dims), generator=generator), unlabelled)


def said(module: UNet, scores: Tensor, monkeypatch) -> Tensor:
    """Let a U-Net's decoder say these scores, `(N, K, *S)`, which become leaves of a gradient."""
    scores.requires_grad_()
    monkeypatch.setattr(module, "scores", lambda encoded, shape: scores)
    return scores


def moved(parameters) -> list[bool]:
    return [p.grad is not None and bool(p.grad.abs().max() > 0) for p in parameters]


def test_the_error_is_that_of_the_class_that_is_predicted(monkeypatch):
    # One row of two pixels with a label, x = (1, 2), and one without, x = (3, -1). Predicted: background,
    # foreground; foreground, background. Rebuilt for the background (0, 5; 5, 1), foreground (7, 4; 2, 7).
    it = learner()
    logits = torch.tensor([[[3.0, 0.0], [1.0, 1.0]], [[0.0, 0.5], [2.0, -2.0]]])[..., None, :].contiguous()
    logits = said(it.network, logits, monkeypatch)
    rebuilt = torch.tensor([[[0.0, 5.0], [7.0, 4.0]], [[5.0, 1.0], [2.0, 7.0]]])[..., None, :].contiguous()
    rebuilt = said(it.rebuilder, rebuilt, monkeypatch)
    first, second = torch.tensor([1.0, 2.0]).view(1, 1, 1, 2), torch.tensor([3.0, -1.0]).view(1, 1, 1, 2)
    assert logits.argmax(1).flatten().tolist() == [0, 1, 1, 0]
    error = it.disagreement(Batch(first, torch.zeros(1, 1, 2, dtype=torch.int64), second), 0)
    assert error.item() == pytest.approx(((0 - 1) ** 2 + (4 - 2) ** 2 + (2 - 3) ** 2 + (1 - -1) ** 2) / 4)
    # down: what was rebuilt for the predicted class moves towards the image, nothing else moves
    error.backward()
    wanted = torch.tensor([[[-2.0, 0.0], [0.0, 4.0]], [[0.0, 4.0], [-2.0, 0.0]]])[..., None, :] / 4
    torch.testing.assert_close(rebuilt.grad, wanted)
    assert logits.grad is None


def test_each_class_rebuilds_all_channels(monkeypatch):
    # K = 2, C = 2: scores are those of class 0 (both channels), then of class 1. The pixel is of class 1.
    it = learner(channels=2)
    said(it.network, torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).repeat(2, 1, 1, 1), monkeypatch)
    said(it.rebuilder, torch.tensor([9.0, 9.0, 1.0, 5.0]).view(1, 4, 1, 1).repeat(2, 1, 1, 1), monkeypatch)
    image = torch.tensor([2.0, 8.0]).view(1, 2, 1, 1)
    found = it.disagreement(Batch(image, torch.zeros(1, 1, 1, dtype=torch.int64), image), 0)
    assert found.item() == pytest.approx(((1 - 2) ** 2 + (5 - 8) ** 2) / 2)


@pytest.mark.parametrize(("dims", "channels", "classes"), [(2, 1, 2), (2, 3, 4), (3, 2, 3)])
def test_every_voxel_has_one_gate_open_and_k_rebuilt_images(dims, channels, classes):
    it, image = learner(dims, classes, channels), torch.randn(2, channels, *[12] * dims)
    rebuilt, gate = it.rebuilt(image)
    assert rebuilt.shape == (2, classes, channels, *[12] * dims)
    assert gate.shape == (2, classes, *[12] * dims)
    assert torch.equal(gate.sum(1), torch.ones_like(gate[:, 0]))
    assert torch.equal(gate.argmax(1), it.predict(image).argmax(1))
    assert not gate.requires_grad


@pytest.mark.parametrize("dims", [2, 3])
def test_segmenting_moves_the_network_and_not_the_second_decoder(dims):
    it = learner(dims)
    phase = it.phases()[0]
    assert phase.name == "segment"
    losses = it(0, batch(dims), 9)
    assert list(losses) == ["dice_ce"]
    losses["dice_ce"].backward()
    assert all(moved(it.network.parameters()))
    assert not any(moved(it.rebuilder.parameters()))
    assert {id(p) for p in phase.parameters} == {id(p) for p in it.network.parameters()}


@pytest.mark.parametrize("dims", [2, 3])
def test_rebuilding_moves_encoder_and_second_decoder_and_not_the_first(dims):
    it = learner(dims)
    phase = it.phases()[1]
    assert phase.name == "rebuild"
    losses = it(1, batch(dims), 9)
    assert list(losses) == ["error"]
    losses["error"].backward()
    assert all(moved(it.network.encoder.parameters()))
    assert all(moved(it.rebuilder.parameters()))
    for part in (it.network.up, it.network.decoder, it.network.head):
        assert all(p.grad is None for p in part.parameters())
    shared = [*it.network.encoder.parameters(), *it.rebuilder.parameters()]
    assert {id(p) for p in phase.parameters} == {id(p) for p in shared}


def test_labelled_and_unlabelled_patches_are_rebuilt():
    it, drawn = learner(), batch()
    for image in (drawn.image, drawn.unlabelled):
        image.requires_grad_()
    it.disagreement(drawn, 0).backward()
    for each in (*drawn.image.grad, *drawn.unlabelled.grad):
        assert each.abs().max() > 0


def test_the_segmentation_learns_from_labelled_patches_alone():
    it, drawn = learner(), batch()
    others = drawn._replace(unlabelled=drawn.unlabelled + 5)
    assert it(0, drawn, 9)["dice_ce"] == it(0, others, 9)["dice_ce"]
    assert it(1, drawn, 9)["error"] != it(1, others, 9)["error"]


def test_the_second_decoder_reads_the_deepest_features_alone():
    it = learner()
    encoded = it.network.encode(torch.randn(1, 1, 16, 16))
    before = it.rebuilder.scores(encoded, (16, 16))
    for level in (0, 1):
        encoded[level] = torch.randn_like(encoded[level])
    assert torch.equal(it.rebuilder.scores(encoded, (16, 16)), before)
    encoded[-1] = torch.randn_like(encoded[-1])
    assert not torch.equal(it.rebuilder.scores(encoded, (16, 16)), before)


def test_it_has_the_networks_widths_and_no_encoder_of_its_own():
    it = learner(3, 3, 2, recipe(UNet, features=(4, 6, 10)))
    assert not list(it.rebuilder.encoder.parameters())
    assert [tuple(stage[0][0].weight.shape[:2]) for stage in it.rebuilder.decoder] == [(4, 4), (6, 6)]
    assert it.rebuilder.head.weight.shape[:2] == (3 * 2, 4)


def test_the_network_predicts():
    it, image = learner(), torch.randn(1, 1, 16, 16)
    assert torch.equal(it.predict(image), it.network(image).softmax(1))


def test_weight_decay_reaches_every_parameter_once():
    it = learner()
    groups = [group for optimiser in parameter_groups(it.phases()) for group in optimiser]
    decayed = [id(p) for group in groups if group.get("weight_decay") != 0 for p in group["params"]]
    assert len(decayed) == len(set(decayed))
    assert set(decayed) == {id(p) for p in it.parameters()}


@pytest.mark.parametrize("dims", [2, 3])
def test_a_decay_that_shows_leaves_the_encoder_that_of_the_twin(dims, monkeypatch, tmp_path):
    # at 1e-5, a second decay would be lost in the rounding of a step
    monkeypatch.setattr(Supervised, "weight_decay", 5.0)
    cohort, more = tiny_cohort(dims, 2), {"network": SMALL}
    twin, _ = trained(recipe(Supervised, **more), cohort, tmp_path / "twin")
    same, _ = trained(recipe(MASSL, weight=0.0, **more), cohort, tmp_path / "same")
    for mine, its in zip(same.network.parameters(), twin.network.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_training_makes_the_error_smaller_than_a_constant_could():
    # the image is 1 in a square and -1 elsewhere: its variance is what the best constant leaves
    it = learner(network=recipe(UNet, features=(8, 16)))
    image = -torch.ones(2, 1, 16, 16)
    image[:, :, 4:12, 4:12] = 1
    drawn = Batch(image, (image[:, 0] > 0).long(), image)
    phases = it.phases()
    optimisers = [torch.optim.AdamW(groups, lr=5e-3) for groups in parameter_groups(phases)]
    for step in range(60):
        for number, optimiser in enumerate(optimisers):
            optimiser.zero_grad()
            loss = sum(it(number, drawn, step).values())
            loss.backward()
            optimiser.step()
    assert it.disagreement(drawn, 60).item() < 0.3 * image.var().item()
    assert (it.predict(image).argmax(1) == drawn.label).float().mean() > 0.95


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="network: got VNet, wanted UNet"):
        MASSL(task(3), recipe(VNet))


def test_a_batch_without_unlabelled_patches_is_refused():
    with pytest.raises(ValueError, match="MASSL: got a batch without unlabelled patches, wanted some"):
        learner()(1, batch()._replace(unlabelled=None), 0)
