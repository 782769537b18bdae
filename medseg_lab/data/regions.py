"""Regions: named unions of classes, as challenges score them.

BraTS scores whole tumour, tumour core and enhancing tumour, each inside the one before (Menze et al., IEEE
TMI 2015); for hearts, the whole heart, the left ventricle with its wall, and its cavity lie in one another
alike. The classes of a label never overlap; regions do.
"""

import operator
from functools import reduce
from itertools import pairwise
from typing import TypeVar

import numpy as np
from torch import Tensor

from medseg_lab.data.card import Card

Label = TypeVar("Label", np.ndarray, Tensor)


def region_masks(label: Label, card: Card) -> dict[str, Label]:
    """Where each of the card's regions is, by its name, in the card's order.

    Args:
        label: classes `(*S)`, an array or a tensor of integers; leading axes (raters, a batch) are kept.
        card: names the classes and the regions; a card without regions gives an empty dictionary.

    Returns:
        Boolean masks of the label's own kind and shape. A voxel that is `case.IGNORE` is in none of them.
    """
    values = {name: [card.classes.index(c) for c in members] for name, members in card.regions.items()}
    return {name: reduce(operator.or_, (label == v for v in found)) for name, found in values.items()}


def is_nested(card: Card) -> bool:
    """Whether the card has two regions or more, of which each but the largest lies inside a larger one."""
    by_size = sorted((set(members) for members in card.regions.values()), key=len)
    return len(by_size) > 1 and all(small < large for small, large in pairwise(by_size))
