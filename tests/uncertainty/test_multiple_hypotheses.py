"""Winner takes most, by hand; what the heads become of two readings; one head is the supervised twin."""

from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.multiple_hypotheses import (
    MultipleHypotheses,
    log_likelihood,
    weights,
    winner_takes_most,
    winners,
)

TASK = Task(1, ("background", "nodule"), 2)
SMALL = recipe(UNet, features=(4, 8))


class Biases(nn.Module):
    """Logits that do not look at the image: one number a map."""

    def __init__(self, in_channels: int, out_channels: int, spatial_dims: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(out_channels))

    def forward(self, image: Tensor) -> Tensor:
        shape = (len(image), -1, *image.shape[2:])
        return self.values.view(1, -1, *[1] * (image.ndim - 2)).expand(shape)


def learner(hypotheses: int, **arguments: float) -> MultipleHypotheses:
    torch.manual_seed(0)
    return MultipleHypotheses(TASK, recipe(Biases), hypotheses, **arguments)


def foregrounds(*patches: list[float]) -> Tensor:
    """Logits (0, z) of one pixel with these foreground probabilities, `(N, M, 2, 1, 1)`."""
    z = torch.tensor(patches).logit()
    return torch.stack((torch.zeros_like(z), z), dim=2)[..., None, None].requires_grad_()


def one_pixel(*labels: int) -> Batch:
    label = torch.tensor(labels).view(-1, 1, 1)
    return Batch(torch.zeros(len(labels), 1, 1, 1), label)


def trained(method: MultipleHypotheses, batch: Batch, steps: int = 400) -> list[float]:
    """The foreground probability of each head, after so many steps of plain descent."""
    descent = torch.optim.SGD(method.parameters(), lr=2.0)
    for step in range(steps):
        descent.zero_grad()
        sum(method.losses(batch, step).values()).backward()
        descent.step()
    with torch.no_grad():
        return sorted(method.heads(batch.image)[:, 0, 1, 0, 0].tolist())


def test_each_patch_is_learnt_by_its_winner():
    # true class: foreground; patch 0 is won by head 0 (.8 > .4), patch 1 by head 1 (.6 > .3)
    logits = foregrounds([0.8, 0.4], [0.3, 0.6])
    loss = winner_takes_most(logits, torch.ones(2, 1, 1, dtype=torch.long), 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(-(0.9 * log(0.8 * 0.6) + 0.1 * log(0.4 * 0.3)) / 2, rel=1e-5)
    # d/dz of -log sigmoid(z) is p - 1; half of each, as there are two voxels
    slopes = [[0.9 * -0.2 / 2, 0.1 * -0.6 / 2], [0.1 * -0.7 / 2, 0.9 * -0.4 / 2]]
    torch.testing.assert_close(logits.grad[:, :, 1, 0, 0], torch.tensor(slopes))
    torch.testing.assert_close(logits.grad[:, :, 0], -logits.grad[:, :, 1])


def test_without_epsilon_only_the_winner_learns():
    logits = foregrounds([0.8, 0.4, 0.5])
    winner_takes_most(logits, torch.ones(1, 1, 1, dtype=torch.long), 0.0).backward()
    assert logits.grad[0, 0, 1] == pytest.approx(-0.2)
    assert not logits.grad[0, 1:].any()


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_it_is_the_weighted_cross_entropy_of_patches_and_heads(shape):
    torch.manual_seed(0)
    logits, label = torch.randn(3, 4, 3, *shape), torch.randint(3, (3, *shape))
    each = [
        [F.cross_entropy(head[None], y[None]) for head in patch]
        for patch, y in zip(logits, label, strict=True)
    ]
    expected = sum(0.8 * min(patch) + 0.2 / 3 * (sum(patch) - min(patch)) for patch in each) / 3
    assert winner_takes_most(logits, label, 0.2).item() == pytest.approx(expected.item(), rel=1e-5)
    assert winners(logits, label).tolist() == [int(torch.stack(patch).argmin()) for patch in each]


def test_a_patch_weighs_as_much_as_it_has_known_voxels():
    torch.manual_seed(0)
    logits, label = torch.randn(2, 2, 2, 1, 4), torch.randint(2, (2, 1, 4))
    label[1, 0, 1:] = IGNORE
    terms = [
        [F.cross_entropy(h[None], y[None], ignore_index=IGNORE) for h in p]
        for p, y in zip(logits, label, strict=True)
    ]
    patches = [0.95 * min(t) + 0.05 * max(t) for t in terms]
    expected = (4 * patches[0] + 1 * patches[1]) / 5
    assert winner_takes_most(logits, label, 0.05).item() == pytest.approx(expected.item(), rel=1e-5)


def test_unknown_voxels_have_no_say_in_who_wins():
    # head 1 is right where the label is known, head 0 would be right nearly everywhere
    z = torch.tensor([[[-1.0, 5, 5, 5], [1.0, -5, -5, -5]]])  # (N, M, S)
    logits = torch.stack((torch.zeros_like(z), z), dim=2)
    label = torch.tensor([[1, IGNORE, IGNORE, IGNORE]])
    assert winners(logits, label).tolist() == [1]
    assert log_likelihood(logits, label)[0, :, 1:].abs().max() == 0


def test_where_nothing_is_known_nothing_is_learnt():
    logits = torch.randn(1, 2, 2, 2, 2, requires_grad=True)
    loss = winner_takes_most(logits, torch.full((1, 2, 2), IGNORE), 0.05)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("heads", [1, 2, 5])
def test_weights_sum_to_one(heads):
    torch.manual_seed(0)
    found = weights(-torch.rand(3, heads, 2, 2), 0.3)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    if heads > 1:
        assert found.max(dim=1).values.tolist() == pytest.approx([0.7] * 3)
        assert found.min(dim=1).values.tolist() == pytest.approx([0.3 / (heads - 1)] * 3)


def test_of_equals_the_first_wins():
    assert winners(torch.zeros(2, 3, 2, 1), torch.zeros(2, 1, dtype=torch.long)).tolist() == [0, 0]
    assert weights(torch.zeros(1, 3, 4), 0.2).tolist() == [pytest.approx([0.8, 0.1, 0.1])]


def test_the_loss_is_float32_though_logits_are_not():
    torch.manual_seed(0)
    logits, label = torch.randn(2, 2, 2, 4, 4).bfloat16(), torch.randint(2, (2, 4, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = winner_takes_most(logits, label, 0.05)
    assert found.dtype == torch.float32
    assert found == winner_takes_most(logits.float(), label, 0.05)


def test_one_head_answers_two_readings_with_their_mean():
    assert trained(learner(1), one_pixel(0, 1)) == pytest.approx([0.5], abs=1e-3)


@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_two_heads_divide_two_readings_among_them(epsilon):
    # least of -(1 - e) log p - e log(1 - p) is at p = 1 - e
    found = trained(learner(2, epsilon=epsilon), one_pixel(0, 1))
    assert found == pytest.approx([epsilon, 1 - epsilon], abs=1e-3)


def test_a_head_that_never_wins_stands_still_but_for_epsilon():
    batch, third = one_pixel(0, 1), {}
    for epsilon in (0.0, 0.1):
        method = learner(3, epsilon=epsilon)
        with torch.no_grad():
            method.network.values.copy_(torch.tensor([0.0, -2.0, 0.0, 2.0, 0.4, 0.0]))
        trained(method, batch)
        third[epsilon] = method.heads(batch.image)[2, 0, 1, 0, 0].item()
    assert third[0.0] == pytest.approx(1 / (1 + torch.e**0.4), rel=1e-5)
    assert third[0.1] == pytest.approx(0.5, abs=1e-2)  # it sees both readings, with the same small weight


def test_with_one_hypothesis_it_is_the_supervised_twin_bit_for_bit():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, 16, 16, generator=generator).to(memory_format=torch.channels_last)
    label = torch.randint(2, (2, 16, 16), generator=generator)
    label[0, :3] = IGNORE
    both = []
    for method, arguments in (
        (MultipleHypotheses, {"hypotheses": 1}),
        (Supervised, {"loss": "cross_entropy"}),
    ):
        torch.manual_seed(0)
        found = method(TASK, SMALL, **arguments).to(memory_format=torch.channels_last)
        descent = torch.optim.AdamW(found.parameters(), lr=1e-2)
        noted = []
        for step in range(3):
            loss = found.losses(Batch(image, label), step)["cross_entropy"]
            descent.zero_grad()
            loss.backward()
            descent.step()
            noted.append(loss.item())
        both.append((noted, found.state_dict(), found.predict(image)))
    (first, weights_1, answer_1), (second, weights_2, answer_2) = both
    assert first == second
    assert first[2] < first[0]
    assert all(torch.equal(weights_1[name], weights_2[name]) for name in weights_1.keys() | weights_2.keys())
    assert torch.equal(answer_1, answer_2)


def test_samples_are_the_heads_in_turn():
    method = learner(3)
    with torch.no_grad():
        method.network.values.copy_(torch.tensor([0.0, -1.0, 0.0, 0.0, 0.0, 2.0]))
    image = torch.zeros(2, 1, 4, 5)
    expected = torch.tensor([-1.0, 0.0, 2.0, -1.0, 0.0]).sigmoid()
    found = method.sample(image, 5)
    assert found.shape == (5, 2, 2, 4, 5)
    torch.testing.assert_close(found[:, :, 1], expected.view(-1, 1, 1, 1).expand(5, 2, 4, 5))
    torch.testing.assert_close(found.sum(dim=2), torch.ones(5, 2, 4, 5))
    assert torch.equal(method.sample(image, 2), found[:2])


def test_the_prediction_is_the_mean_of_all_heads():
    method = learner(3)
    with torch.no_grad():
        method.network.values.copy_(torch.tensor([0.0, -1.0, 0.0, 0.0, 0.0, 2.0]))
    expected = torch.tensor([-1.0, 0.0, 2.0]).sigmoid().mean()
    assert method.predict(torch.zeros(1, 1, 1, 1))[0, 1].item() == pytest.approx(expected.item())


def test_a_network_has_k_maps_for_each_hypothesis():
    method = MultipleHypotheses(Task(2, ("a", "b", "c"), 3), SMALL, 4, spatial_dims=2)
    assert method.logits(torch.zeros(1, 2, 8, 8)).shape == (1, 4, 3, 8, 8)
    assert method.reading == "random"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hypotheses": 0}, "hypotheses: got 0, wanted 1 or more"),
        ({"epsilon": 1.0}, "epsilon: got 1.0"),
        ({"epsilon": -0.1}, "epsilon: got -0.1"),
        ({"reading": "mine"}, "reading: got 'mine'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MultipleHypotheses(TASK, SMALL, **arguments)


def test_a_label_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="label: got shape"):
        winner_takes_most(torch.zeros(1, 2, 2, 3, 3), torch.zeros(1, 3, 4, dtype=torch.long), 0.05)
