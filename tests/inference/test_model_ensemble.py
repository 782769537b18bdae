"""What joining members gives: their mean, and how much they differ."""

import pytest
import torch
from torch import Tensor
from toys import one_weight, task

from medseg_lab.data.task import Task
from medseg_lab.inference.model_ensemble import ModelEnsemble, member_variance
from medseg_lab.inference.predict import predict_case
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised


class Says(Segmenter):
    """Foreground with this probability where the image is above 0, else with none."""

    task: Task
    probability: float

    def build(self) -> None:
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def predict(self, image: Tensor) -> Tensor:
        found = self.probability * (image > 0)
        return torch.cat([1 - found, found], dim=1)


def joined(*probabilities: float) -> ModelEnsemble:
    members = [Says(task=task(2), probability=p) for p in probabilities]
    for member in members:
        member.patch = (4, 4)
    return ModelEnsemble(learners=members)


def test_members_that_agree_have_no_variance_and_opposite_ones_have_the_most():
    sure = torch.eye(3)  # each of three members is certain of another class
    assert member_variance(sure[:, :, None]).tolist() == pytest.approx([1 - 1 / 3])
    assert member_variance(sure[:1].expand(3, 3)[:, :, None]).tolist() == [0]
    # .6 and .2 of one class: the mean is .4, each is .2 away, in both classes
    assert member_variance(torch.tensor([[0.4, 0.6], [0.8, 0.2]])[:, :, None]).item() == pytest.approx(0.08)


def test_the_mean_s_brier_score_is_the_members_less_their_variance():
    generator = torch.Generator().manual_seed(0)
    members = torch.rand((5, 4, 30), generator=generator, dtype=torch.float64).softmax(dim=1)
    truth = torch.eye(4, dtype=torch.float64)[torch.randint(4, (30,), generator=generator)].T  # (K, V)
    of_members = ((members - truth) ** 2).sum(dim=1).mean(dim=0)
    of_mean = ((members.mean(dim=0) - truth) ** 2).sum(dim=0)
    torch.testing.assert_close(of_mean, of_members - member_variance(members), rtol=0, atol=1e-6)


def test_the_variance_of_a_case_is_that_of_the_voxels_that_any_member_marks():
    ensemble = joined(0.9, 0.7, 0.2)  # mean .6, variance of a class (.09 + .01 + .16) / 3
    first, second = torch.full((1, 4, 6), -1.0), torch.full((1, 4, 4), -1.0)
    first[0, :2] = 1  # windows overlap, and all that is marked is alike
    found = predict_case(ensemble, first)
    torch.testing.assert_close(found[1], 0.6 * (first[0] > 0))
    assert ensemble.case_activity == {"variance": pytest.approx(2 * 0.26 / 3)}
    predict_case(ensemble, second)  # nobody marks anything: nothing is said of it
    assert len(ensemble.case_notes) == 1


def test_each_case_is_noted_by_itself():
    ensemble = ModelEnsemble(learners=[one_weight(Supervised, w) for w in (1.0, 3.0)])
    ensemble.patch = (4, 4)
    wanted = []
    for value in (0.5, 2.0):
        p = torch.tensor([value, 3 * value]).sigmoid()
        wanted.append(2 * p.var(correction=0).item())
        predict_case(ensemble, torch.full((1, 4, 4), value))
    assert [note["variance"] for note in ensemble.case_notes] == pytest.approx(wanted)
