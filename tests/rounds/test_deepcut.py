"""Outlines from boxes alone."""

from dataclasses import replace

import pytest
import torch
from toys import SMALL, differing, task, tiny_budget, tiny_cohort

from medseg_lab.data.case import Case
from medseg_lab.data.supervision import boxes
from medseg_lab.rounds.deepcut import DeepCut, boxes_of_classes
from medseg_lab.training.begin import begin
from medseg_lab.training.device import make_fabric
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

COHORT = tiny_cohort(3, 3, shape=(20, 18, 16), patch=32)
DEEPCUT = recipe(DeepCut, network=SMALL, spatial_dims=2, rounds=1)


def begun(cohort):
    room, fabric = tiny_budget(voxels=2 * 32**2, patch=32), make_fabric("32-true")
    teacher, first = begin(DEEPCUT.bases[0], cohort, room, 0, fabric)
    teacher.patch = first.patch
    return first, *begin(DEEPCUT, cohort, room, 0, fabric, [teacher])


def test_nothing_but_the_boxes_of_labels_is_read_in_any_round():
    """Other voxels with the same boxes: those of filled boxes."""
    poisoned = [
        Case(c.id, c.patient, c.image, torch.stack([boxes(r, 3) for r in c.labels]), c.spacing)
        for c in COHORT.labelled
    ]
    assert not all(torch.equal(a.label, b.label) for a, b in zip(COHORT.labelled, poisoned, strict=True))
    plain, other = (begun(cohort) for cohort in (COHORT, replace(COHORT, labelled=tuple(poisoned))))
    assert plain[1].pseudo_labels == other[1].pseudo_labels != b""
    for one, same in ((plain[0], other[0]), (plain[2], other[2])):  # rounds 0 and 1
        assert all(torch.equal(one.batch(i).label, same.batch(i).label) for i in range(4))


def test_a_class_is_not_found_outside_of_its_own_boxes():
    """However sure the network is; background is found anywhere, and a box need not stay filled."""
    case = COHORT.labelled[0]
    learner = DEEPCUT.build(COHORT.task)
    allowed = boxes_of_classes(case.label, 3)
    for k in (1, 2):
        sure = torch.nn.functional.one_hot(torch.full(case.label.shape, k), 3).movedim(-1, 0).float()
        found = learner.refined(sure, case).argmax(dim=0)
        assert torch.equal(found, k * allowed[k].long())
    empty = torch.zeros_like(sure)
    empty[0] = 1
    assert not learner.refined(empty, case).argmax(dim=0).any()
    box = allowed[1].sum()  # it holds that of class 2
    assert (learner.boxed, learner.foreground) == (3 * box, box + allowed[2].sum())


def test_the_field_is_given_nothing_outside_of_the_boxes_and_may_leave_nothing_there(monkeypatch):
    case, learner, given = COHORT.labelled[0], DEEPCUT.build(COHORT.task), []

    def everywhere(probabilities, image):
        given.append(probabilities)
        return torch.tensor([0.1, 0.9, 0.0]).view(3, 1, 1, 1).expand_as(probabilities)

    monkeypatch.setattr(learner, "field", everywhere)
    found = learner.refined(torch.full((3, *case.label.shape), 1 / 3), case)
    allowed = boxes_of_classes(case.label, 3)
    assert not given[0][~allowed].any()
    torch.testing.assert_close(given[0].sum(dim=0), torch.ones(case.label.shape))
    assert torch.equal(found.argmax(dim=0) == 1, allowed[1])


def test_boxes_of_classes_by_hand():
    label = torch.tensor([[0, 1, 0, 0], [1, 1, 0, 2], [0, 0, 0, 0]], dtype=torch.uint8)
    first, second = torch.zeros(2, 3, 4, dtype=torch.bool)
    first[:2, :2] = second[1, 3] = True
    found = boxes_of_classes(label, 4)
    wanted = torch.stack([torch.ones_like(first), first, second, torch.zeros_like(first)])
    assert torch.equal(found, wanted)


def test_a_round_is_taught_its_pseudo_labels_and_no_boxes_of_them():
    class Crossed(DeepCut):
        def refined(self, foretold, case):
            """A cross, which is not its own box."""
            found = torch.zeros_like(foretold)
            found[1, :, 9], found[1, 10, :] = 1, 1
            found[0] = 1 - found[1]
            return found

    learner = Crossed(COHORT.task, network=SMALL, spatial_dims=2, rounds=1)
    teacher = DEEPCUT.bases[0].build(COHORT.task)
    teacher.patch = (32, 32)
    taught = learner.learn_from(COHORT, [teacher])
    assert [case.id for case in taught.labelled] == [case.id for case in COHORT.labelled]
    assert taught.unlabelled == COHORT.unlabelled
    assert not learner.wants_unlabelled
    assert all(case.label.sum() == 16 * (20 + 18 - 1) for case in taught.labelled)
    assert learner.reading == "reference"
    assert differing(learner.network, teacher.network) == []
    assert learner.made["kept"] == 1


def test_the_rounds_rest_on_filled_boxes():
    wanted = recipe(Supervised, network=SMALL, spatial_dims=2, reading="boxes")
    assert [written(base) for base in DEEPCUT.bases] == [written(wanted)]
    with pytest.raises(ValueError, match="expected reading 'boxes' and weight 1, got 'reference'"):
        DeepCut(task(2), network=SMALL, reading="reference")
