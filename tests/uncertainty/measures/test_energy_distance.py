from itertools import product

import pytest
import torch
from measure_toys import labels
from monai.metrics import compute_iou
from scipy.optimize import linprog
from sklearn.metrics import jaccard_score
from torch.nn.functional import one_hot

from medseg_lab.uncertainty.measures import energy_distance as module
from medseg_lab.uncertainty.measures.energy_distance import energy_distance, matched_iou, overlap


def by_loops(samples, readings, k):
    """The definition of GED^2, pair by pair, with scikit-learn's IoU."""

    def mean_distance(first, second):
        pairs = list(product(first.flatten(1).eq(k), second.flatten(1).eq(k)))
        return sum(1 - jaccard_score(a, b, zero_division=1.0) for a, b in pairs) / len(pairs)

    return (
        2 * mean_distance(samples, readings)
        - mean_distance(samples, samples)
        - mean_distance(readings, readings)
    )


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


def test_the_overlap_by_hand():
    first = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])
    second = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 2]])
    expected = torch.tensor([[[1 / 2, 1 / 3, 0], [0, 0, 1]], [[1, 1, 0], [1, 1, 0]]])
    torch.testing.assert_close(overlap(first, second, 3), expected)


def test_the_overlap_is_that_of_monai():
    first, second = labels(3, (6, 7, 5), 4), labels(5, (6, 7, 5), 4, seed=1)
    found = overlap(first, second, 4)
    assert found.shape == (3, 3, 5)
    for a, b in product(range(3), range(5)):
        one, two = (one_hot(each.long(), 4).movedim(-1, 0)[None] for each in (first[a], second[b]))
        torch.testing.assert_close(found[:, a, b], compute_iou(one, two, include_background=False)[0])


def test_the_overlap_in_chunks_is_that_of_whole_masks(monkeypatch):
    assert int(torch.tensor(module.CHUNK, dtype=torch.float32)) == module.CHUNK  # no count is rounded
    first, second = labels(3, (40,), 3), labels(2, (40,), 3, seed=1)
    whole = overlap(first, second, 3)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert torch.equal(overlap(first, second, 3), whole)


def test_a_deterministic_prediction_by_hand():
    # d to the readings: 1/2 and 1; among them 1 - 0 in two of four pairs: 2 * 3/4 - 0 - 1/2
    sample = torch.tensor([[1, 1, 0, 0]])
    readings = torch.tensor([[1, 0, 0, 0], [0, 0, 1, 0]])
    assert energy_distance(sample, readings, 2).tolist() == pytest.approx([1.0])
    assert energy_distance(sample.expand(16, -1), readings, 2).tolist() == pytest.approx([1.0])


@pytest.mark.parametrize(("n", "raters", "classes"), [(1, 1, 2), (5, 3, 3)])
def test_it_is_the_definition_pair_by_pair(n, raters, classes):
    samples, readings = labels(n, (5, 4), classes), labels(raters, (5, 4), classes, seed=3)
    samples[0] = 0
    expected = [by_loops(samples, readings, k) for k in range(1, classes)]
    assert energy_distance(samples, readings, classes).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_same_set_in_any_order_and_repeated_is_at_0_and_fully_matched():
    readings = labels(4, (12, 10), 3)
    repeated = readings.flip(0).repeat(4, 1, 1)
    assert energy_distance(readings, readings, 3).max() < 1e-6
    assert energy_distance(repeated, readings, 3).max() < 1e-6
    assert matched_iou(repeated, readings, 3).tolist() == [1, 1]


def test_two_constant_sets_without_overlap_are_at_2():
    sample, reading = torch.tensor([[1, 1, 0, 0]]), torch.tensor([[0, 0, 1, 0]])
    assert energy_distance(sample.expand(3, -1), reading.expand(5, -1), 2).tolist() == [2]
    assert matched_iou(sample, reading.expand(2, -1), 2).tolist() == [0]


def test_empty_masks_are_equal():
    nothing = torch.zeros(3, 6, dtype=torch.uint8)
    assert energy_distance(nothing, nothing[:2], 2).tolist() == [0]
    lesion, empty = torch.tensor([[1, 1, 0]]), torch.zeros(1, 3, dtype=torch.int64)
    assert matched_iou(torch.cat([lesion, empty]), torch.cat([empty, lesion]), 2).tolist() == [1]
    assert matched_iou(lesion, torch.cat([empty, lesion]), 2).tolist() == [0.5]


def test_the_raters_distribution_is_better_than_their_majority():
    lesion, nothing = torch.tensor([[1, 1, 0, 0]]), torch.zeros(1, 4, dtype=torch.int64)
    readings = torch.cat([lesion, lesion, nothing, nothing])
    assert energy_distance(readings, readings, 2).tolist() == [0]
    assert energy_distance(lesion.expand(4, -1), readings, 2).tolist() == pytest.approx([0.5])


def test_it_is_never_negative():
    for seed in range(10):
        samples, readings = labels(3, (3,), 3, seed), labels(2, (3,), 3, seed + 50)
        assert energy_distance(samples, readings, 3).min() >= 0
        # The same set repeated, where rounding alone decides the sign.
        assert energy_distance(samples.flip(0).repeat(3, 1), samples, 3).min() >= 0


@pytest.mark.parametrize("measure", [energy_distance, matched_iou])
def test_the_measures_do_not_depend_on_order_nor_on_the_integer_type(measure):
    samples, readings = labels(6, (30,), 3), labels(4, (30,), 3, seed=1)
    found, voxels = measure(samples, readings, 3), torch.randperm(30)
    torch.testing.assert_close(measure(samples.flip(0), readings.long().flip(0), 3), found)
    torch.testing.assert_close(measure(samples[:, voxels], readings[:, voxels], 3), found)


@pytest.mark.parametrize("measure", [energy_distance, matched_iou, overlap])
def test_wrong_arguments_are_named(measure):
    good = torch.zeros(2, 3, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"readings: expected spatial shape \(3, 4\), got \(12,\)"):
        measure(good, good.flatten(1), 2)
    with pytest.raises(ValueError, match="readings: expected classes 0 to 1, got 0 to 255"):
        measure(good, torch.tensor([0, 255]).view(2, 1, 1).expand(2, 3, 4), 2)
    with pytest.raises(ValueError, match="samples: expected classes 0 to 1, got 2 to 2"):
        measure(good + 2, good, 2)


def test_the_best_matching_by_hand():
    # IoU: 1/2 and 1/3; 1 and 0. Greedy and crossed: 1/2 + 0 against 1/3 + 1.
    samples = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])
    readings = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0]])
    assert matched_iou(samples, readings, 2).tolist() == pytest.approx([2 / 3])
    # One sample is matched with every reading.
    readings = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    assert matched_iou(samples[:1], readings, 2).tolist() == pytest.approx([(1 + 1 / 2 + 0) / 3])


@pytest.mark.parametrize(("n", "raters"), [(5, 5), (4, 6), (8, 4)])
def test_the_matching_is_the_best_transport(n, raters):
    samples, readings = labels(n, (24,), 4), labels(raters, (24,), 4, seed=2)
    expected = [by_transport(each) for each in overlap(samples, readings, 4)]
    assert matched_iou(samples, readings, 4).tolist() == pytest.approx(expected, abs=1e-6)


def test_each_class_is_matched_separately():
    samples = torch.tensor([[1, 2], [1, 0]])
    readings = torch.tensor([[1, 0], [0, 2]])
    # class 1: one of two samples equals the reading that has it; class 2: both equal theirs
    assert matched_iou(samples, readings, 3).tolist() == [0.5, 1]
