"""Losses of MONAI as recipes: they are told what they are given; nothing else is let in."""

import subprocess
import sys
from math import log

import pytest
import torch
from toys import task

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.dice import Dice
from medseg_lab.losses.from_monai import MonaiLoss, losses
from medseg_lab.networks.unet import UNet
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.supervised import Supervised

M = "monai.losses."
FOREGROUND = "include_background=False, batch=True"


def built(text: str) -> MonaiLoss:
    return parse(f"Supervised(network=UNet(), loss={M}{text})").arguments["loss"].build()


def drawn(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, *shape, generator=generator, requires_grad=True)
    return logits, torch.randint(3, (2, *shape), generator=generator)


def test_tversky_by_hand():
    # foreground p = 1/2, 3/4 against y = 0, 1: found 3/4, false 1/2, missed 1/4
    logits = torch.tensor([[[0.0, 0.0], [0.0, log(3)]]])
    loss = built(f"TverskyLoss({FOREGROUND}, alpha=0.3, beta=0.7)")
    wanted = 1 - 0.75 / (0.75 + 0.3 * 0.5 + 0.7 * 0.25)
    assert loss(logits, torch.tensor([[0, 1]])).item() == pytest.approx(wanted, abs=1e-5)


def test_dice_of_monai_is_ours_by_recipe():
    logits, label = drawn(6, 5)
    label[0, 0] = IGNORE
    monai = built(f"DiceLoss({FOREGROUND}, smooth_nr=1.0, smooth_dr=1.0)")
    found, wanted = monai(logits, label), Dice()(logits, label)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(one, logits)[0] for one in (found, wanted)))


@pytest.mark.parametrize("shape", [(8, 9), (6, 5, 7)])
@pytest.mark.parametrize("name", sorted(losses().keys() - {"MaskedDiceLoss"}))  # which wants a mask, too
def test_every_loss_takes_logits_and_labels_and_has_no_gradient_where_nothing_is_known(name, shape):
    logits, label = drawn(*shape)
    label[0, :3] = IGNORE
    value = built(f"{name}()")(logits, label)
    assert value.shape == ()
    assert value.dtype == torch.float32
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.isfinite().all()
    assert gradient.any()
    assert not gradient[0, :, :3].any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TverskiLoss()", "expected a loss of monai.losses for logits and labels .like TverskyLoss.*got 'Tv"),
        ("PerceptualLoss()", "expected a loss of monai.losses for logits and labels"),  # of images
        ("NACLLoss()", "expected a loss of monai.losses for logits and labels"),
        ("TverskyLoss(softmax=False)", "TverskyLoss: expected one of .*alpha.*, got argument 'softmax'"),
        ("TverskyLoss(gamma=2)", "TverskyLoss: expected one of .*alpha.*, got argument 'gamma'"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(ValueError, match=said):
        parse(f"Supervised(network=UNet(), loss={M}{text})")


def test_what_monai_finds_wrong_is_said_in_one_line():
    with pytest.raises(ValueError, match=r"^GeneralizedDiceLoss: [^\n]*cube[^\n]*\S$"):
        built("GeneralizedDiceLoss(w_type='cube')")


@pytest.mark.parametrize("target", ["monai.losses.dice.DiceLoss", "monai.losses.dice", "monai.losses.os"])
def test_nothing_else_of_monai_is_built_from_a_stored_run(target):
    with pytest.raises(ValueError, match="expected"):
        Recipe.from_dict({"target": target, "arguments": {}}).build()


def test_a_loss_keeps_its_full_name_in_text_and_gives_curves_its_own():
    text = f"Supervised(network=UNet(), loss={M}TverskyLoss(include_background=False, beta=0.7))"
    assert written(parse(text)) == text
    made = recipe(
        Supervised,
        network=recipe(UNet),
        loss=recipe(losses()["TverskyLoss"], include_background=False, beta=0.7),
    )
    assert made == parse(text) == Recipe.from_dict(made.to_dict())
    assert made.uses_monai
    assert made.build(task(2)).loss_name == "tversky_loss"


def test_monai_is_imported_when_such_a_recipe_is_read_and_never_else():
    code = """
import sys
from medseg_lab.training.names import recipe_called
recipe_called("U-Net, focal loss").build
print("monai" in sys.modules)
recipe_called("Supervised(network=UNet(), loss=monai.losses.TverskyLoss())")
print("monai" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["False", "True"], "")
