"""The figure shows what the module does: boxes, their shapes, and where each tensor goes."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.nonlocal_block import Attention
from medseg_lab.networks.squeeze_excitation import ChannelWeights
from medseg_lab.show.flow import flow, layout, recorded_boxes
from tests.show.legible import assert_legible


def said(module, shape):
    boxes = recorded_boxes(module, shape)
    return {i: (box.name, box.shape, box.sources) for i, box in enumerate(boxes)}


def test_squeeze_and_excitation_is_the_surveys_figure_3():
    assert said(ChannelWeights(32), (2, 32, 8, 8)) == {
        0: ("input", (32, 8, 8), ()),
        1: ("mean", (32,), (0,)),
        2: ("squeeze", (2,), (1,)),
        3: ("relu", (2,), (2,)),
        4: ("excite", (32,), (3,)),
        5: ("sigmoid", (32,), (4,)),
        6: ("×", (32, 8, 8), (0, 5)),
    }


def test_the_non_local_block_is_the_surveys_figure_4():
    found = said(Attention(2, 8), (1, 8, 4, 4))
    names = {i: name for i, (name, _, _) in found.items()}
    arrows = {(names[source], name) for name, _, sources in found.values() for source in sources}
    assert arrows == {
        *(("input", name) for name in ("g", "theta", "phi", "+")),
        *(("g", "pool"), ("phi", "pool"), ("pool", "product"), ("theta", "product")),
        *(("product", "softmax"), ("softmax", "product"), ("product", "out"), ("out", "+")),
    }
    assert ("softmax", (16, 4)) in [(name, shape) for name, shape, _ in found.values()]


def test_an_operation_that_the_code_leaves_out_is_gone_from_the_figure():
    class Plain(ChannelWeights):
        def forward(self, x):
            return self.weights(x)

    assert "×" not in [box.name for box in recorded_boxes(Plain(4), (1, 4, 2, 2))]


@pytest.mark.parametrize("module", [ChannelWeights(64), Attention(2, 64), Attention(3, 64)])
def test_no_two_boxes_lie_on_each_other_and_words_can_be_read(module):
    shape = (1, 64, *[16] * (3 if "3d" in str(module) else 2))
    places = layout(recorded_boxes(module, shape))
    assert len(set(places)) == len(places)
    assert_legible(flow(module, shape, "A module"))


def test_the_module_stays_as_it_was():
    module = nn.Sequential(nn.Linear(3, 2)).train()
    before = module[0].weight.clone()
    recorded_boxes(module, (4, 3))
    assert module.training
    assert torch.equal(module[0].weight, before)
    assert not module[0]._forward_hooks
