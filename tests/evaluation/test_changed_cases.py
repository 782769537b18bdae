"""A case changed by a stated amount, and pictures of it."""

import numpy as np
import pytest
import torch
from toys import task

from medseg_lab.data.case import Case
from medseg_lab.evaluation.changed_cases import UNITS, changed_case, dice_when_changed
from medseg_lab.show.augmentations import NEUTRAL, change_curves, deformer, gallery


def numbered(*shape: int, spacing=None) -> Case:
    image = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, *shape, dtype=torch.uint8)
    label[(0, *(slice(n // 4, n // 2) for n in shape))] = 1
    return Case("a", "p", image, label, spacing)


@pytest.mark.parametrize("how", UNITS)
@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 6)])
def test_the_neutral_amount_changes_nothing(how, shape):
    case = numbered(*shape)
    changed = changed_case(case, how, NEUTRAL[how])
    torch.testing.assert_close(changed.image, case.image, atol=1e-5, rtol=0)
    assert torch.equal(changed.labels, case.labels)


def test_slices_are_turned_in_their_plane():
    case = numbered(9, 5, 9)
    changed = changed_case(case, "turned", 90, slice_axis=1)
    torch.testing.assert_close(changed.image, case.image.rot90(-1, (1, 3)), atol=1e-4, rtol=0)
    assert torch.equal(changed.labels, case.labels.rot90(-1, (1, 3)))


def test_a_turn_is_one_in_millimetres():
    """Of pixels of 1 x 2 mm, a square of 8 x 4 stays one after a quarter turn."""
    label = torch.zeros(1, 16, 8, dtype=torch.uint8)
    label[0, 2:10, 1:5] = 1
    case = Case("a", "p", label.float(), label, (1.0, 2.0))
    turned = changed_case(case, "turned", 90).labels[0]
    rows, columns = (np.flatnonzero(turned.numpy().any(axis=1 - a)) for a in (0, 1))
    assert (rows[[0, -1]].tolist(), columns[[0, -1]].tolist()) in (
        ([6, 13], [1, 4]),
        ([2, 9], [3, 6]),
    )
    assert turned.sum() == 32


def test_content_of_half_the_size_has_a_quarter_of_the_pixels():
    label = torch.zeros(1, 16, 16, dtype=torch.uint8)
    label[0, 4:12, 4:12] = 1
    changed = changed_case(Case("a", "p", label.float(), label, None), "scaled", 0.5)
    assert changed.labels.sum() == 16


def test_all_readings_move_and_the_case_is_left_as_it_was():
    case = numbered(12, 14)
    both = Case("a", "p", case.image, torch.cat((case.labels, 1 - case.labels)), None)
    before = case.image.clone()
    changed = changed_case(both, "deformed", 2.0)
    assert torch.equal(case.image, before)
    assert not torch.equal(changed.labels[0], both.labels[0])
    known = changed.labels.sum(0)  # beyond the image both are 0
    assert set(known.unique().tolist()) <= {0, 1}
    assert known.float().mean() > 0.8


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match=r"how: expected one of turned, .*, got 'blurred'"):
        changed_case(numbered(8, 8), "blurred", 1)


@pytest.mark.parametrize("shape", [(24, 20), (24, 20, 5)])
def test_a_gallery_has_a_panel_for_each_amount_and_says_them(shape):
    fig = gallery(numbered(*shape), task(len(shape), 2), {"turned": (10, 20), "noise": (0.1, 0.2)})
    assert [ax.get_title() for ax in fig.axes] == [
        "turned 0°", "turned 10°", "turned 20°", "noise 0 sd", "noise 0.1 sd", "noise 0.2 sd",
    ]  # fmt: skip
    shown = [np.asarray(ax.images[0].get_array()) for ax in fig.axes]
    assert not np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[3], shown[5])
    contours = [sum(len(c.levels) for c in ax.collections if hasattr(c, "levels")) for ax in fig.axes]
    assert min(contours[:3]) > 5 > max(contours[3:])  # the grid lies on what moves
    assert "turned 0°, 10°, 20°; noise 0 sd, 0.1 sd, 0.2 sd" in fig.get_label()


def test_the_deformer_says_how_far_the_reference_is_from_itself():
    draw = deformer(numbered(24, 24), task(2, 2))
    assert "before is 1.00" in draw(0.0, 4).get_label()
    assert "before is 1.00" not in draw(4.0, 4).get_label()


def test_dice_falls_with_the_change_of_a_network_that_knows_one_place(monkeypatch):
    from types import SimpleNamespace

    from medseg_lab.evaluation import changed_cases

    case = numbered(16, 16)
    probabilities = torch.stack((1 - case.label.float(), case.label.float()))
    monkeypatch.setattr(changed_cases, "predictor", lambda learner, cohort: lambda image: probabilities)
    cohort = SimpleNamespace(
        task=task(2, 2), card=SimpleNamespace(preprocessing=SimpleNamespace(slice_axis=2))
    )
    table = dice_when_changed(None, cohort, [case], {"scaled": (1, 0.5), "gain": (1, 2)})
    assert table["how"].tolist() == ["scaled", "scaled", "gain", "gain"]
    whole, half, *gains = table["dice"]
    assert whole == 1 == gains[0] == gains[1]
    assert half < 0.5
    fig = change_curves({"fixed": table})
    assert "gain, fixed: from 1.00 to 1.00" in fig.get_label()
    assert len(fig.axes) == 2


def test_a_gallery_shows_the_gamma_of_the_image_alone():
    case = numbered(24, 20)
    fig = gallery(case, task(2, 2), {"gamma": (0.5,)})
    shown = np.asarray(fig.axes[1].images[0].get_array())
    whole = changed_case(Case("a", "p", case.image[:1], case.labels, None), "gamma", 0.5).image[0].numpy()
    assert any(
        np.allclose(whole[i : i + shown.shape[0], j : j + shown.shape[1]], shown)
        for i in range(24 - shown.shape[0] + 1)
        for j in range(20 - shown.shape[1] + 1)
    )
