"""Learners of slices in different planes meet in whole cases."""

import pytest
import torch
from toys import SMALL, tiny_budget, tiny_cohort

from medseg_lab.inference.plane_ensemble import PlaneEnsemble, agreement
from medseg_lab.inference.predict import predict_case
from medseg_lab.training.device import make_fabric
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.run import Run
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised

COHORT = tiny_cohort(3, 3, shape=(10, 9, 12))
TWINS = [recipe(Supervised, network=SMALL, spatial_dims=2, plane=plane) for plane in range(3)]


def test_stored_and_loaded_it_is_the_mean_of_what_each_says_of_the_case(tmp_path):
    room = tiny_budget(steps=3, voxels=2 * 8**2, patch=8)
    how = {"store": RunStore(tmp_path), "progress": False, "fabric": make_fabric("32-true")}
    run = fit(recipe(PlaneEnsemble, learners=TWINS), COHORT, room, 0, **how)
    image = COHORT.validation[0].image
    members = [Run(run.folder.with_name(key[:16])).learner() for key in run.record.bases]
    views = torch.stack([predict_case(member, image, slice_axis=2) for member in members])
    found = predict_case(run.learner(), image, slice_axis=2)
    torch.testing.assert_close(found, views.mean(0))
    assert not torch.allclose(found, views[0], atol=1e-3)


def test_agreement_is_a_share_of_what_any_view_takes_for_foreground():
    classes = torch.tensor([[0, 0, 1, 2, 1], [0, 1, 1, 2, 2]])
    views = torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    assert agreement(views) == pytest.approx(2 / 4)
    assert agreement(views[..., :1]) is None


def test_it_refuses_learners_of_one_plane_or_of_volumes():
    with pytest.raises(ValueError, match=r"expected two or more different planes, got \[0, 0\]"):
        PlaneEnsemble(learners=[TWINS[0].build(COHORT.task), TWINS[0].build(COHORT.task)])
    whole = [recipe(Supervised, network=SMALL, plane=plane).build(COHORT.task) for plane in (0, 1)]
    with pytest.raises(ValueError, match="spatial_dims: expected 2, slices of volumes, got 3"):
        PlaneEnsemble(learners=whole)
