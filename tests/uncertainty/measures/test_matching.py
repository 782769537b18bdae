from itertools import permutations

import pytest
import torch
from measure_toys import labels
from scipy.optimize import linprog

from medseg_lab.uncertainty.measures.energy_distance import overlap
from medseg_lab.uncertainty.measures.matching import matched_iou


def by_transport(iou):
    """The best plan that moves 1/n of each sample to 1/R of each reading: a linear programme."""
    n, raters = iou.shape
    rows = torch.eye(n).repeat_interleave(raters, dim=1)
    columns = torch.eye(raters).repeat(1, n)
    plan = linprog(
        -iou.flatten().numpy(),
        A_eq=torch.cat([rows, columns]).numpy(),
        b_eq=[1 / n] * n + [1 / raters] * raters,
    )
    return -plan.fun


def test_two_samples_and_two_readings_by_hand():
    # IoU: 1/2 and 1/3; 1 and 0. Greedy and crossed: 1/2 + 0 against 1/3 + 1.
    samples = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])
    readings = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0]])
    assert matched_iou(samples, readings, 2).tolist() == pytest.approx([2 / 3])


def test_a_deterministic_prediction_is_matched_with_every_reading():
    sample = torch.tensor([[1, 1, 0, 0]])
    readings = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    assert matched_iou(sample, readings, 2).tolist() == pytest.approx([(1 + 1 / 2 + 0) / 3])


def test_sets_as_large_are_matched_as_the_best_permutation_does():
    samples, readings = labels(5, (5, 6), 3), labels(5, (5, 6), 3, seed=1)
    iou = overlap(samples, readings, 3)
    best = [
        max(sum(each[i, j].item() for i, j in enumerate(order)) / 5 for order in permutations(range(5)))
        for each in iou
    ]
    assert matched_iou(samples, readings, 3).tolist() == pytest.approx(best)


@pytest.mark.parametrize(("n", "raters"), [(4, 6), (6, 4), (3, 2), (8, 4), (2, 5)])
def test_sets_of_other_sizes_are_matched_as_the_best_transport_does(n, raters):
    samples, readings = labels(n, (24,), 4), labels(raters, (24,), 4, seed=2)
    expected = [by_transport(each) for each in overlap(samples, readings, 4)]
    assert matched_iou(samples, readings, 4).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_same_set_is_matched_perfectly_in_any_order_and_as_often():
    readings = labels(4, (9, 9), 3)
    assert matched_iou(readings.flip(0).repeat(4, 1, 1), readings, 3).tolist() == [1, 1]


def test_sets_with_nothing_in_common_match_nowhere():
    samples, readings = torch.tensor([[1, 0, 0]]), torch.tensor([[0, 1, 0], [0, 0, 1]])
    assert matched_iou(samples, readings, 2).tolist() == [0]


def test_an_empty_sample_matches_an_empty_reading():
    lesion, nothing = torch.tensor([[1, 1, 0]]), torch.zeros(1, 3, dtype=torch.int64)
    assert matched_iou(torch.cat([lesion, nothing]), torch.cat([nothing, lesion]), 2).tolist() == [1]
    assert matched_iou(lesion, torch.cat([nothing, lesion]), 2).tolist() == [0.5]


def test_each_class_is_matched_for_itself():
    samples = torch.tensor([[1, 2], [1, 0]])
    readings = torch.tensor([[1, 0], [0, 2]])
    # class 1: one of two samples finds the reading that has it; class 2: both meet theirs
    assert matched_iou(samples, readings, 3).tolist() == [0.5, 1]


def test_it_does_not_depend_on_the_order_of_voxels():
    samples, readings, voxels = labels(6, (30,), 3), labels(4, (30,), 3, seed=1), torch.randperm(30)
    torch.testing.assert_close(
        matched_iou(samples[:, voxels], readings[:, voxels], 3), matched_iou(samples, readings, 3)
    )


def test_what_is_wrong_with_the_arguments_is_said():
    good = torch.zeros(2, 3, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="samples: got spatial shape"):
        matched_iou(good, good.flatten(1), 2)
    with pytest.raises(ValueError, match="samples: got classes 2 to 2, wanted 0 to 1"):
        matched_iou(good + 2, good, 2)
    with pytest.raises(ValueError, match="readings: got classes 2 to 2, wanted 0 to 1"):
        matched_iou(good, good + 2, 2)
