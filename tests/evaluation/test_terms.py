"""Methods are compared on the one set of terms that they share; else the reason is given."""

import numpy as np
import pytest

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.evaluation.terms import compare_methods
from medseg_lab.training.budget import Budget
from tests.evaluation.stored import store_run


def refusal(root, methods=("U-Net", "V-Net"), **filters) -> str:
    """Why the methods cannot be compared."""
    with pytest.raises(ValueError, match=r".") as found:
        compare_methods(read_ledger(root), list(methods), **filters)
    return str(found.value)


def test_methods_with_one_set_of_terms_are_compared(tmp_path):
    for name, dice in (("U-Net", 0.6), ("V-Net", 0.7), ("FCN-8s", 0.1)):
        for seed in (0, 1):
            store_run(tmp_path, name, seed, dice=dice)
    found = compare_methods(read_ledger(tmp_path), ["V-Net", "U-Net"])
    assert found.methods == ("V-Net", "U-Net")
    assert found.baseline == "V-Net"
    assert found.seeds == (0, 1)
    assert found.differences["mean"].tolist() == pytest.approx([-0.1])
    assert (
        compare_methods(read_ledger(tmp_path), ["V-Net", "U-Net"], "iou", baseline="U-Net").baseline
        == "U-Net"
    )
    assert compare_methods(read_ledger(tmp_path), ["V-Net", "V-Net"]).methods == ("V-Net",)


def test_methods_are_compared_with_the_seeds_that_all_have(tmp_path):
    for name, seeds in (("U-Net", (0, 1, 2)), ("V-Net", (0, 1, 2)), ("FCN-8s", (2, 3))):
        for seed in seeds:
            store_run(tmp_path, name, seed, dice=0.5 + 0.1 * seed)
    found = compare_methods(read_ledger(tmp_path), ["U-Net", "V-Net", "FCN-8s"])
    assert found.seeds == (2,)
    np.testing.assert_allclose(found.of("FCN-8s"), 0.7)
    assert compare_methods(read_ledger(tmp_path), ["U-Net", "V-Net"]).seeds == (0, 1, 2)


TINY = {"steps": 1, "voxels": 1000, "patch": 1}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"dataset": "circles"}, {"dataset": "squares"}, "data set (circles and squares)"),
        ({"labelled": 4}, {"labelled": 1}, "labelled patients (4 and 1)"),
        ({"split": "a" * 64}, {"split": "b" * 64}, "split or preprocessing (aaaaaaaa and bbbbbbbb)"),
        ({"cohort": "a" * 64}, {"cohort": "b" * 64}, "training cases (aaaaaaaa and bbbbbbbb)"),
        ({"spend": "class"}, {"spend": Budget(steps=20, voxels=100_000, patch=64)}, "steps (300 and 20)"),
        (
            {"spend": Budget(**TINY)},
            {"spend": Budget(**TINY | {"voxels": 9, "patch": 9})},
            "voxels a step (1,000 and 9) and patch (1 and 9)",
        ),
        ({"parts": ("validation",)}, {"parts": ("test",)}, "part (validation and test)"),
        ({}, {"tolerance": 2.0}, "judge (Judge() and Judge(tolerance=2.0))"),
        (
            {"labelled": 4, "spend": "class", "split": "a"},
            {"labelled": 8, "spend": "full", "split": "b", "tolerance": 3.0},
            "labelled patients (4 and 8), split or preprocessing (a-circle and b-circle), steps (300 and "
            "20,000), voxels a step (100,000 and 1,048,576), patch (64 and 96) and judge (Judge() and "
            "Judge(tolerance=3.0))",
        ),
    ],
)
def test_other_terms_are_refused_and_all_that_differs_is_named(tmp_path, first, second, reason):
    store_run(tmp_path, "U-Net", **first)
    store_run(tmp_path, "V-Net", **second)
    assert refusal(tmp_path) == f"U-Net and V-Net cannot be compared: they differ in {reason}"


def test_no_common_seed_is_refused(tmp_path):
    for seed in (0, 1):
        store_run(tmp_path, "U-Net", seed)
    store_run(tmp_path, "V-Net", 5)
    assert refusal(tmp_path).endswith("they share no seed: U-Net has seeds 0, 1, V-Net has seed 5")


def test_results_for_other_cases_are_refused(tmp_path):
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, "V-Net", dice=[0.5, 0.5])
    assert refusal(tmp_path).endswith("one has results for more cases or classes than the other")


def test_the_reason_is_the_one_on_the_nearest_terms(tmp_path):
    store_run(tmp_path, "U-Net", dataset="circles", spend="class")
    store_run(tmp_path, "U-Net", dataset="squares", spend="smoke", tolerance=2.0)
    store_run(tmp_path, "V-Net", dataset="circles", spend="full")
    said = refusal(tmp_path)
    assert "differ in steps (300 and" in said
    assert "squares" not in said


def test_the_same_data_is_nearer_than_all_else(tmp_path):
    store_run(tmp_path, "U-Net", dataset="circles")
    store_run(tmp_path, "V-Net", dataset="squares")
    store_run(tmp_path, "V-Net", dataset="circles", spend="full", tolerance=2.0, parts=("test",))
    said = refusal(tmp_path)
    assert "steps (300 and" in said
    assert "squares" not in said


def test_the_pair_that_differs_is_named(tmp_path):
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, "FCN-8s")
    store_run(tmp_path, "V-Net", spend="full")
    said = refusal(tmp_path, ("U-Net", "FCN-8s", "V-Net"))
    assert said.startswith("U-Net, FCN-8s and V-Net cannot be compared: they differ in steps (300")


def test_methods_that_share_terms_two_by_two_only_are_refused(tmp_path):
    for dataset, pair in (("a", "U-Net V-Net"), ("b", "V-Net FCN-8s"), ("c", "FCN-8s U-Net")):
        for name in pair.split():
            store_run(tmp_path, name, dataset=dataset)
    said = refusal(tmp_path, ("U-Net", "V-Net", "FCN-8s"))
    assert (
        "each two of them share terms, but not all together: U-Net and V-Net on a, 4, class, validation; "
        in said
    )


def test_several_terms_are_refused_with_the_filters_that_choose(tmp_path):
    for name in ("U-Net", "V-Net"):
        store_run(tmp_path, name, dataset="circles", parts=("validation", "test"))
        store_run(tmp_path, name, dataset="squares")
    said = refusal(tmp_path)
    assert said == (
        "U-Net and V-Net: expected one comparison, got 3: dataset circles, part test; or "
        "dataset circles, part validation; or dataset squares, part validation. Choose by dataset and part"
    )
    found = compare_methods(read_ledger(tmp_path), ["U-Net", "V-Net"], dataset="circles", part="test")
    assert found.part == "test"
    assert compare_methods(read_ledger(tmp_path), ["U-Net", "V-Net"], dataset="squares").part == "validation"


def test_terms_that_no_filter_tells_apart_are_chosen_by_their_columns(tmp_path):
    for split in ("a", "b"):
        for name in ("U-Net", "V-Net"):
            store_run(tmp_path, name, cohort=split * 64)
    said = refusal(tmp_path)
    assert "cohort aaaaaaaa; or cohort bbbbbbbb. Choose by cohort" in said
    found = compare_methods(read_ledger(tmp_path).where(cohort="bbbbbbbb"), ["U-Net", "V-Net"])
    assert found.methods == ("U-Net", "V-Net")


def test_filters_and_columns_are_named_together_where_both_are_needed(tmp_path):
    for dataset, cohort in (("circles", "a"), ("circles", "b"), ("squares", "c")):
        for name in ("U-Net", "V-Net"):
            store_run(tmp_path, name, dataset=dataset, cohort=cohort * 64)
    assert refusal(tmp_path).endswith("dataset squares, cohort cccccccc. Choose by dataset and cohort")


def test_budgets_of_one_name_are_told_apart_by_their_numbers(tmp_path):
    for steps in (5, 6):
        for name in ("U-Net", "V-Net"):
            store_run(tmp_path, name, spend=Budget(steps=steps, voxels=10, patch=4))
    assert "steps 6; or steps 5. Choose by steps" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"dataset": "squares"}, "V-Net: no runs with dataset squares; there are runs with dataset circles"),
        (
            {"budget": "full"},
            "V-Net: no runs with budget full; there are runs with dataset circles, budget class",
        ),
        (
            {"labelled": 9},
            "V-Net: no runs with labelled 9; there are runs with dataset circles, budget class, labelled 4",
        ),
        ({"part": "test"}, "part: V-Net was scored on validation, not on test"),
    ],
)
def test_filters_that_leave_a_method_without_runs_are_refused(tmp_path, filters, wanted):
    store_run(tmp_path, "U-Net", dataset="squares", spend="full", labelled=9, parts=("test",))
    store_run(tmp_path, "V-Net")
    assert refusal(tmp_path, ("V-Net",), **filters).startswith(wanted)


def test_a_method_without_runs_or_without_a_judge_is_refused(tmp_path):
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, "V-Net", parts=None)
    assert "got 'FCN-8s', which has no runs here" in refusal(tmp_path, ("U-Net", "FCN-8s"))
    assert refusal(tmp_path) == "V-Net: its runs were trained without a judge, so they were not scored"
    assert "methods: expected at least one, got none" in refusal(tmp_path, ())


def test_a_baseline_outside_the_methods_is_refused(tmp_path):
    for name in ("U-Net", "V-Net", "FCN-8s"):
        store_run(tmp_path, name)
    assert "baseline: expected one of U-Net, V-Net, got 'FCN-8s'" in refusal(tmp_path, baseline="FCN-8s")


def test_a_metric_that_was_not_measured_is_refused(tmp_path):
    for name in ("U-Net", "V-Net"):
        store_run(tmp_path, name)
    assert "assd: not measured" in refusal(tmp_path, metric="assd")
    assert "metric: expected one of dice" in refusal(tmp_path, metric="beauty")
