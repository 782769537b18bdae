from functools import reduce
from math import log
from operator import add

import pytest
import torch
from measure_toys import labels, probabilities
from monai.metrics import CalibrationErrorMetric
from sklearn.metrics import brier_score_loss, log_loss

from medseg_lab.uncertainty.measures.calibration import (
    FLOOR,
    brier,
    ece_parts,
    negative_log_likelihood,
    reliability,
)
from medseg_lab.uncertainty.measures.readings import shares


def two_classes(*foreground):
    maps = torch.tensor(foreground)
    return torch.stack([1 - maps, maps])


def test_the_bins_by_hand():
    # Confidences .9, .8, .6, .7, predicted 1, 0, 1, 0; agree: both, one of two, none, both.
    readings = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]])
    found = reliability(two_classes(0.9, 0.2, 0.6, 0.3), readings, bins=4)
    assert found.weight.tolist() == [0, 0, 2, 2]
    assert found.confidence.tolist() == pytest.approx([0, 0, 1.3, 1.7])
    assert found.accuracy.tolist() == pytest.approx([0, 0, 1.0, 1.5])
    assert found.ece == pytest.approx((0.3 + 0.2) / 4)
    confidence, accuracy = found.means
    assert confidence.tolist() == pytest.approx([float("nan")] * 2 + [0.65, 0.85], nan_ok=True)
    assert accuracy.tolist() == pytest.approx([float("nan")] * 2 + [0.5, 0.75], nan_ok=True)


def test_a_bin_includes_its_upper_edge_and_may_be_empty():
    found = reliability(two_classes(0.5, 0.75, 1.0), torch.tensor([[1, 1, 1]]), bins=4)
    assert found.weight.tolist() == [0, 1, 1, 1]
    found = reliability(two_classes(0.5, 0.45), torch.tensor([[1, 1]]))
    assert [len(each) for each in found] == [10, 10, 10]
    assert found.weight.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("bins", [1, 10])
def test_the_error_is_that_of_monai(bins):
    p, readings = probabilities((4, 30, 20)), labels(3, (30, 20), 4)
    confidence, predicted = p.max(dim=0)
    metric = CalibrationErrorMetric(num_bins=bins, metric_reduction="none")
    # one channel of confidences, each voxel once for each rater
    metric(confidence.expand(1, 1, 3, 30, 20), (readings == predicted).float()[None, None])
    assert reliability(p, readings, bins).ece == pytest.approx(metric.aggregate().item(), abs=1e-5)


def test_the_smallest_and_the_largest_calibration_error():
    readings = torch.tensor([[1] * 4, [1] * 4, [1] * 4, [0] * 4])
    assert reliability(two_classes(*[0.75] * 4), readings).ece == 0  # 3 of 4 raters agree
    reading = torch.tensor([[0, 1, 1]])
    assert reliability(two_classes(0.0, 1.0, 1.0), reading).ece == 0
    assert reliability(two_classes(1.0, 0.0, 0.0), reading).ece == 1


def test_the_sum_of_two_cases_is_that_of_all_their_voxels():
    p, readings = probabilities((3, 90)), labels(2, (90,), 3)
    whole = reliability(p, readings)
    parts = reliability(p[:, :20], readings[:, :20]) + reliability(p[:, 20:], readings[:, 20:])
    for mine, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert parts.ece == pytest.approx(whole.ece)
    with pytest.raises(ValueError, match="bins: expected 10 as in the first, got 5"):
        whole + reliability(p, readings, bins=5)


def cases_of(n, stretch=1.0):
    """Images of 300 voxels with labels drawn from p; predicted are the logits of p, stretched."""
    logits = 2 * torch.randn(n, 300)
    label = torch.bernoulli(logits.sigmoid()).long()
    found = (stretch * logits).sigmoid()
    return [reliability(two_classes(*p), y[None]) for p, y in zip(found, label, strict=True)]


def of_patients(cases):
    """One case a patient."""
    return ece_parts(cases, [str(number) for number in range(len(cases))])


def test_what_cases_add_to_the_pooled_error_by_hand():
    # .9 sure and right, twice; .9 sure and wrong: pooled 2.7 against 2 of 3 voxels
    right = reliability(two_classes(0.9, 0.9), torch.tensor([[1, 1]]))
    wrong = reliability(two_classes(0.9), torch.tensor([[0]]))
    assert (right + wrong).ece == pytest.approx(0.7 / 3)
    found = of_patients([right, wrong])
    # -.2 and .9 of the gap, less .7 / 3 for each voxel, over 1.5 voxels a case
    assert found == pytest.approx([0.7 / 3 + (-0.2 - 1.4 / 3) / 1.5, 0.7 / 3 + (0.9 - 0.7 / 3) / 1.5])
    assert sum(found) / 2 == pytest.approx(0.7 / 3)
    assert ece_parts([], []) == []


def test_patients_count_alike_in_the_pooled_error():
    right, wrong = (reliability(two_classes(0.9), torch.tensor([[label]])) for label in (1, 0))
    # of two voxels of one patient and one of another, the second counts for two: 2 of 4 wrong
    first, second, other = ece_parts([right, right, wrong], ["a", "a", "b"])
    assert ((first + second) / 2 + other) / 2 == pytest.approx(0.9 - 0.5)


def test_who_predicts_the_true_probabilities_has_no_pooled_error_though_each_image_seems_to():
    torch.manual_seed(0)
    perfect = cases_of(100)
    pooled = sum(of_patients(perfect)) / 100
    assert pooled == pytest.approx(reduce(add, perfect).ece)
    assert pooled < 0.006
    assert sum(case.ece for case in perfect) / 100 > 0.03
    overconfident = cases_of(100, stretch=3.0)
    assert sum(of_patients(overconfident)) / 100 > 0.1


def test_means_of_the_parts_spread_as_the_pooled_error_of_redrawn_cases_does():
    torch.manual_seed(0)
    cases = cases_of(40, stretch=1.5)
    parts = torch.tensor(of_patients(cases))
    draws = torch.randint(40, (400, 40))
    pooled = torch.tensor([reduce(add, [cases[i] for i in draw]).ece for draw in draws])
    means = parts[draws].mean(dim=1)
    assert means.std().item() == pytest.approx(pooled.std().item(), rel=0.1)
    assert torch.corrcoef(torch.stack([means, pooled]))[0, 1] > 0.95


def test_brier_and_likelihood_by_hand():
    # (1 - p)^2 twice: .2 * .2 * 2; and of .7 read as 0: .7^2 * 2, as 1: .3^2 * 2
    readings = torch.tensor([[1, 0], [1, 1]])
    expected = (2 * 0.04 + 0.98 / 2 + 0.18 / 2) / 2
    assert brier(two_classes(0.8, 0.7), readings).item() == pytest.approx(expected)
    expected = -(2 * log(0.8) + log(0.3) + log(0.7)) / 4
    assert negative_log_likelihood(two_classes(0.8, 0.7), readings).item() == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_brier_and_likelihood_are_those_of_scikit_learn(classes):
    p, readings = probabilities((classes, 9, 8)), labels(3, (9, 8), classes)
    each = p.flatten(1).T.double().repeat(3, 1)
    each = (each / each.sum(dim=1, keepdim=True)).numpy()
    read, known = readings.flatten().numpy(), list(range(classes))
    squared = brier_score_loss(read, each if classes > 2 else each[:, 1], labels=known, scale_by_half=False)
    assert brier(p, readings).item() == pytest.approx(squared, rel=1e-5)
    expected = log_loss(read, each, labels=known)
    assert negative_log_likelihood(p, readings).item() == pytest.approx(expected, rel=1e-5)


def test_the_best_and_the_worst_prediction():
    reading = torch.tensor([[0, 1, 1]])
    right, wrong = two_classes(0.0, 1.0, 1.0), two_classes(1.0, 0.0, 0.0)
    assert brier(right, reading).item() == 0
    assert brier(wrong, reading).item() == 2
    assert negative_log_likelihood(right, reading).item() == 0
    assert negative_log_likelihood(wrong, reading).item() == pytest.approx(-log(FLOOR))
    assert -log(FLOOR) == pytest.approx(16.1, abs=0.05)  # what the docstring says


def test_the_raters_distribution_is_the_best_prediction():
    readings = labels(4, (12, 12), 3)
    own = shares(readings, 3)
    other = (own + 0.1 * probabilities((3, 12, 12))) / 1.1
    assert brier(own, readings) < brier(other, readings)
    assert negative_log_likelihood(own, readings) < negative_log_likelihood(other, readings)
    assert brier(own, readings).item() == pytest.approx((own * (1 - own)).sum(dim=0).mean().item())
    entropy = torch.distributions.Categorical(probs=own.movedim(0, -1)).entropy().mean()
    assert negative_log_likelihood(own, readings).item() == pytest.approx(entropy.item(), rel=1e-5)


@pytest.mark.parametrize(
    "measure", [brier, negative_log_likelihood, lambda p, readings: reliability(p, readings).ece]
)
def test_the_order_of_voxels_and_raters_does_not_matter(measure):
    p, readings, voxels = probabilities((3, 60)), labels(3, (60,), 3), torch.randperm(60)
    found = float(measure(p, readings))
    assert float(measure(p[:, voxels], readings[:, voxels].flip(0))) == pytest.approx(found, rel=1e-5)
    assert float(measure(p.view(3, 6, 10), readings.view(3, 6, 10))) == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("measure", [brier, negative_log_likelihood, reliability])
def test_wrong_arguments_are_named(measure):
    p = two_classes(0.1, 0.2)
    with pytest.raises(ValueError, match=r"readings: expected spatial shape \(2,\), got \(3,\)"):
        measure(p, torch.zeros(1, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="readings: expected classes 0 to 1, got 0 to 255"):
        measure(p, torch.tensor([[0, 255]]))
    with pytest.raises(ValueError, match="bins: expected 1 or more, got 0"):
        reliability(p, torch.tensor([[0, 1]]), bins=0)
