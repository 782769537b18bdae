from itertools import product

import pytest
import torch
from measure_toys import labels
from monai.metrics import compute_iou
from sklearn.metrics import jaccard_score
from torch.nn.functional import one_hot

from medseg_lab.uncertainty.measures import energy_distance as module
from medseg_lab.uncertainty.measures.energy_distance import energy_distance, overlap


def by_loops(samples, readings, k):
    """The definition, pair by pair, with scikit-learn's IoU."""

    def mean_distance(first, second):
        pairs = list(product(first.flatten(1).eq(k), second.flatten(1).eq(k)))
        return sum(1 - jaccard_score(a, b, zero_division=1.0) for a, b in pairs) / len(pairs)

    return (
        2 * mean_distance(samples, readings)
        - mean_distance(samples, samples)
        - mean_distance(readings, readings)
    )


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


def test_masks_in_pieces_overlap_as_whole_ones_do(monkeypatch):
    first, second = labels(3, (40,), 3), labels(2, (40,), 3, seed=1)
    whole = overlap(first, second, 3)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert torch.equal(overlap(first, second, 3), whole)


def test_no_piece_has_more_voxels_than_float32_can_count():
    for count in (module.CHUNK - 1, module.CHUNK):
        assert int(torch.tensor(count, dtype=torch.float32)) == count


def test_a_deterministic_prediction_by_hand():
    # d to the readings: 1/2 and 1; among them 1 - 0 in two of four pairs: 2 * 3/4 - 0 - 1/2
    sample = torch.tensor([[1, 1, 0, 0]])
    readings = torch.tensor([[1, 0, 0, 0], [0, 0, 1, 0]])
    assert energy_distance(sample, readings, 2).tolist() == pytest.approx([1.0])
    assert energy_distance(sample.expand(16, -1), readings, 2).tolist() == pytest.approx([1.0])


def test_two_samples_and_two_readings_by_hand():
    # A = {1, 2}, B = {2, 3} against A and the empty mask. d(A, B) = 2/3, d to the empty mask 1.
    # across: (0 + 1 + 2/3 + 1) / 4 = 2/3; among samples (2/3 + 2/3) / 4 = 1/3; among readings 2 / 4.
    samples = torch.tensor([[1, 1, 0], [0, 1, 1]])
    readings = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert energy_distance(samples, readings, 2).tolist() == pytest.approx([4 / 3 - 1 / 3 - 1 / 2])


@pytest.mark.parametrize(("n", "raters", "classes"), [(1, 1, 2), (5, 3, 3), (4, 1, 4)])
def test_it_is_the_definition_pair_by_pair(n, raters, classes):
    samples, readings = labels(n, (5, 4), classes), labels(raters, (5, 4), classes, seed=3)
    samples[0] = 0
    expected = [by_loops(samples, readings, k) for k in range(1, classes)]
    assert energy_distance(samples, readings, classes).tolist() == pytest.approx(expected, abs=1e-6)


def test_it_is_0_for_the_same_set_in_any_order_and_as_often():
    readings = labels(4, (12, 10), 3)
    assert energy_distance(readings, readings, 3).max() < 1e-6
    assert energy_distance(readings.flip(0).repeat(4, 1, 1), readings, 3).max() < 1e-6


def test_it_is_2_where_two_minds_have_nothing_in_common():
    sample, reading = torch.tensor([[1, 1, 0, 0]]), torch.tensor([[0, 0, 1, 0]])
    assert energy_distance(sample.expand(3, -1), reading.expand(5, -1), 2).tolist() == [2]


def test_empty_masks_are_alike():
    nothing = torch.zeros(3, 6, dtype=torch.uint8)
    assert energy_distance(nothing, nothing[:2], 2).tolist() == [0]


def test_two_of_four_raters_are_met_better_by_two_of_four_samples_than_by_their_majority():
    lesion, nothing = torch.tensor([[1, 1, 0, 0]]), torch.zeros(1, 4, dtype=torch.int64)
    readings = torch.cat([lesion, lesion, nothing, nothing])
    assert energy_distance(readings, readings, 2).tolist() == [0]
    assert energy_distance(lesion.expand(4, -1), readings, 2).tolist() == pytest.approx([0.5])


def test_it_is_never_negative():
    for seed in range(30):
        samples, readings = labels(3, (3,), 3, seed), labels(2, (3,), 3, seed + 50)
        assert energy_distance(samples, readings, 3).min() >= 0
        # The same set more often, where rounding alone decides the sign.
        often = samples.flip(0).repeat(3, 1)
        assert energy_distance(often, samples, 3).min() >= 0


def test_it_does_not_depend_on_order_nor_on_the_kind_of_integer():
    samples, readings = labels(5, (30,), 3), labels(4, (30,), 3, seed=1)
    found, voxels = energy_distance(samples, readings, 3), torch.randperm(30)
    torch.testing.assert_close(energy_distance(samples.flip(0), readings.long().flip(0), 3), found)
    torch.testing.assert_close(energy_distance(samples[:, voxels], readings[:, voxels], 3), found)


def test_what_is_wrong_with_the_arguments_is_said():
    good = torch.zeros(2, 3, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"samples: got spatial shape \(3, 4\), wanted .* \(12,\)"):
        energy_distance(good, good.flatten(1), 2)
    with pytest.raises(ValueError, match="readings: got classes 0 to 255, wanted 0 to 1"):
        energy_distance(good, torch.tensor([0, 255]).view(2, 1, 1).expand(2, 3, 4), 2)
    with pytest.raises(ValueError, match="samples: got classes 2 to 2, wanted 0 to 1"):
        energy_distance(good + 2, good, 2)
    with pytest.raises(ValueError, match="first: got classes 2 to 2"):
        overlap(good + 2, good, 2)
    with pytest.raises(ValueError, match="second: got classes 2 to 2"):
        overlap(good, good + 2, 2)
    with pytest.raises(ValueError, match=r"first: got spatial shape \(3, 4\)"):
        overlap(good, good.flatten(1), 2)
