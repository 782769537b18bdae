"""The boundary branch: what a boundary is, and that it adds a loss and nothing else."""

import torch
from toys import tiny_cohort

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.unet import UNet
from medseg_lab.training.boundary import BoundarySupervised, boundary_of
from medseg_lab.training.recipe import recipe

SMALL = recipe(UNet, features=(4, 8))


def test_a_boundary_is_where_a_neighbour_has_another_class():
    label = torch.zeros(1, 5, 6, dtype=torch.int64)
    label[:, :, 3:] = 2
    label[:, 4, 0] = 1
    wanted = torch.tensor([[0, 0, 1, 1, 0, 0]] * 5)
    wanted[3:, :2] = 1
    assert torch.equal(boundary_of(label)[0], wanted)
    solid = label[:, None].expand(1, 3, 5, 6)
    assert torch.equal(boundary_of(solid)[0], wanted.expand(3, 5, 6))


def test_what_is_beside_an_unannotated_voxel_is_unknown():
    label = torch.zeros(1, 4, 4, dtype=torch.int64)
    label[0, 0, 0] = IGNORE
    wanted = torch.zeros(4, 4, dtype=torch.int64)
    wanted[:2, :2] = IGNORE
    assert torch.equal(boundary_of(label)[0], wanted)


def test_the_classes_are_learned_as_ever_and_the_boundary_beside_them():
    learner = BoundarySupervised(Task(1, ("background", "a"), 2), network=SMALL, boundary_weight=0.5)
    drawn = Batch(torch.randn(2, 1, 18, 16), torch.randint(2, (2, 18, 16)))
    losses = learner.losses(drawn, 0)
    torch.testing.assert_close(losses["dice_ce"], DiceCE()(learner.network(drawn.image), drawn.label))
    features = learner.network.decode(learner.network.encode(drawn.image), (18, 16))
    edge = DiceCE()(learner.boundary(features), boundary_of(drawn.label))
    torch.testing.assert_close(losses["boundary"], 0.5 * edge)


def test_it_finds_the_class_regions_of_real_batches_in_their_type():
    label = tiny_cohort().validation[0].label[None]
    assert set(boundary_of(label).unique().tolist()) <= {0, 1, IGNORE}
