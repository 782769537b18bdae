"""Each view learns from the two others, weighted by how little dropout changes them."""

import pytest
import torch
from toys import SMALL, tiny_budget, tiny_cohort

from medseg_lab.inference.plane_ensemble import PlaneEnsemble
from medseg_lab.rounds.umct import FLOOR, UMCT, certain_mean
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised

COHORT = tiny_cohort(3, 3)
ROOM = {"steps": 3, "voxels": 2 * 8**2, "patch": 8}


def view(plane=0, **arguments):
    return recipe(UMCT, network=SMALL, spatial_dims=2, plane=plane, share=1.0, **arguments)


def twin(plane):
    return recipe(Supervised, network=SMALL, spatial_dims=2, plane=plane).build(COHORT.task).eval()


def test_a_view_counts_by_the_inverse_of_its_variance():
    """Variances of 0 and 3 FLOOR: the weights are as 4 to 1."""
    views = torch.tensor([[[0.9, 0.9], [0.1, 0.1]], [[0.1, 0.1], [0.9, 0.9]]])
    variances = torch.tensor([[0.0, 3 * FLOOR], [3 * FLOOR, 0.0]])
    found = certain_mean(views, variances)
    torch.testing.assert_close(found[0], torch.tensor([0.8 * 0.9 + 0.2 * 0.1, 0.2 * 0.9 + 0.8 * 0.1]))
    torch.testing.assert_close(found.sum(0), torch.ones(2))
    torch.testing.assert_close(certain_mean(views, variances.flip(1)[:1].expand(2, -1)), views.mean(0))


def test_its_own_view_has_no_say_in_what_it_learns():
    """Its own network is spoiled, and predicts something else: what the others say stays."""
    learner, others = view(cases=1).build(COHORT.task), [twin(1), twin(2)]
    case, found = COHORT.unlabelled[0], []
    for weight in (1.0, -5.0):
        own = twin(0)
        for parameter in own.parameters():
            parameter.data.mul_(weight)
        for teacher in (own, *others):
            teacher.patch = (8, 8)
        torch.manual_seed(1)
        learner.taught([case], [own, *others], 2)
        torch.manual_seed(1)
        learner.agreements, learner.decided = [], torch.zeros(2, dtype=torch.int64)
        found.append(learner.foretold(case, [own, *others], 2))
    assert torch.equal(*found)


@pytest.mark.parametrize("weighted", [True, False])
def test_it_notes_where_the_weights_decided(weighted, monkeypatch):
    """One voxel of two is disputed. The surer view loses the plain mean, and wins by its weight."""
    drawn = iter(
        [
            torch.tensor([[[0.4, 0.9], [0.6, 0.1]], [[0.4, 0.9], [0.6, 0.1]]]),  # never wavers
            torch.tensor([[[1.0, 0.9], [0.0, 0.1]], [[0.5, 0.9], [0.5, 0.1]]]),
        ]
    )
    monkeypatch.setattr("medseg_lab.rounds.umct.sample_case", lambda *args, **more: next(drawn))
    learner = view(weighted=weighted).build(COHORT.task)
    learner.agreements, learner.decided = [], torch.zeros(2, dtype=torch.int64)
    found = learner.foretold(COHORT.unlabelled[0], [twin(0), twin(1), twin(2)], 2)
    assert found.argmax(0).tolist() == [int(weighted), 0]
    assert learner.decided.tolist() == [int(weighted), 1]


def test_a_part_of_three_views_costs_once(tmp_path):
    """Three views rest on the same three networks: six trainings, not twelve."""
    joint = Recipe(
        "medseg_lab.inference.plane_ensemble.PlaneEnsemble", {"learners": [view(plane) for plane in range(3)]}
    )
    assert joint == recipe(PlaneEnsemble, learners=[view(plane) for plane in range(3)])
    run = fit(joint, COHORT, tiny_budget(**ROOM), 0, store=RunStore(tmp_path), progress=False)
    parts = run.parts.values()
    assert len(parts) == 1 + 3 + 3
    first = [part for part in parts if not part.record.bases]
    views = [part for part in parts if part.record.bases and not part.record.changed]
    began = sum(part.own_seconds for part in first)
    assert run.record.seconds == pytest.approx(began + sum(one.record.seconds - began for one in views))
    before = sum(part.record.step_flops for part in first)
    assert run.record.step_flops == before + sum(part.record.step_flops - before for part in views)
    assert set(run.record.activity) >= {"agreed", "swayed", "kept"}
