"""MASSL: the gated error by hand, what each phase moves, and weight decay that acts once."""

from math import exp

import pytest
import torch
from torch import Tensor
from toys import NAMES, SMALL, task, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet
from medseg_lab.semi.massl import MASSL
from medseg_lab.training.loop import parameter_groups
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

WIDTHS = (4, 6, 8)
NETWORKS = [recipe(UNet, features=WIDTHS), recipe(UNetPlusPlus, features=WIDTHS)]
of_both_networks = pytest.mark.parametrize("network", NETWORKS, ids=["U-Net", "U-Net++"])


def made(dims: int = 2, classes: int = 2, channels: int = 1, network=NETWORKS[0], **arguments) -> MASSL:
    torch.manual_seed(0)
    learner = MASSL(Task(channels, NAMES[:classes], dims), network=network, **arguments)
    learner.prepare(10, [])
    return learner


def batch(dims: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image, unlabelled = torch.randn(2, 2, 1, *[16] * dims, generator=generator)
    return Batch(image, torch.randint(2, (2, *[16] * dims), generator=generator), unlabelled)


def fixed(monkeypatch, learner: MASSL, logits: list, rebuilt: list) -> tuple[Tensor, Tensor]:
    """Both outputs replaced by leaves: of N rows of pixels, `(N, K, n)` and `(N, K C, n)`."""
    outputs = [torch.tensor(values)[..., None, :].requires_grad_() for values in (logits, rebuilt)]
    monkeypatch.setattr(learner.network, "scores", lambda encoded, shape: outputs[0])
    monkeypatch.setattr(learner.rebuilt_image, "forward", lambda decoded: outputs[1])
    return outputs[0], outputs[1]


def test_the_error_is_that_of_the_class_that_is_predicted(monkeypatch):
    # One row of two pixels with a label, x = (1, 2), and one without, x = (3, -1). Predicted: background,
    # foreground; foreground, background. Rebuilt for the background (0, 5; 5, 1), foreground (7, 4; 2, 7).
    learner = made()
    logits, rebuilt = fixed(
        monkeypatch,
        learner,
        [[[3.0, 0.0], [1.0, 1.0]], [[0.0, 0.5], [2.0, -2.0]]],
        [[[0.0, 5.0], [7.0, 4.0]], [[5.0, 1.0], [2.0, 7.0]]],
    )
    first, second = torch.tensor([1.0, 2.0]).view(1, 1, 1, 2), torch.tensor([3.0, -1.0]).view(1, 1, 1, 2)
    error = learner.consistency_loss(Batch(first, torch.zeros(1, 1, 2, dtype=torch.int64), second), 0)
    assert error.item() == pytest.approx(((0 - 1) ** 2 + (4 - 2) ** 2 + (2 - 3) ** 2 + (1 - -1) ** 2) / 4)
    # what was rebuilt for the predicted class moves towards the image, nothing else moves
    error.backward()
    wanted = torch.tensor([[[-2.0, 0.0], [0.0, 4.0]], [[0.0, 4.0], [-2.0, 0.0]]])[..., None, :] / 4
    torch.testing.assert_close(rebuilt.grad, wanted)
    assert logits.grad is None


def test_each_class_rebuilds_all_channels(monkeypatch):
    # K = 2, C = 2: rebuilt are both channels for class 0, then for class 1. The pixel is of class 1.
    learner = made(channels=2)
    fixed(monkeypatch, learner, [[[0.0], [1.0]]] * 2, [[[9.0], [9.0], [1.0], [5.0]]] * 2)
    image = torch.tensor([2.0, 8.0]).view(1, 2, 1, 1)
    found = learner.consistency_loss(Batch(image, torch.zeros(1, 1, 1, dtype=torch.int64), image), 0)
    assert found.item() == pytest.approx(((1 - 2) ** 2 + (5 - 8) ** 2) / 2)


@of_both_networks
@pytest.mark.parametrize(("dims", "channels", "classes"), [(2, 3, 4), (3, 2, 3)])
def test_every_voxel_has_one_gate_and_k_rebuilt_images(dims, channels, classes, network):
    learner, image = made(dims, classes, channels, network), torch.randn(2, channels, *[10] * dims)
    rebuilt, gate = learner.rebuilt(image)
    assert rebuilt.shape == (2, classes, channels, *[10] * dims)
    assert torch.equal(gate.sum(1), torch.ones(2, *[10] * dims, dtype=torch.int64))
    assert torch.equal(gate.argmax(1), learner.predict(image).argmax(1))


@of_both_networks
@pytest.mark.parametrize("dims", [2, 3])
def test_segmenting_moves_the_network_rebuilding_the_encoder_and_the_second_decoder(dims, network):
    learner = made(dims, network=network)
    whole = [*learner.network.parameters()]
    second = [*learner.rebuilder.parameters(), *learner.rebuilt_image.parameters()]
    shared = [*learner.network.encoder.parameters(), *second]
    assert 0 < len(shared) - len(second) < len(whole)
    for number, (name, term, parameters) in enumerate(
        [("segment", "dice_ce", whole), ("rebuild", "error", shared)]
    ):
        learner.zero_grad()
        phase, losses = learner.phases()[number], learner(number, batch(dims), 9)
        assert (phase.name, list(losses)) == (name, [term])
        losses[term].backward()
        moved = {id(p) for p in learner.parameters() if p.grad is not None and p.grad.abs().max() > 0}
        assert moved == {id(p) for p in parameters} == {id(p) for p in phase.parameters}


def test_segmenting_sees_the_labelled_patches_and_rebuilding_all():
    learner, drawn = made(), batch()
    others = drawn._replace(unlabelled=drawn.unlabelled + 5)
    assert learner(0, drawn, 9)["dice_ce"] == learner(0, others, 9)["dice_ce"]
    for image in (drawn.image, drawn.unlabelled):
        image.requires_grad_()
    learner.consistency_loss(drawn, 0).backward()
    assert all(each.abs().max() > 0 for each in (*drawn.image.grad, *drawn.unlabelled.grad))


def test_the_second_decoder_reads_the_deepest_features_alone():
    learner = made()
    encoded = learner.network.encode(torch.randn(1, 1, 16, 16))
    before = learner.rebuilder(encoded)
    others = [torch.randn_like(features) for features in encoded]
    assert torch.equal(learner.rebuilder([*others[:2], encoded[2]]), before)
    assert not torch.equal(learner.rebuilder([*encoded[:2], others[2]]), before)


@of_both_networks
def test_weight_decay_reaches_every_parameter_once(network):
    learner = made(network=network)
    groups = [group for optimiser in parameter_groups(learner.phases()) for group in optimiser]
    decayed = [id(p) for group in groups if group.get("weight_decay") != 0 for p in group["params"]]
    assert sorted(decayed) == sorted(id(p) for p in learner.parameters())


def test_a_strong_weight_decay_leaves_the_network_that_of_the_supervised_twin(tmp_path):
    # at 1e-5, a second decay would be lost in the rounding of a step
    more = {"network": SMALL, "weight_decay": 5.0}
    twin, _ = trained(recipe(Supervised, **more), tiny_cohort(2), tmp_path / "twin")
    same, _ = trained(recipe(MASSL, weight=0.0, **more), tiny_cohort(2), tmp_path / "same")
    assert all(map(torch.equal, same.network.parameters(), twin.network.parameters()))


def test_weight_and_ramp_are_factors_of_the_second_phases_learning_rate():
    learner = made(weight=0.5)
    segment, rebuild = learner.phases()
    assert segment.rate(0) == segment.rate(9) == 1
    assert [rebuild.rate(step) for step in (0, 5, 10)] == pytest.approx(
        [0.5 * exp(-5), 0.5 * exp(-5 / 4), 0.5]
    )
    assert [phase.name for phase in made(weight=0.0).phases()] == ["segment"]


def test_another_weight_gives_another_network(tmp_path):
    """As a factor of the loss it would not: AdamW divides each gradient by its own size."""
    one, other = (
        trained(recipe(MASSL, network=SMALL, weight=weight), tiny_cohort(2), tmp_path / str(weight))[0]
        for weight in (1.0, 0.5)
    )
    pairs = zip(one.network.encoder.parameters(), other.network.encoder.parameters(), strict=True)
    assert max((a - b).abs().max().item() for a, b in pairs) > 1e-4


@pytest.mark.parametrize("network", [UNet, UNetPlusPlus])
def test_training_makes_the_error_smaller_than_a_constant_could(network):
    # the image is 1 in a square and -1 elsewhere: its variance is what the best constant leaves
    learner = made(network=recipe(network, features=(8, 16)))
    image = -torch.ones(2, 1, 16, 16)
    image[:, :, 4:12, 4:12] = 1
    drawn = Batch(image, (image[:, 0] > 0).long(), image)
    optimisers = [torch.optim.AdamW(groups, lr=5e-3) for groups in parameter_groups(learner.phases())]
    for step in range(60):
        for number, optimiser in enumerate(optimisers):
            optimiser.zero_grad()
            sum(learner(number, drawn, step).values()).backward()
            optimiser.step()
    assert learner.consistency_loss(drawn, 60).item() < 0.3 * image.var().item()
    assert (learner.predict(image).argmax(1) == drawn.label).float().mean() > 0.95


def test_a_network_that_cannot_be_taken_apart_is_refused_with_what_it_lacks():
    said = r"network: expected an encoder and decoder .*, got VNet, which has no widths, strides, encode, "
    with pytest.raises(ValueError, match=said):
        MASSL(task(3), network=recipe(VNet))
