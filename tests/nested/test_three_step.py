"""The cascade with networks that are thresholds: what each step sees, and what becomes of a case."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import SMALL, VOXELWISE, noise_batch, task

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import Case
from medseg_lab.inference.predict import predict_case
from medseg_lab.nested.boxes import box_of
from medseg_lab.nested.narrowing import narrowings
from medseg_lab.nested.three_step import Cascade
from medseg_lab.nested.true_boxes import TrueBoxes
from medseg_lab.training.schedule import learning_rate
from medseg_lab.training.supervised import Supervised


class Above(nn.Module):
    """Inside where the image is above a level; notes the size of what it reads."""

    def __init__(self, level):
        super().__init__()
        self.level, self.seen = nn.Parameter(torch.tensor(level)), []

    def forward(self, image):
        self.seen.append(tuple(image.shape[2:]))
        inside = 20 * (image[:, :1] - self.level)
        return torch.cat((torch.zeros_like(inside), inside), dim=1)


def cascade(dims=2, classes=4, **arguments):
    """Its networks find what is brighter than .5, 1.5, 2.5."""
    found = Cascade(task(dims, classes), network=VOXELWISE, **arguments)
    found.network = nn.ModuleList(Above(level + 0.5) for level in range(classes - 1))
    return found.eval()


def onion(shape=(40, 40), low=8, step=4):
    """A label map of boxes in boxes: 1, 2, 3 from outside to inside."""
    label = torch.zeros(shape, dtype=torch.int64)
    for level in range(3):
        edge = low + step * level
        label[(..., *(slice(edge, size - edge) for size in shape))] = level + 1
    return label


@pytest.mark.parametrize("shape", [(40, 40), (36, 36, 36)])
def test_a_case_is_narrowed_step_by_step_and_its_classes_are_found(shape):
    learner, label = cascade(len(shape), margin=2), onion(shape)
    learner.patch = (64,) * len(shape)
    found = predict_case(learner, label[None].float())
    assert torch.equal(found.argmax(0), label)
    torch.testing.assert_close(found.sum(0), torch.ones(shape))
    first, second, third = (set(network.seen) for network in learner.network)
    size = shape[0]
    assert first == {(64,) * len(shape)}  # the case in a window of the patch's size
    assert second == {(size - 16 + 4,) * len(shape)}  # the box of the whole with its margin, not padded
    assert third == {(size - 24 + 4,) * len(shape)}


def test_a_volume_is_narrowed_by_a_learner_of_slices_which_reads_those_in_the_box():
    learner, label = cascade(2, margin=0), onion((32, 32, 32))
    learner.patch = (32, 32)
    assert torch.equal(predict_case(learner, label[None].float()).argmax(0), label)
    _, boxes = learner.narrowed(predict_with_first(learner, label), label[None].float())
    assert boxes == [box_of(label >= 1), box_of(label >= 2)]


def predict_with_first(learner, label):
    inside = (label >= 1).float()
    return torch.stack([1 - inside, inside, 0 * inside, 0 * inside])


def test_what_lies_outside_the_box_of_the_step_before_is_lost_but_for_true_boxes():
    """Step one misses the right half, so the later steps do not look there; shown the true boxes, they do."""
    learner, label = cascade(margin=0), onion()
    learner.patch = (40, 40)
    learner.network[0] = Above(1.5)  # finds the second region only
    image = label[None].float().clone()
    label[20, 38] = 2  # belongs to region two, and lies outside the predicted box
    image[0, 20, 38] = 1.0
    learner.network[1] = Above(0.9)
    known = TrueBoxes(learner=learner)
    assert predict_case(known, image).argmax(0)[20, 38] == 0  # it was given no reference
    known.take_reference(label)
    assert predict_case(known, image).argmax(0)[20, 38] == 2
    assert predict_case(known, image).argmax(0)[20, 38] == 0  # a reference is that of one case
    assert predict_case(learner, image).argmax(0)[20, 38] == 0


def test_where_the_first_step_finds_nothing_all_is_background():
    learner = cascade()
    learner.patch = (16, 16)
    found = predict_case(learner, torch.zeros(1, 20, 20))
    assert (found.argmax(0) == 0).all()
    assert not learner.network[1].seen + learner.network[2].seen


def test_a_later_step_has_the_last_word_on_the_regions_outside():
    learner = cascade(margin=1)
    image = torch.zeros(1, 12, 12)
    image[0, 4:6, 4:6] = 0.6  # found by step one
    image[0, 6, 6] = 0.4  # not found by it, but beside its box
    learner.network[1], learner.network[2] = Above(0.3), Above(5.0)
    learner.patch = (12, 12)
    found = predict_case(learner, image)
    assert found.argmax(0)[6, 6] == 2
    assert (found >= 0).all()


def test_one_class_is_one_network_and_no_cascade():
    learner = Cascade(task(2, 2), network=SMALL)
    assert len(learner.network) == 1
    image = torch.randn(2, 1, 16, 16)
    learner.eval()
    wanted = learner.network[0](image).softmax(1)
    torch.testing.assert_close(learner.predict(image), wanted)
    torch.testing.assert_close(learner.finish(wanted[0], image[0]), wanted[0])


def test_regions_follow_the_order_of_the_data_set():
    other = cascade()
    other.task = other.task.__class__(1, other.task.classes, 2, order=(2, 3, 1))
    other.patch = (40, 40)
    label = torch.tensor([0, 2, 3, 1])[onion()]
    assert torch.equal(predict_case(other, onion()[None].float()).argmax(0), label)


@pytest.mark.parametrize("boxes", ["true", "predicted"])
def test_in_training_a_step_reads_the_box_of_the_region_outside(boxes):
    learner = cascade(margin=1, boxes=boxes)
    learner.prepare(9, [])
    label = torch.stack([onion(), onion(low=4)])
    learner.losses(Batch(label[:, None].float(), label), 4)  # the second of three networks
    assert learner.network[1].seen == [(34, 34)]  # of both samples, the larger box: 40 - 2 * 4 + 2 * 1
    assert not learner.network[2].seen
    assert learner.noted["patch_share"] == pytest.approx((34 / 40) ** 2)
    if boxes == "predicted":
        assert learner.noted["held"] == 1


@pytest.mark.parametrize("boxes", ["true", "predicted"])
def test_of_a_patch_without_the_region_the_middle_is_read(boxes):
    learner = cascade(margin=1, boxes=boxes)
    learner.prepare(9, [])
    label = torch.stack([onion(), torch.zeros_like(onion())])
    learner.losses(Batch(label[:, None].float(), label), 4)
    learner.losses(Batch(label[1:, None].float(), label[1:]), 4)
    assert learner.network[1].seen == [(26, 26), (40, 40)]  # alone, it is read whole


def test_an_island_does_not_widen_the_box():
    learner, label = cascade(margin=0), onion()
    learner.patch = (40, 40)
    image = label[None].float()
    image[0, 0, 0] = 1.0  # a false alarm of step one, far away
    found = predict_case(learner, image)
    assert learner.network[1].seen == [(24, 24)]
    assert found.argmax(0)[0, 0] == 1


def test_stepwise_each_network_has_its_part_of_the_steps_and_a_learning_rate_of_its_own():
    learner = Cascade(task(2, 4), network=VOXELWISE)
    learner.prepare(300, [])
    assert [learner.trained(step) for step in (0, 99, 100, 199, 200, 299)] == [0, 0, 1, 1, 2, 2]
    (phase,) = learner.phases()
    for step in (0, 50, 100, 150, 299):
        rate = learning_rate(step, 300, 1.0) * phase.rate(step)
        assert rate == pytest.approx(learning_rate(step % 100, 100, 1.0))
    in_turn = Cascade(task(2, 4), network=VOXELWISE, order="in turn")
    in_turn.prepare(300, [])
    assert [in_turn.trained(step) for step in range(5)] == [0, 1, 2, 0, 1]
    assert in_turn.phases()[0].rate(200) == 1


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 10])
def test_every_step_belongs_to_a_network_however_few_there_are(steps):
    learner = Cascade(task(2, 4), network=VOXELWISE)
    learner.prepare(steps, [])
    rates = [learner.phases()[0].rate(step) for step in range(steps)]
    assert all(rate > 0 for rate in rates)


def test_in_a_step_one_network_gets_a_gradient():
    learner = Cascade(task(2, 4), network=SMALL)
    learner.prepare(3, [])
    sum(learner.losses(noise_batch(classes=4), 1).values()).backward()
    got = [any(p.grad is not None for p in network.parameters()) for network in learner.network]
    assert got == [False, True, False]


def test_true_boxes_need_a_cascade():
    with pytest.raises(ValueError, match="expected a Cascade, got Supervised"):
        TrueBoxes(learner=Supervised(task(), network=SMALL))


def test_slices_are_read_across_the_tasks_axis():
    """Twelve slices along the first axis: each network reads twelve, the later ones cut to their boxes."""
    learner = cascade(2, margin=0)
    learner.task, learner.patch = replace(learner.task, slice_axis=0), (32, 32)
    read = []
    likely = learner._likely
    learner._likely = lambda level, image: read.append((level, *image.shape)) or likely(level, image)
    label = torch.zeros(12, 32, 32, dtype=torch.int64)
    label[:, 2:-2, 2:-2] = 1
    label[:, 3:-3, 3:-3] = 2
    wanted = [(0, 12, 1, 32, 32), (1, 12, 1, 28, 28), (2, 12, 1, 26, 26)]
    found = predict_case(learner, label[None].float(), slice_axis=0)
    assert torch.equal(found.argmax(0), label)
    assert read == wanted
    read.clear()
    case = Case("c", "p", label[None].float(), label[None].to(torch.uint8), None)
    (narrowed,) = narrowings(learner, case)
    assert (narrowed.found == label.numpy()).all()
    assert read == wanted
