"""Unlabelled images of another scanner, and labels that lack a class."""

import pytest
import torch
from toys import noise_batch, one_weight, pixels, task, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.data.view import View
from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.unet import UNet
from medseg_lab.outlook import ssl_safety
from medseg_lab.outlook.other_scanner import as_from_another_scanner
from medseg_lab.outlook.ssl_safety import ShiftedMeanTeacher, ShiftedPiModel, WithoutClass
from medseg_lab.semi import mean_teacher
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.training.recipe import recipe


def test_teacher_and_student_see_the_same_shifted_patches(monkeypatch):
    seen = []
    monkeypatch.setattr(mean_teacher, "noisy", lambda image: seen.append(image) or image)
    learner, batch = one_weight(ShiftedMeanTeacher), pixels(-1.0, 0.0, 1.0, 3.0)
    learner.consistency_loss(batch, 0)
    wanted = as_from_another_scanner(batch.unlabelled, "contrast", 1.0, [0])
    assert all(torch.equal(image, wanted) for image in seen)
    assert len(seen) == 2
    assert not torch.allclose(wanted, batch.unlabelled)
    assert learner.noted["moved"] > 0


def test_the_case_decides_on_the_field_of_the_coil(monkeypatch):
    asked = []
    monkeypatch.setattr(ssl_safety, "as_from_another_scanner", lambda *given: asked.append(given) or given[0])
    learner = one_weight(ShiftedPiModel, shift="bias", strength=2.0)
    learner.consistency_loss(pixels(1.0, 2.0, case=7), 0)
    assert asked[0][1:4] == ("bias", 2.0, [7])


def test_labelled_patches_are_never_shifted(monkeypatch):
    batch = noise_batch(classes=2)
    batch = batch._replace(unlabelled=batch.image, views=View.plain([0, 1], [[0, 0]] * 2, (16, 12)))
    plain, shifted = (one_weight(method) for method in (MeanTeacher, ShiftedMeanTeacher))
    assert torch.equal(plain.losses(batch, 0)["dice_ce"], shifted.losses(batch, 0)["dice_ce"])
    assert torch.equal(plain.predict(batch.image), shifted.predict(batch.image))


@pytest.mark.parametrize(("shifted", "plain"), [(ShiftedMeanTeacher, MeanTeacher), (ShiftedPiModel, PiModel)])
def test_strength_0_is_the_method_itself_bit_for_bit(shifted, plain, tmp_path):
    cohort, arguments = tiny_cohort(2), {"network": recipe(UNet, features=(4, 8), dropout=0.3)}
    found = {}
    for name, one in {
        "plain": recipe(plain, **arguments),
        "0": recipe(shifted, strength=0.0, shift="noise", **arguments),
        "1": recipe(shifted, **arguments),
    }.items():
        learner, _ = trained(one, cohort, tmp_path / name, steps=3, voxels=200)
        found[name] = torch.cat([p.flatten() for p in learner.network.parameters()])
    assert torch.equal(found["0"], found["plain"])
    assert not torch.equal(found["1"], found["plain"])


def test_patches_without_a_view_are_refused():
    batch = pixels(1.0, 2.0)._replace(views=None)
    with pytest.raises(ValueError, match="expected patches with their views, got none"):
        one_weight(ShiftedMeanTeacher).consistency_loss(batch, 0)


def test_the_class_without_labels_is_neither_learned_nor_taken_for_another():
    logits = torch.randn(2, 3, 8, 9, requires_grad=True)
    label = torch.randint(3, (2, 8, 9))
    WithoutClass(missing=2)(logits, label).backward()
    reached = logits.grad.abs().sum(dim=1) > 0
    assert torch.equal(reached, label != 2)  # no gradient where it is, some wherever it is not
    assert (logits.grad[:, 2][label != 2] > 0).all()  # elsewhere it is pushed down
    left_open = label.where(label != 2, torch.tensor(IGNORE))
    assert torch.equal(WithoutClass(missing=2)(logits, label), DiceCE()(logits, left_open))


def test_it_takes_a_class_that_leaves_another_one():
    two, three = torch.randn(1, 2, 4, 4), torch.randn(1, 3, 4, 4)
    label = torch.zeros(1, 4, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="two or more foreground classes, got 1 of 1"):
        WithoutClass()(two, label)
    with pytest.raises(ValueError, match="two or more foreground classes, got 3 of 2"):
        WithoutClass(missing=3)(three, label)
    with pytest.raises(ValueError, match="1 or more, got 0"):
        WithoutClass(missing=0)


def test_only_the_labels_lack_the_class():
    """What a method does with images without labels does not look at the loss of the labels."""
    batch = pixels(1.0, -2.0)
    found = []
    for loss in (recipe(DiceCE), recipe(WithoutClass)):
        torch.manual_seed(0)
        learner = MeanTeacher(task(2, 3), network=recipe(UNet, features=(4, 8)), loss=loss)
        torch.manual_seed(1)
        wide = batch._replace(unlabelled=torch.randn(1, 1, 8, 8))
        found.append(learner.consistency_loss(wide, 0))
    assert torch.equal(*found)
