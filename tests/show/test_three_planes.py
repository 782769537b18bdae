"""Networks for three planes: counted where they agree and where not, and drawn."""

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.show.three_planes import LOST, SETTLED, SHARED, right_by_dispute, show_disputes, three_planes

TASK = Task(1, ("background", "a"), 3)


def row(*classes: int) -> np.ndarray:
    return np.array(classes, dtype=np.uint8).reshape(1, -1, 1)


LABEL = row(1, 1, 1, 0, 0, IGNORE)
PLANES = {"axial": row(1, 1, 0, 0, 0, 1), "coronal": row(1, 0, 0, 1, 0, 1), "sagittal": row(1, 1, 0, 1, 0, 0)}
FUSED = row(1, 1, 0, 1, 0, 1)
CASE = Case("c", "p", torch.rand(1, 1, 6, 1), torch.from_numpy(LABEL)[None], (1.0, 1.0, 1.0))


def test_a_plane_is_counted_where_all_agree_and_where_they_do_not(capsys):
    """Voxels 0 and 2 are agreed upon, 1 and 3 disputed; 4 nobody marks, 5 nobody knows."""
    found = right_by_dispute([CASE], {name: {"c": of} for name, of in PLANES.items()}, {"c": FUSED})
    assert found["agreed"].to_dict() == dict.fromkeys(PLANES, 0.5) | {"pseudo-label": 0.5, "voxels": 2}
    assert found["disputed"].to_dict() == {
        "axial": 1.0,
        "coronal": 0.0,
        "sagittal": 0.5,
        "pseudo-label": 0.5,
        "voxels": 2,
    }
    show_disputes(found)
    assert "disputed" in capsys.readouterr().out


def test_pixels_of_the_pseudo_label_are_painted_by_what_became_of_them():
    fig = three_planes(CASE, PLANES, FUSED, TASK, axis=2)(0)
    assert [ax.get_title("center") for ax in fig.axes] == ["reference", *PLANES, "pseudo-label"]
    said = fig.get_label()
    assert "1 disputed, right, 1 disputed, wrong, 1 agreed upon, wrong" in said
    assert len(fig.axes[-1].images) == 1 + len({SETTLED, LOST, SHARED})
    assert len(fig.axes[0].images) == 1


def test_an_empty_volume_is_drawn_whole():
    nothing = np.zeros((4, 5, 6), dtype=np.uint8)
    case = Case("e", "p", torch.rand(1, 4, 5, 6), torch.from_numpy(nothing)[None], None)
    fig = three_planes(case, dict.fromkeys(PLANES, nothing), nothing, TASK)(3)
    assert fig.axes[0].images[0].get_array().shape == (5, 4)
    with pytest.raises(KeyError):
        right_by_dispute([case], {"axial": {}}, {})
