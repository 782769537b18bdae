"""Networks of MONAI as recipes: their arguments, sizes and outputs become ours; nothing else is let in."""

import copy
import subprocess
import sys

import pytest
import torch
from toys import task

from medseg_lab.networks.from_monai import FromMonai, networks
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.supervised import Supervised

N = "monai.networks.nets."
LEVELS = "kernel_size=[3, 3, 3, 3], strides=[1, 2, 2, 2], upsample_kernel_size=[2, 2, 2]"
DYN = f"DynUNet({LEVELS}, filters=[4, 4, 4, 4]"
NESTED = "BasicUNetPlusPlus(features=[4, 4, 4, 4, 4, 4]"


def built(text: str, dims: int) -> FromMonai:
    torch.manual_seed(0)
    network = parse(f"Supervised(network={N}{text})").arguments["network"]
    return network.build(in_channels=2, out_channels=3, spatial_dims=dims)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("text", "multiple"),
    [
        ("SegResNet()", 8),  # halves three times
        ("SegResNet(blocks_down=[1, 1], blocks_up=[1])", 2),
        (f"{DYN})", 8),
        ("UNet(channels=[4, 4, 4], strides=[2, 4])", 8),
        ("UNet(channels=[4, 4, 4], strides=[3, 3])", 9),
        ("AttentionUnet(channels=[4, 4], strides=[2])", 2),
        ("BasicUNet(features=[4, 4, 4, 4, 4, 4])", 1),
        ("SwinUNETR(feature_size=12, depths=[1, 1, 1, 1])", 32),  # patches of 2, merged four times
        ("UNETR(img_size=32, feature_size=4, hidden_size=12, mlp_dim=4)", 32),  # one size alone
        ("HighResNet()", 1),  # never coarser
    ],
)
def test_images_of_any_size_are_padded_to_what_the_network_takes(text, multiple, dims):
    network = built(text, dims)
    assert network.multiple == multiple
    for mode in (True, False):
        found = network.train(mode)(torch.randn(1, 2, *(13, 9, 10)[:dims]))
        assert found.shape == (1, 3, *(13, 9, 10)[:dims])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("text", "heads"),
    [
        (f"{DYN})", 1),
        (f"{DYN}, deep_supervision=True, deep_supr_num=2)", 3),  # a stack in training, else a tensor
        (f"{NESTED})", 1),  # a list always
        (f"{NESTED}, deep_supervision=True)", 4),
        ("SegResNetDS(init_filters=4, dsdepth=3)", 3),  # a list of several sizes
    ],
)
def test_the_heads_of_deep_supervision_have_full_size_and_end_with_the_finest(text, heads, dims, capfd):
    network, image = built(text, dims).train(), torch.randn(2, 2, *(20, 18, 16)[:dims])
    found = network.heads(image)
    copy.deepcopy(network)  # nothing of the step is left in it
    assert len(found) == heads
    assert all(logits.shape == (2, 3, *image.shape[2:]) for logits in found)
    if "SegResNetDS" not in text:  # its batch norm differs in evaluation
        with torch.no_grad():
            alone = network.eval()(image)
        torch.testing.assert_close(found[-1].detach(), alone)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SegResNett()", "expected a network of monai.networks.nets .like SegResNet.*got 'SegResNett'"),
        ("Unet(channels=[4, 4], strides=[2])", "like.*UNet.*got 'Unet'"),  # MONAI's other name for UNet
        ("UNet()", "UNet: expected a value for channels and strides, got none"),
        ("DynUNet()", "expected a value for kernel_size and strides and upsample_kernel_size"),
        ("SegResNet(filters=8)", "SegResNet: expected one of .*init_filters.*, got argument 'filters'"),
        ("AHNet(pretrained=True)", "got argument 'pretrained'"),
        ("VISTA3D()", "VISTA3D: expected a network from images to maps of classes"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(ValueError, match=said):
        parse(f"Supervised(network={N}{text})")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DenseNet121()", "DenseNet121: expected logits .1, 3, 65, 65., got .1, 3."),
        ("ViT(img_size=32, patch_size=8)", "ViT: "),
        ("UNet(channels=[4, 4], strides=[])", "UNet: "),
        ("SegResNet(dropout_prob=[1])", "SegResNet: "),
    ],
)
def test_a_network_that_does_not_fit_is_refused_when_it_is_built(text, said):
    with pytest.raises(ValueError, match=said):
        built(text, 2)


@pytest.mark.parametrize(
    "target",
    [
        "monai.networks.nets.os",
        "monai.networks.nets.unet",
        "monai.networks.nets.unet.UNet",
        "monai.networks.nets.resnet18",
        "monai.networks.nets.__loader__",
        "monai.networks.nets.Sequence",
        "monai.networks.nets.",
        "monai.data.CacheDataset",
        "monai.networks.nets",
        "monai.bundle.run",
        "os.system",
        "torch.nn.Linear",
    ],
)
def test_nothing_else_of_monai_is_built_from_a_stored_run(target):
    with pytest.raises(ValueError, match="expected"):
        Recipe.from_dict({"target": target, "arguments": {}}).build()
    with pytest.raises(ValueError, match="expected"):
        parse(f"Supervised(network={target}())")


def test_a_network_keeps_its_full_name_in_text_and_in_python():
    text = f"Supervised(network={N}SegResNet(init_filters=16, norm='batch', blocks_up=[1, 1, 2]))"
    assert written(parse(text)) == text
    assert (
        written(parse(f"Supervised(network={N}SegResNet(init_filters=8))"))
        == f"Supervised(network={N}SegResNet())"
    )
    made = recipe(Supervised, network=recipe(networks()["SegResNet"], init_filters=16))
    assert made == parse(f"Supervised(network={N}SegResNet(init_filters=16))")
    assert Recipe.from_dict(made.to_dict()) == made
    assert not made.is_own
    assert made.build(task(2)).network.network.init_filters == 16


def test_monai_is_imported_when_such_a_recipe_is_read_and_never_else():
    code = """
import sys
from medseg_lab.training.names import recipe_called
from medseg_lab.training.recipe import Recipe
recipe_called("U-Net").build
print("monai" in sys.modules)
recipe_called("Supervised(network=monai.networks.nets.SegResNet())")
print("monai" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["False", "True"], "")


def test_layers_with_two_names_are_stored_once_and_loaded_whole(tmp_path):
    from safetensors.torch import load_model, save_model

    network, other = (built(f"{DYN})", 2).to(memory_format=torch.channels_last) for _ in range(2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert len(network.state_dict()) == len([*network.parameters()]) < len(network.network.state_dict())
    save_model(network, tmp_path / "weights")
    load_model(other, tmp_path / "weights")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
