from itertools import permutations

import pytest
import torch
from measure_toys import source
from sklearn.metrics import roc_auc_score

from medseg_lab.uncertainty.measures.error_detection import error_auroc, error_retention, oracle


def drawn(shape, seed=0, levels=None, share=0.3):
    """An uncertainty somewhat higher where the prediction is wrong; with few levels, voxels tie."""
    wrong = torch.rand(shape, generator=source(seed)) < share
    uncertainty = torch.rand(shape, generator=source(seed + 1)) + 0.4 * wrong
    return (uncertainty if levels is None else (uncertainty * levels).floor()), wrong


def tensors(uncertainty, wrong):
    return torch.tensor(uncertainty), torch.tensor(wrong).bool()


def test_the_auroc_by_hand():
    # Pairs of a wrong and a right voxel: 3 > 1, 3 > 2, 2 > 1, and 2 = 2 counts half.
    assert error_auroc(*tensors([3.0, 2.0, 1.0, 2.0], [1, 1, 0, 0])) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize(("levels", "share"), [(None, 0.02), (2, 0.5), (5, 0.97)])
def test_the_auroc_is_that_of_scikit_learn(levels, share):
    uncertainty, wrong = drawn((20, 30), 4, levels, share)
    expected = roc_auc_score(wrong.flatten(), uncertainty.flatten())
    assert error_auroc(uncertainty, wrong) == pytest.approx(expected, abs=1e-12)
    assert error_auroc(uncertainty**3 * 7 - 2, wrong) == error_auroc(uncertainty, wrong)  # order alone


def test_the_best_the_worst_and_a_constant_uncertainty():
    wrong = torch.tensor([True, False, False, True, False])
    assert error_auroc(wrong.float(), wrong) == 1
    assert error_auroc(-wrong.float(), wrong) == 0
    constant = torch.full((5,), 0.3)
    assert error_auroc(constant, wrong) == 0.5
    torch.testing.assert_close(
        error_retention(constant, wrong).error, torch.full((101,), 0.4, dtype=torch.float64)
    )


def test_where_nothing_or_all_is_wrong_values_are_defined():
    uncertainty, nothing = torch.arange(4.0), torch.zeros(4, dtype=torch.bool)
    assert error_auroc(uncertainty, nothing) == 1
    assert error_auroc(uncertainty, ~nothing) == 0.5
    assert error_retention(uncertainty, nothing).area == 0
    assert error_retention(uncertainty, ~nothing).area == pytest.approx(1)


def test_the_curve_by_hand():
    # The most uncertain voxel of four is wrong, and the most certain: from 4 kept to 1, errors 2, 1, 1, 1.
    found = error_retention(*tensors([0.1, 0.2, 0.3, 0.4], [1, 0, 0, 1]), points=5)
    assert found.kept.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.error.tolist() == pytest.approx([1, 1, 1 / 2, 1 / 3, 2 / 4])
    assert found.area == pytest.approx((1 / 2 + 1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_between_whole_voxels_a_fraction_is_kept():
    # 1.5 of 3 voxels: one that is right, half of one that is wrong
    found = error_retention(*tensors([0.1, 0.2, 0.3], [0, 1, 0]), points=3)
    assert found.error.tolist() == pytest.approx([0, 0.5 / 1.5, 1 / 3])


@pytest.mark.parametrize("levels", [None, 3])
def test_the_curve_is_the_mean_over_orders_of_the_error_among_those_kept(levels):
    uncertainty, wrong = drawn((7,), 6, levels)
    orders = [torch.tensor(order) for order in permutations(range(7))]
    allowed = [order for order in orders if (uncertainty[order].diff() >= 0).all()]
    assert (len(allowed) > 1) == (levels is not None)
    rates = torch.stack(
        [wrong[order].cumsum(0) / torch.arange(1, 8, dtype=torch.float64) for order in allowed]
    )
    found = error_retention(uncertainty, wrong, points=8)
    torch.testing.assert_close(found.error[1:], rates.mean(dim=0))


def test_no_curve_is_below_the_oracle_or_above_its_opposite():
    for seed in range(3):
        uncertainty, wrong = drawn((70,), seed, 4)
        found, best, worst = (
            error_retention(each, wrong) for each in (uncertainty, wrong.float(), -wrong.float())
        )
        assert (best.error <= found.error + 1e-12).all()
        assert (found.error <= worst.error + 1e-12).all()
        assert oracle(wrong).area == best.area < found.area < worst.area
        assert found.error[-1] == pytest.approx(wrong.double().mean().item())


def test_the_oracle_by_hand_and_its_area_in_closed_form():
    found = oracle(torch.arange(10) < 3, points=11)
    assert found.error.tolist() == pytest.approx([0] * 8 + [1 / 8, 2 / 9, 3 / 10])
    # r + (1 - r) ln(1 - r), the integral of (k - (1 - r)) / k from 1 - r to 1
    wrong = torch.arange(1000) < 200
    assert oracle(wrong, 2001).area == pytest.approx(0.2 + 0.8 * torch.tensor(0.8).log().item(), abs=1e-6)


def test_the_order_of_voxels_does_not_matter():
    uncertainty, wrong = drawn((6, 20), 1, 5)
    voxels = torch.randperm(120)
    mixed = uncertainty.flatten()[voxels], wrong.flatten()[voxels]
    assert error_auroc(*mixed) == error_auroc(uncertainty, wrong)
    assert torch.equal(error_retention(*mixed).error, error_retention(uncertainty, wrong).error)


@pytest.mark.parametrize("measure", [error_auroc, error_retention])
def test_wrong_arguments_are_named(measure):
    uncertainty, wrong = drawn((4, 5))
    with pytest.raises(ValueError, match=r"expected one non-empty shape, got \(4, 5\) and \(20,\)"):
        measure(uncertainty, wrong.flatten())
    with pytest.raises(ValueError, match=r"expected one non-empty shape, got \(0, 5\)"):
        measure(uncertainty[:0], wrong[:0])
    with pytest.raises(ValueError, match=r"wrong: expected bool, got torch\.int64"):
        measure(uncertainty, wrong.long())
    with pytest.raises(ValueError, match="uncertainty: expected numbers, got nan"):
        measure(torch.full((4, 5), float("nan")), wrong)


def test_fewer_than_two_points_are_refused():
    with pytest.raises(ValueError, match="points: expected 2 or more, got 1"):
        error_retention(*drawn((5,)), points=1)
