"""Pictures of a cascade: what each panel shows, and what the description says."""

import numpy as np
import pytest
import torch
from toys import task

from medseg_lab.data.case import Case
from medseg_lab.nested.narrowing import Narrowing
from medseg_lab.show.cascade_steps import cascade_steps, propagation

NAMES = ["whole", "wall", "core"]


def narrowed(shape=(20, 18, 16), boxes=((slice(2, 18),) * 3, (slice(5, 15),) * 3)):
    label = np.zeros(shape, dtype=np.uint8)
    for k in (1, 2, 3):
        label[(slice(3 + k, -3 - k),) * len(shape)] = k
    case = Case("a", "p", torch.rand(1, *shape), torch.from_numpy(label)[None], None)
    cut = tuple(None if box is None else box[: len(shape)] for box in boxes)
    return Narrowing(case, label, cut, cut)


@pytest.mark.parametrize("shape", [(20, 18, 16), (20, 18)])
def test_each_step_has_a_panel_of_what_it_read(shape):
    fig = cascade_steps(narrowed(shape), task(len(shape), 4), NAMES)
    first, second, third, result = (np.asarray(ax.images[0].get_array()) for ax in fig.axes)
    assert sorted(first.shape) == sorted(result.shape) == sorted(shape[:2])
    assert second.shape == (16, 16)
    assert third.shape == (10, 10)
    assert "whole in the whole image, wall in 16 x 16" in fig.get_label()


def test_a_step_that_had_nothing_to_look_into_shows_no_image():
    fig = cascade_steps(narrowed(boxes=((slice(2, 18),) * 3, None)), task(3, 4), NAMES)
    assert [len(ax.images) > 0 for ax in fig.axes] == [True, True, False, True]
    assert "core in nothing" in fig.get_label()


def test_the_slice_shown_lies_in_the_last_box():
    box = (slice(2, 18), slice(2, 16), slice(9, 11))
    fig = cascade_steps(narrowed(boxes=((slice(2, 18),) * 3, box)), task(3, 4), NAMES)
    assert np.asarray(fig.axes[2].images[0].get_array()).shape == (14, 16)


def test_propagation_says_its_numbers():
    fig = propagation({"predicted": [(0.5, 0.2), (1, 0.9)]}, {"Dice": {0: 0.9, 8: 0.3}})
    assert "Dice: 0.90 at 0, 0.30 at 8" in fig.get_label()
    points = fig.axes[0].lines[0].get_xydata()
    assert points.tolist() == [[0.5, 0.2], [1.0, 0.9]]
