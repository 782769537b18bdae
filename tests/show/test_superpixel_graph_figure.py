"""Which edges between superpixels are right."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from toys import SMALL, task

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.semi.graphs.superpixel_graph import Graph, SuperpixelGraph
from medseg_lab.show.spot import fullest
from medseg_lab.show.superpixel_graph import borders, edges_right, majority, superpixel_graph

REGIONS = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 3]])
LABEL = torch.tensor([[0, 1, 1, 0, 0, 1, IGNORE, 1]], dtype=torch.uint8)


class Given(SuperpixelGraph):
    """Four superpixels, of which 0-1, 0-2, 1-3 and 2-3 are joined, whatever the image."""

    def graph(self, image):
        return Graph(REGIONS, torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), torch.ones(4))


def case_of(label: torch.Tensor) -> Case:
    return Case("a", "a", label[None].float(), label[None], None)


def test_the_majority_leaves_open_voxels_out():
    graph = Graph(REGIONS, torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0))
    assert majority(graph, LABEL, 2).tolist() == [1, 0, 1, 1]
    unknown = LABEL.clone()
    unknown[0, -1] = IGNORE
    assert majority(graph, unknown, 2).tolist() == [1, 0, 1, -1]
    table = edges_right(Given(task(2), network=SMALL), [case_of(unknown)], task(2), 2, [0.5])
    assert table.loc[0.5, "right"] == 0.5  # 0-1 wrong, 0-2 right; of those to the fourth nobody knows


def test_edges_are_counted_by_hand():
    """Classes 1, 0, 1, 1: two of four edges join one class, and two of three pairs of foreground."""
    table = edges_right(Given(task(2), network=SMALL), [case_of(LABEL)], task(2), 2, [0.5])
    assert table.loc[0.5].to_dict() == pytest.approx(
        {"edges": 2.0, "right": 0.5, "right at foreground": 0.5, "joined": 2 / 3}
    )


def test_borders_lie_between_pixels_of_different_regions():
    found = borders(np.array([[0, 0], [0, 1]]))
    assert sorted(np.array(found).tolist()) == [
        [[0.5, 0.5], [0.5, 1.5]],
        [[0.5, 0.5], [1.5, 0.5]],
    ]


@pytest.mark.parametrize("shape", [(40, 44), (40, 44, 5)])
def test_its_figure_counts_edges_at_the_foreground(shape):
    label = torch.zeros(shape, dtype=torch.uint8)
    label[12:28, 10:30] = 1
    case, dims = case_of(label), len(shape)
    method = SuperpixelGraph(task(dims), network=SMALL, spatial_dims=2)
    fig = superpixel_graph(method, case, fullest(case, 2, least=(40, 40)), task(dims), 0.3)
    count, wrong = fig.axes[1].get_title().removeprefix("epsilon 0.3: ").split(" edges, ")
    assert int(count) > 10
    assert wrong == "0 wrong"
    assert method.epsilon == 0.5
    assert_legible(fig)
