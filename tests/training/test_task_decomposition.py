"""Task decomposition: scenes, what pixels say of a class, and the penalty, by hand."""

from math import log

import pytest
import torch
from torch.nn import functional as F
from toys import NAMES, noise_batch

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.multitask import present
from medseg_lab.training.recipe import recipe
from medseg_lab.training.task_decomposition import TaskDecomposition, scene_of, seen_by_pixels

SMALL = recipe(UNet, features=(4, 8))


def made(classes: int = 3, **arguments) -> TaskDecomposition:
    torch.manual_seed(0)
    return TaskDecomposition(Task(1, NAMES[:classes], 2), network=SMALL, **arguments)


def test_a_scene_is_which_classes_are_seen_together():
    there = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1], [1, IGNORE, 1]])
    assert scene_of(there[..., None]).flatten().tolist() == [0, 1, 2, 5, 7, IGNORE]


def test_pixels_say_a_class_is_there_as_surely_as_the_surest_of_them():
    # softmax of (log 1, log 3, log 4) is 1/8, 3/8, 1/2; of (log 2, log 2, log 1) 2/5, 2/5, 1/5
    logits = torch.tensor([[1.0, 2.0], [3.0, 2.0], [4.0, 1.0]]).log()[None, :, None]
    torch.testing.assert_close(seen_by_pixels(logits), torch.tensor([[2 / 5, 1 / 2]]))


def test_the_penalty_by_hand_moves_both_sides(monkeypatch):
    # the head says 3/4 and 1/4; the pixels say at most 2/5 and 1/2
    learner = made(sync_weight=2.0)
    head = torch.tensor([log(3.0), -log(3.0)]).view(1, 2, 1, 1).requires_grad_()
    pixels = torch.tensor([[1.0, 2.0], [3.0, 2.0], [4.0, 1.0]]).log()[None, :, None].requires_grad_()
    monkeypatch.setattr(learner.presence, "forward", lambda x: head)
    terms = learner.tasks(torch.randn(1, 8, 1, 1), pixels, torch.zeros(1, 1, 2, dtype=torch.int64))
    apart = (3 / 4 - 2 / 5, 1 / 4 - 1 / 2)
    assert terms["sync"].item() == pytest.approx(2 * (apart[0] ** 2 + apart[1] ** 2) / 2)
    assert learner.noted["disagreement"].item() == pytest.approx((abs(apart[0]) + abs(apart[1])) / 2)
    terms["sync"].backward()
    # d/dz of (p - q)^2 is 2 (p - q) p (1 - p): the head is drawn to the pixels, and they to the head
    torch.testing.assert_close(head.grad.flatten(), torch.tensor([2 * a * 3 / 16 for a in apart]))
    assert pixels.grad[0, 1, 0, 1] < 0 < pixels.grad[0, 2, 0, 0]  # surer of class 1, less sure of class 2
    assert pixels.grad[0, :, 0].abs().sum() > 0


def test_the_terms_are_those_of_the_heads_with_their_weights():
    learner, batch = made(class_weight=0.3, scene_weight=0.7), noise_batch()
    batch.label[0] = batch.label[0].clamp(max=1)
    terms = learner.losses(batch, 0)
    read = learner.network.encode(batch.image)[-1].amax((2, 3), keepdim=True)
    there = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    classes = 0.3 * F.binary_cross_entropy_with_logits(learner.presence(read).flatten(1), there)
    scene = 0.7 * F.cross_entropy(learner.scene(read).flatten(1), torch.tensor([1, 3]))
    torch.testing.assert_close(terms["classes"], classes)
    torch.testing.assert_close(terms["scene"], scene)
    assert list(terms) == ["dice_ce", "classes", "scene", "sync"]


def test_nothing_annotated_teaches_nothing():
    learner, batch = made(), noise_batch()
    unknown = torch.full_like(batch.label, IGNORE)
    assert (present(unknown, 3) == IGNORE).all()
    terms = learner.losses(Batch(batch.image, unknown), 0)
    assert terms["classes"].item() == terms["scene"].item() == terms["dice_ce"].item() == 0


def test_what_the_penalty_sends_to_the_pixels_is_noted():
    shares = {}
    for weight in (0.0, 0.5):
        learner = made(sync_weight=weight)
        sum(learner.losses(noise_batch(), 0).values()).backward()
        learner.after_step(0)
        shares[weight] = float(learner.noted["sync_share"])
    assert shares[0.0] == 0 < shares[0.5] < 1


def test_more_classes_than_scenes_can_be_told_apart_are_refused():
    names = tuple(f"class {number}" for number in range(12))
    with pytest.raises(ValueError, match="expected at most 10 foreground classes, got 11"):
        TaskDecomposition(Task(1, names, 2), network=SMALL)
