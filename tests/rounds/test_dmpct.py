"""Three planes' networks make pseudo-labels together: what all say, or the surest of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import SMALL, differing, tiny_budget, tiny_cohort

from medseg_lab.inference.plane_ensemble import agreement
from medseg_lab.inference.predict import predict_case
from medseg_lab.rounds.dmpct import DMPCT, most_confident
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.run import Run
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.workers.fits import unfit

COHORT = tiny_cohort(3, 3)
ROOM = {"steps": 3, "voxels": 2 * 8**2, "patch": 8}
TWINS = [recipe(Supervised, network=SMALL, spatial_dims=2, plane=plane) for plane in range(3)]


def student(**arguments):
    return recipe(DMPCT, network=SMALL, spatial_dims=2, **arguments)


def test_it_rests_on_a_network_for_each_plane_its_own_first():
    assert student().bases == (TWINS[0], TWINS[1], TWINS[2])
    assert student(plane=1).bases == (TWINS[1], TWINS[0], TWINS[2])
    assert student(rounds=2).bases == (student(), student(plane=1), student(plane=2))
    assert student(rounds=0).bases == ()


def test_agreement_is_kept_and_else_the_most_confident_class_is():
    """By the rule in words, voxel by voxel."""
    torch.manual_seed(0)
    views = torch.randn(3, 3, 200).mul(2).softmax(1)
    fused = most_confident(views).argmax(0)
    for voxel, said in enumerate(views.permute(2, 0, 1).numpy()):  # (V, K)
        classes = said.argmax(1)
        if len(set(classes)) == 1:
            assert fused[voxel] == classes[0]
        else:
            network, best = np.unravel_index(said.argmax(), said.shape)
            assert fused[voxel] == best == classes[network]


def test_a_student_begins_as_its_plane_s_teacher_and_learns_what_all_three_say(tmp_path, monkeypatch):
    given, learn_from = [], DMPCT.learn_from

    def noted(self, cohort, teachers):
        given.append([teacher.plane for teacher in teachers])
        return learn_from(self, cohort, teachers)

    monkeypatch.setattr(DMPCT, "learn_from", noted)
    fitted = {"store": RunStore(tmp_path), "progress": False}
    run = fit(student(cases=2, share=1.0), COHORT, tiny_budget(**ROOM), 3, **fitted)
    bases = [Run(run.folder.with_name(key[:16])) for key in run.record.bases]
    assert {base.record.seed for base in bases} == {3}
    teachers = [base.learner() for base in bases]
    assert given == [[teacher.plane for teacher in teachers]] == [[0, 1, 2]]
    kept, shares = run.pseudo_labels(COHORT.unlabelled), []
    for case in COHORT.unlabelled[:2]:
        views = torch.stack([predict_case(one, case.image, slice_axis=2) for one in teachers])
        assert torch.equal(torch.from_numpy(kept[case.id]).long(), most_confident(views).argmax(0))
        shares.append(agreement(views))
    assert run.record.activity["agreed"] == pytest.approx(np.mean(shares))
    assert 0 < run.record.activity["agreed"] < 1
    begun = student().build(COHORT.task)
    begun.learn_from(COHORT, teachers)
    assert differing(begun.network, teachers[0].network) == []


def test_it_says_that_it_needs_volumes_and_learns_from_slices():
    with pytest.raises(ValueError, match=r"DMPCT: spatial_dims: expected 2, slices of volumes, got 3"):
        recipe(DMPCT, network=SMALL).build(COHORT.task)
    flat = tiny_cohort(2, 3)
    assert "in another plane" in unfit(student(), flat)
    with pytest.raises(ValueError, match="needs volumes, which have three planes"):
        student().build(flat.task).learn_from(flat, [])


def test_without_unlabelled_cases_it_says_so():
    assert "needs cases without labels" in unfit(student(), replace(COHORT, unlabelled=()))
