from dataclasses import replace
from math import exp

import pytest
import torch
from torch import Tensor, nn
from toys import SCALE, SMALL, differing, noise_batch, task, tiny_cohort, trained

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import DiceCE
from medseg_lab.rounds.tsman import TSMAN, changes, distilled, error
from medseg_lab.rounds.two_streams import TwoStreams, damp_gradient, disagreement
from medseg_lab.semi.other_start import OtherStart
from medseg_lab.training.recipe import recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised

COHORT = tiny_cohort(2, shape=(16, 12))


def method(dims: int = 2, **arguments: object) -> TSMAN:
    torch.manual_seed(0)
    return TSMAN(task(dims, 3), network=SMALL, **arguments)


def test_disagreement_is_the_share_of_probability_that_is_elsewhere():
    sure, even = torch.tensor([[[100.0], [0.0]]]), torch.zeros(1, 2, 1)  # p = (1, 0) and (1/2, 1/2)
    torch.testing.assert_close(disagreement(sure, even), torch.tensor([[0.5]]))
    torch.testing.assert_close(disagreement(sure, sure.flip(1)), torch.tensor([[1.0]]))
    assert disagreement(even, even).item() == 0


def test_a_damped_loss_is_the_same_and_its_gradient_is_scaled_voxel_by_voxel():
    batch = noise_batch()
    plain, quiet = (batch.image.repeat(1, 3, 1, 1).requires_grad_() for _ in range(2))
    share = torch.rand(2, 16, 12)
    losses = DiceCE()(plain, batch.label), DiceCE()(damp_gradient(quiet, share), batch.label)
    torch.testing.assert_close(*losses)
    sum(losses).backward()
    torch.testing.assert_close(quiet.grad, plain.grad * share.unsqueeze(1))


def test_a_stream_is_attended_by_what_the_other_sees():
    """x a with a = 2 sigmoid(w y): by hand on the finest level of both streams."""
    network = method().network
    image = torch.randn(1, 1, 8, 8)
    alone = network(image)
    for of_stream in network.attend:
        nn.init.constant_(of_stream[0].weight, 0.7)
    network.eval()
    first, second = (stream.encode(image) for stream in network.streams)
    a = 2 / (1 + (-0.7 * second[0].sum(dim=1, keepdim=True)).exp())
    wanted = network.streams[0].scores([first[0] * a, first[1]], (8, 8))
    torch.testing.assert_close(network(image)[0], wanted)
    assert not torch.allclose(network(image)[1], alone[1])
    assert network.activity()["attention"] > 0


def test_no_stream_is_moved_by_the_loss_of_the_other():
    network = method().network
    for of_stream in network.attend:
        nn.init.normal_(of_stream[0].weight)
    network(torch.randn(1, 1, 8, 8))[0].sum().backward()
    assert all(p.grad is None for p in network.streams[1].parameters())
    assert network.attend[0][0].weight.grad.abs().sum() > 0


def test_undamped_and_without_attention_the_first_stream_is_the_supervised_twin(tmp_path):
    """Bit for bit; clipping is of both together, so none is clipped."""
    same = {"network": SMALL, "clip_norm": 1e9}
    wanted, _ = trained(recipe(Supervised, **same), COHORT, tmp_path / "twin")
    free = {"attention": False, "rounds": 0}
    for damp, equal in (("pseudo", True), ("all", False)):
        found, _ = trained(recipe(TSMAN, **same, **free, damped=damp), COHORT, tmp_path / damp)
        assert (differing(found.network.streams[0], wanted.network) == []) == equal


def test_damping_counts_a_voxel_by_the_agreement_of_the_streams():
    """Streams with sigmoid(x w), w = 0.5 and 2: the gradient is that of cross entropy times 1 - |p - q|."""
    image, label = torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, dtype=torch.int64)
    p, q = (1 / (1 + exp(-w)) for w in (0.5, 2.0))
    for damp, share in ((True, 1 - (q - p)), (False, 1.0)):
        learner = method(loss=recipe(CrossEntropy))
        learner.network = Pair(0.5, 2.0)
        learner.of_streams(image, label, damp).backward()
        assert [w.grad.item() for w in learner.network.parameters()] == pytest.approx(
            [-share * (1 - p), -share * (1 - q)]
        )
        assert ("damped" in learner.noted) == damp
        if damp:  # one voxel: all of its gradient is damped by d
            assert float(learner.noted["damped"]) == pytest.approx(q - p)


@pytest.mark.parametrize(
    ("damped", "wanted"), [("pseudo", [False, True]), ("all", [True, True]), ("none", [False, False])]
)
def test_which_labels_are_damped(damped, wanted, monkeypatch):
    """Labels first, then pseudo-labels."""
    learner, batch, found = method(damped=damped), noise_batch(), []

    def of_streams(image, label, damp):
        found.append(damp)
        return image.sum()

    monkeypatch.setattr(learner, "of_streams", of_streams)
    learner.losses(batch._replace(unlabelled=batch.image, pseudo=batch.label), 0)
    assert found == wanted


def test_the_mean_of_the_streams_predicts():
    learner = method()
    learner.network = Pair(0.5, 2.0)
    found = learner.predict(torch.ones(1, 1, 1, 1))[0, 1].item()
    assert found == pytest.approx((1 / (1 + exp(-0.5)) + 1 / (1 + exp(-2.0))) / 2)


class Pair(nn.Module):
    """Logits (0, w x, -100) of two weights."""

    def __init__(self, first: float, second: float) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.tensor(w)) for w in (first, second))

    def forward(self, image: Tensor) -> list[Tensor]:
        none = torch.full_like(image, -100)
        return [torch.cat((0 * image, w * image, none), dim=1) for w in (self.first, self.second)]


class Shown(Segmenter):
    """A teacher whose foreground has the probability of the image; it counts how often it was asked."""

    def build(self) -> None:
        self.moved, self.asked = nn.Parameter(torch.zeros(())), 0

    def predict(self, image: Tensor) -> Tensor:
        self.asked += len(image)
        return torch.cat((1 - image, image, 0 * image), dim=1)


class Lopsided(Shown):
    """It also takes the first row of whatever it is shown for foreground."""

    def predict(self, image: Tensor) -> Tensor:
        found = image.clone()
        found[:, :, 0] = 1
        return super().predict(found)


def shown(kind: type[Shown] = Shown) -> Shown:
    teacher = kind()
    teacher.task, teacher.patch = task(2, 3), (16, 16)
    return teacher


def test_copies_are_turned_either_way_and_flipped_as_the_card_allows():
    assert len(changes(2, ())) == 2
    assert len(changes(3, (0, 2))) == 4
    assert len(TSMAN(replace(task(2, 3), mirror=(1,)), network=SMALL).changes) == 3
    image = torch.rand(1, 16, 16)
    plain, averaged = distilled(shown(Lopsided), changes(2, (0,))[2:], image, -1)
    torch.testing.assert_close(plain[1, 0], torch.ones(16))
    # the flipped copy has its mistake in the last row: the mean halves both
    torch.testing.assert_close(averaged[1, 0], (1 + image[0, 0]) / 2)
    torch.testing.assert_close(averaged[1, -1], (1 + image[0, -1]) / 2)
    torch.testing.assert_close(averaged[1, 1:-1], image[0, 1:-1])


def test_what_is_turned_comes_back_to_its_place():
    smooth = torch.linspace(0.1, 0.9, 16).view(1, 16, 1).expand(1, 16, 16).contiguous()
    teacher = shown()
    plain, averaged = distilled(teacher, changes(2, ()), smooth, -1)
    assert teacher.asked == 3
    torch.testing.assert_close(averaged[:, 3:-3, 3:-3], plain[:, 3:-3, 3:-3])
    torch.testing.assert_close(averaged.sum(dim=0), torch.ones(16, 16))


def test_pseudo_labels_are_the_mean_over_copies_then_over_networks():
    """Of two teachers one takes the first row for foreground: the mean is above one half where x is, too."""
    learner = method(copies=False)
    image = torch.tensor([0.2] * 8 + [0.8] * 8).view(1, 1, 16).expand(1, 16, 16).contiguous()
    case = Case("c", "p", image, torch.zeros((0, 16, 16), dtype=torch.uint8), ())
    (found,) = learner.taught([case], [shown(), shown(Lopsided)], -1)
    assert found.label[0].tolist() == [1] * 16  # (0.2 + 1) / 2 and (0.8 + 1) / 2
    assert found.label[1].tolist() == [0] * 8 + [1] * 8
    assert learner.made["changed"] == 0
    learner = method()
    learner.taught([case], [shown(), shown(Lopsided)], -1)
    assert 0 < learner.made["changed"] < 0.2


def test_the_first_round_rests_on_two_networks_and_the_next_on_that_round():
    own = recipe(TSMAN, network=SMALL, rounds=2, reading="spoiled")
    (before,) = own.bases
    assert before == recipe(TSMAN, network=SMALL, reading="spoiled")
    given = {"network": SMALL, "reading": "spoiled"}
    assert before.bases == (recipe(Supervised, **given), recipe(OtherStart, **given))
    assert recipe(TSMAN, network=SMALL, rounds=0).bases == ()


def test_streams_go_on_from_the_two_networks():
    learner, others = method(), [Supervised(task(2, 3), network=SMALL) for _ in range(2)]
    learner.start_from(others)
    for stream, other in zip(learner.network.streams, others, strict=True):
        assert differing(stream, other.network) == []
    after = method()
    after.start_from([learner])
    assert differing(after.network, learner.network) == []


def test_a_voxel_without_a_label_has_no_error():
    logits = torch.zeros(1, 2, 2)
    found = error((logits, logits), torch.tensor([[1, IGNORE]]))
    assert found.tolist() == [[0.5, 0.0]]


def test_a_network_without_encoder_and_decoder_is_refused():
    with pytest.raises(ValueError, match="expected an encoder and decoder"):
        TwoStreams(SCALE.build(), SCALE.build(), 2)
