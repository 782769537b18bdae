import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.regions import is_nested, region_masks

BRATS = load_card("msd-brain-tumour")
WT, TC, ET = "whole tumour (WT)", "tumour core (TC)", "enhancing tumour (ET)"


def test_brats_regions_are_unions_of_their_classes():
    masks = region_masks(np.array([0, 1, 2, 3]), BRATS)
    assert masks[WT].tolist() == [False, True, True, True]
    assert masks[TC].tolist() == [False, False, True, True]
    assert masks[ET].tolist() == [False, False, False, True]


def test_heart_regions_leave_the_right_ventricle_out_of_the_left():
    masks = region_masks(np.array([[0, 1], [2, 3]]), load_card("acdc"))
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "whole heart": 3,
        "left ventricle with its wall": 2,
        "left-ventricular cavity": 1,
    }
    assert not masks["left ventricle with its wall"][0, 1]


def test_tensors_give_tensors_of_their_shape():
    label = torch.tensor([[[0, 3], [1, 2]], [[3, 3], [0, 0]]], dtype=torch.uint8)
    masks = region_masks(label, BRATS)
    assert all(m.dtype == torch.bool and m.shape == label.shape for m in masks.values())
    assert {n: m.tolist() for n, m in masks.items()} == {
        n: m.tolist() for n, m in region_masks(label.numpy(), BRATS).items()
    }


def test_what_nobody_annotated_is_in_no_region():
    masks = region_masks(np.array([IGNORE], np.uint8), BRATS)
    assert not any(mask.any() for mask in masks.values())


def test_a_card_without_regions_has_none():
    assert region_masks(np.array([0, 1]), load_card("chase-db1")) == {}


@pytest.mark.parametrize("dataset", [*known_cards(), "virtual-brain+lesion"])
def test_regions_of_known_cards_lie_in_one_another(dataset):
    card = load_card(dataset)
    assert is_nested(card) == bool(card.regions)
    sizes = [len(members) for members in card.regions.values()]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("regions", "nested"),
    [
        ({"a": ("oedema",)}, False),
        ({"a": ("oedema",), "b": ("enhancing tumour",)}, False),
        ({"small": ("oedema",), "large": ("oedema", "enhancing tumour")}, True),
        ({"a": ("oedema",), "the same": ("oedema",)}, False),
        ({"a": ("oedema",), "b": ("non-enhancing tumour", "enhancing tumour")}, False),
    ],
)
def test_nesting_is_by_classes_and_in_any_order(regions, nested):
    assert is_nested(BRATS.model_copy(update={"regions": regions})) is nested
