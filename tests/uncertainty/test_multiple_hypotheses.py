"""Winner takes most, by hand; what the heads become of two readings; one head is the supervised twin."""

from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from toys import SMALL, Constant, differing, noise_batch, task, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.multiple_hypotheses import (
    MultipleHypotheses,
    log_likelihood,
    weights,
    winner_takes_most,
    winners,
)

ONE = torch.ones(1, 1, 1, dtype=torch.long)
"""The label of one patch of one pixel."""


def learner(*foreground: float, **arguments: float) -> MultipleHypotheses:
    """A head for each number: the logit of its foreground everywhere."""
    method = MultipleHypotheses(task(2), network=recipe(Constant), hypotheses=len(foreground), **arguments)
    method.network.values.data = torch.tensor([value for z in foreground for value in (0.0, z)])
    return method


def foregrounds(*patches: list[float]) -> Tensor:
    """Logits (0, z) of one pixel with these foreground probabilities, `(N, M, 2, 1, 1)`."""
    z = torch.tensor(patches).logit()
    return torch.stack((torch.zeros_like(z), z), dim=2)[..., None, None].requires_grad_()


def two_readings(method: MultipleHypotheses, steps: int = 200) -> list[float]:
    """The foreground of each head, after plain descent on a pixel that is marked by one rater of two."""
    batch = Batch(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1]).view(2, 1, 1))
    descent = torch.optim.SGD(method.parameters(), lr=2.0)
    for step in range(steps):
        descent.zero_grad()
        sum(method.losses(batch, step).values()).backward()
        descent.step()
    with torch.no_grad():
        return method.heads(batch.image)[:, 0, 1, 0, 0].tolist()


def test_each_patch_is_learnt_by_its_winner():
    # true class: foreground; patch 0 is won by head 0 (.8 > .4), patch 1 by head 1 (.6 > .3)
    logits = foregrounds([0.8, 0.4], [0.3, 0.6])
    loss = winner_takes_most(logits, ONE.expand(2, 1, 1), 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(-(0.9 * log(0.8 * 0.6) + 0.1 * log(0.4 * 0.3)) / 2, rel=1e-5)
    # d/dz of -log sigmoid(z) is p - 1; half of each, as there are two voxels
    slopes = [[0.9 * -0.2 / 2, 0.1 * -0.6 / 2], [0.1 * -0.7 / 2, 0.9 * -0.4 / 2]]
    torch.testing.assert_close(logits.grad[:, :, 1, 0, 0], torch.tensor(slopes))
    torch.testing.assert_close(logits.grad[:, :, 0], -logits.grad[:, :, 1])


def test_without_epsilon_only_the_winner_learns():
    logits = foregrounds([0.8, 0.4, 0.5])
    winner_takes_most(logits, ONE, 0.0).backward()
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
    logits = torch.stack((torch.zeros_like(z), z), dim=2).requires_grad_()
    label = torch.tensor([[1, IGNORE, IGNORE, IGNORE]])
    assert winners(logits, label).tolist() == [1]
    assert log_likelihood(logits, label)[0, :, 1:].abs().max() == 0
    nothing = winner_takes_most(logits, torch.full_like(label, IGNORE), 0.05)
    nothing.backward()
    assert nothing == 0
    assert not logits.grad.any()


def test_weights_sum_to_one_and_of_equals_the_first_wins():
    assert weights(-torch.rand(3, 1, 4), 0.3).tolist() == [[1]] * 3
    assert weights(torch.zeros(1, 3, 4), 0.2).tolist() == [pytest.approx([0.8, 0.1, 0.1])]
    assert winners(torch.zeros(2, 3, 2, 1), torch.zeros(2, 1, dtype=torch.long)).tolist() == [0, 0]


def test_the_loss_is_float32_though_logits_are_not():
    torch.manual_seed(0)
    logits, label = torch.randn(2, 2, 2, 4, 4).bfloat16(), torch.randint(2, (2, 4, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = winner_takes_most(logits, label, 0.05)
    assert found.dtype == torch.float32
    assert found == winner_takes_most(logits.float(), label, 0.05)


def test_one_head_answers_two_readings_with_their_mean():
    assert two_readings(learner(1.0)) == pytest.approx([0.5], abs=1e-3)


@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_two_heads_divide_two_readings_among_them(epsilon):
    # least of -(1 - e) log p - e log(1 - p) is at p = 1 - e
    found = two_readings(learner(-0.1, 0.2, epsilon=epsilon))
    assert found == pytest.approx([epsilon, 1 - epsilon], abs=1e-3)


def test_a_head_that_never_wins_stands_still_but_for_epsilon():
    assert two_readings(learner(-2.0, 2.0, -0.4, epsilon=0.0))[2] == pytest.approx(1 / (1 + torch.e**0.4))
    # it sees both readings, with the same small weight
    assert two_readings(learner(-2.0, 2.0, -0.4, epsilon=0.1))[2] == pytest.approx(0.5, abs=1e-2)


def test_with_one_hypothesis_it_is_the_supervised_twin_bit_for_bit(tmp_path):
    twin = recipe(Supervised, network=SMALL, loss=recipe(CrossEntropy), reading="random")
    one = recipe(MultipleHypotheses, network=SMALL, hypotheses=1)
    cohort = tiny_cohort(2, 3)
    first, rows = trained(one, cohort, tmp_path / "one")
    second, others = trained(twin, cohort, tmp_path / "twin")
    assert [row["cross_entropy"] for row in rows.rows] == [row["cross_entropy"] for row in others.rows]
    assert differing(first, second) == []
    image = noise_batch().image
    assert torch.equal(first.eval().predict(image), second.eval().predict(image))


def test_samples_are_the_heads_in_turn_and_their_mean_is_the_prediction():
    method, image = learner(-1.0, 0.0, 2.0), torch.zeros(2, 1, 4, 5)
    expected = torch.tensor([-1.0, 0.0, 2.0, -1.0, 0.0]).sigmoid().view(-1, 1, 1, 1)
    found = method.sample(image, 5)
    torch.testing.assert_close(found[:, :, 1], expected.expand(5, 2, 4, 5))
    assert torch.equal(method.sample(image, 2), found[:2])
    torch.testing.assert_close(method.predict(image)[:, 1], expected[:3].mean().expand(2, 4, 5))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hypotheses": 0}, "hypotheses: expected greater than or equal to 1, got 0"),
        ({"epsilon": 1.0}, "epsilon: expected less than 1, got 1.0"),
        ({"epsilon": -0.1}, "epsilon: expected greater than or equal to 0, got -0.1"),
    ],
)
def test_what_cannot_be_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MultipleHypotheses(task(2), network=SMALL, **arguments)


def test_a_label_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="label: expected the shape"):
        winner_takes_most(torch.zeros(1, 2, 2, 3, 3), torch.zeros(1, 3, 4, dtype=torch.long), 0.05)
