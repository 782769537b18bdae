"""Channel weights, attention maps and attack curves as figures."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.nonlocal_block import NonLocal, attention_map
from medseg_lab.networks.squeeze_excitation import ChannelWeights, SqueezeExcitation
from medseg_lab.networks.unet import UNet
from medseg_lab.show.attack_curves import attack_curves, means_by_strength
from medseg_lab.show.attention import attention_of
from medseg_lab.show.explorer import explore, frame
from medseg_lab.show.figure import described
from medseg_lab.show.spot import fullest, slab
from medseg_lab.show.squeeze_weights import squeeze_weights, weights_of
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a"), 3)


def learner(block) -> Supervised:
    torch.manual_seed(0)
    network = recipe(UNet, features=(4, 4, 6), block=recipe(block))
    made = Supervised(TASK, network=network, spatial_dims=2)
    made.patch = (16, 16)
    return made


def case(seed: int = 0) -> Case:
    image = torch.randn((1, 20, 18, 5), generator=torch.Generator().manual_seed(seed))
    label = torch.zeros(1, 20, 18, 5, dtype=torch.uint8)
    label[0, 4:12, 5:13, 2] = 1
    return Case(f"c{seed}", f"p{seed}", image, label, (1.0, 1.0, 3.0))


def test_the_weights_drawn_are_those_of_each_image():
    one = learner(SqueezeExcitation)
    network, images = one.network.eval(), [torch.randn(1, 1, 8, 8) for _ in range(3)]
    blocks = [module for module in network.modules() if isinstance(module, ChannelWeights)]
    seen = []
    hook = blocks[1].register_forward_pre_hook(lambda module, inputs: seen.append(module.weights(inputs[0])))
    with torch.no_grad():
        for image in images:
            network(image)
    hook.remove()
    torch.testing.assert_close(weights_of(network, blocks, images)[1], torch.cat(seen))
    assert not blocks[0]._forward_hooks


def test_constant_weights_are_said_to_be():
    one = learner(SqueezeExcitation)
    for module in one.network.modules():
        if isinstance(module, ChannelWeights):
            torch.nn.init.zeros_(module.excite.weight)
    fig = squeeze_weights(one, [case(0), case(1)])
    assert_legible(fig)
    spreads = re.findall(r"(?:encoder|decoder) \d ([\d.]+) and", described(fig))
    assert spreads == ["0.000"] * 5


def test_the_map_belongs_to_the_pixel_that_is_marked():
    """Of 3 by 3 tiles the first row is the top of the page, which is the far end of the second axis."""
    one = learner(NonLocal)
    fig = attention_of(one, case(), TASK, tiles=3)(0, 2)
    (x,), (y,) = fig.axes[0].lines[0].get_data()
    image = fullest(case(), 2, least=one.patch).image(case())  # 16 by 16 about the square that is marked
    pixel = (int(x), 15 - int(y))
    assert pixel == (13, 13)
    drawn = np.asarray(fig.axes[1].images[-1].get_array())
    wanted = attention_map(one.network, image, pixel, 0).numpy()
    np.testing.assert_allclose(drawn, wanted.T[::-1], rtol=1e-5)
    assert_legible(fig)


def test_a_network_without_attention_is_refused():
    with pytest.raises(ValueError, match="network: expected one with attention, got UNet without"):
        attention_of(learner(SqueezeExcitation), case(), TASK, tiles=2)


def test_a_click_chooses_row_and_column(shown):
    """The page knows where the axes lie, and how many rows and columns they have."""
    draw = attention_of(learner(NonLocal), case(), TASK, tiles=2)
    explore(draw, row=range(2), column=range(2))
    markup = shown[0]["text/html"]
    left, top, width, height = json.loads(re.search(r"const picked = (\[.*?\]);", markup)[1])
    assert 0 <= left < left + width < 0.4  # the first of three panels
    assert 0 <= top < top + height < 1
    assert frame(draw(0, 0)).picked == pytest.approx((left, top, width, height))
    assert '"click"' in markup


def test_a_slab_is_the_slices_about_the_fullest():
    one = case()
    one.labels[0, 0, 0, 4] = 1
    found = slab(one, 2, 2)
    assert found.id == one.id
    assert torch.equal(found.labels, one.labels[..., 1:3])
    assert torch.equal(found.image, one.image[..., 1:3])
    assert slab(one, 2, 9).image.shape == one.image.shape


def curve(shift: float, cases: int = 4) -> pd.DataFrame:
    rows = [
        {"attack": attack, "epsilon": epsilon, "case": f"c{i}", "dice": 0.805 - shift * epsilon + 0.01 * i}
        for attack in ("FGSM", "PGD, 5 steps")
        for epsilon in (0, 0.1)
        for i in range(cases)
    ]
    return pd.DataFrame(rows)


def test_a_curve_has_the_mean_of_cases_and_students_interval():
    """Of .805, .815, .825, .835: mean .82, standard deviation .01291, t(3) = 3.182."""
    row = means_by_strength(curve(1)).iloc[0]
    assert row["mean"] == pytest.approx(0.82)
    assert row["high"] - row["mean"] == pytest.approx(3.182 * 0.01291 / 2, rel=1e-3)
    alone = means_by_strength(curve(1, cases=1)).iloc[0]
    assert alone["mean"] == pytest.approx(0.805)
    assert np.isnan(alone["low"])
    assert_legible(attack_curves({"U-Net": curve(1, cases=1)}))


def test_attack_curves_say_where_they_begin_and_end():
    fig = attack_curves(
        {"U-Net": curve(1), "U-Net as large as Non-local": curve(2), "Non-local U-Net": curve(3)}
    )
    assert "FGSM on U-Net from 0.82 to 0.72" in described(fig)
    assert_legible(fig)
