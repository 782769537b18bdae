"""One case from all sides: what is marked is what is shown, upright, and described in words."""

import numpy as np
import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import cut_slice
from medseg_lab.show.volume import planes, slicer, slices

VOLUME = Task(1, ("background", "a", "b"), 3)


def case(*shape: int, spacing: tuple[float, ...] | None = None) -> Case:
    label = torch.zeros(1, *shape, dtype=torch.uint8)
    label[(0, *(slice(n // 4, n // 2) for n in shape))] = 1
    return Case("one", "one", torch.rand(1, *shape), label, spacing)


def test_a_volume_is_shown_in_three_planes_above_and_below():
    fig = planes(case(12, 16, 20), VOLUME)
    assert len(fig.axes) == 6
    assert [ax.get_title("center") for ax in fig.axes[:3]] == ["sagittal", "coronal", "axial"]
    assert "one" in fig.get_label()
    assert "a, b" in fig.get_label()


def test_a_slice_is_shown_as_it_is():
    assert len(planes(case(12, 16), Task(1, ("background", "a"), 2)).axes) == 2


def test_a_slice_of_a_volume_stands_upright():
    """Of an axial slice in RAS order the second axis, forwards, points up: its far end is the first row."""
    volume = np.zeros((3, 4, 5))
    volume[2, 3, 1] = 1
    cut = cut_slice(volume, {}, (1.0, 2.0, 4.0), axis=2, index=1)
    assert cut.image.shape == (4, 3)
    assert cut.image[0, 2] == 1
    assert cut.aspect == 2.0


def test_only_marked_slices_are_offered_and_not_too_many():
    shown = slices(case(40, 8, 8), axis=0)
    assert shown == list(range(10, 20))
    assert slices(case(40, 8, 8), axis=0, most=3) == [10, 14, 19]
    empty = Case("e", "e", torch.rand(1, 4, 4, 4), torch.zeros(1, 4, 4, 4, dtype=torch.uint8), None)
    assert slices(empty) == [2]


def test_a_frame_has_a_panel_for_the_reference_and_each_method():
    one = case(12, 16, 20)
    found = {"U-Net": one.label.numpy(), "FCN": np.zeros((12, 16, 20), dtype=np.uint8)}
    fig = slicer(one, found, VOLUME)(6)
    assert [ax.get_title("center") for ax in fig.axes] == ["reference", "U-Net", "FCN"]
    outlined = [len(ax.collections) for ax in fig.axes]
    assert outlined == pytest.approx([1, 1, 0])
    assert "Slice 6" in fig.get_label()


def test_a_photograph_is_shown_in_its_colours():
    red = np.linspace(-2, 3, 12 * 16, dtype=np.float32).reshape(12, 16)
    image = torch.from_numpy(np.stack([red, np.zeros_like(red), -red]))
    label = torch.zeros((1, 12, 16), dtype=torch.uint8)
    label[0, 3:6, 4:9] = 1
    photograph = Case("p", "p", image, label, None)
    shown = planes(photograph, Task(3, ("background", "a"), 2)).axes[0].images[0].get_array()
    assert shown.shape == (12, 16, 3)
    assert (shown[0, 0].tolist(), shown[-1, -1].tolist()) == ([0, 0, 1], [1, 0, 0])
    assert (
        planes(photograph, Task(3, ("background", "a"), 2), channel=1).axes[0].images[0].get_array().ndim == 2
    )
