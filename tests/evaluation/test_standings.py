"""What may be compared, with which seeds, and why the rest may not."""

import numpy as np
import pytest

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.evaluation.standings import Standing, seeds_text, shared_by_all, shared_by_most, standings
from medseg_lab.training.budget import Budget
from tests.evaluation.stored import CPU, store_run

OWN = "Supervised(network=UNet(features=[8, 16]), spatial_dims=2)"


def seeds(root, **of) -> list[Standing]:
    """The standings of methods with these seeds; underscores stand for hyphens."""
    for name, numbers in of.items():
        for seed in numbers:
            store_run(root, name.replace("_", "-"), seed)
    return standings(read_ledger(root))


def only(found: list[Standing]) -> Standing:
    (one,) = found
    return one


def test_methods_on_the_same_terms_are_one_standing(tmp_path):
    found = only(seeds(tmp_path, U_Net=(0, 1), FCN_8s=(0, 1)))
    assert found.methods == ("FCN-8s", "U-Net")  # the order of the configurations
    assert (found.dataset, found.budget, found.part, found.labelled) == ("circles", "class", "validation", 4)
    assert (found.seeds, found.left_out, found.notes) == ((0, 1), (), ())
    assert found.describe() == (
        "circles, 4 labelled patients, validation part; "
        "budget class (300 steps of 100,000 voxels); seeds 0, 1"
    )


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "squares"},
        {"labelled": 8},
        {"split": "other"},
        {"cohort": "other training cases"},
        {"spend": "full"},
        {"spend": Budget(steps=300, voxels=100_000, patch=32)},
        {"spend": Budget(steps=300, voxels=90_000, patch=64)},
        {"tolerance": 2.0},
        {"parts": ("test",)},
    ],
)
def test_runs_on_other_terms_stand_apart(tmp_path, other):
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, "FCN-8s", **other)
    assert sorted(one.methods for one in standings(read_ledger(tmp_path))) == [("FCN-8s",), ("U-Net",)]


def test_the_name_of_a_budget_is_no_term(tmp_path):
    store_run(tmp_path, "U-Net", spend="class")
    store_run(tmp_path, "FCN-8s", spend=Budget(steps=300, voxels=100_000, patch=64, seeds=7))
    assert only(standings(read_ledger(tmp_path))).methods == ("FCN-8s", "U-Net")


def test_parts_are_apart_and_a_run_scored_on_both_stands_in_both(tmp_path):
    store_run(tmp_path, "U-Net", parts=("validation", "test"))
    store_run(tmp_path, "FCN-8s", parts=("test",))
    found = {one.part: one for one in standings(read_ledger(tmp_path))}
    assert found["test"].methods == ("FCN-8s", "U-Net")
    assert found["validation"].methods == ("U-Net",)
    assert found["test"].comparison().cases == ("test-0", "test-1", "test-2", "test-3")


def test_a_run_scored_again_on_more_parts_counts_once(tmp_path):
    store_run(tmp_path, "U-Net", dice=0.2, parts=("test",), started="2026-01-01")
    store_run(tmp_path, "U-Net", dice=0.7, parts=("validation", "test"), started="2026-03-01")
    found = {one.part: one for one in standings(read_ledger(tmp_path))}
    assert len(found["test"].ledger.runs) == 1
    assert found["test"].comparison().table["mean"].tolist() == pytest.approx([0.7])


def test_the_largest_budget_of_a_data_set_comes_first_then_the_most_labels(tmp_path):
    for dataset, spend, labelled in (
        ("b", "class", 4),
        ("b", "full", 4),
        ("a", "smoke", 4),
        ("b", "full", 9),
    ):
        store_run(tmp_path, dataset=dataset, spend=spend, labelled=labelled)
    found = [(one.dataset, one.budget, one.labelled) for one in standings(read_ledger(tmp_path))]
    assert found == [("a", "smoke", 4), ("b", "full", 9), ("b", "full", 4), ("b", "class", 4)]


def test_runs_without_a_judge_stand_nowhere(tmp_path):
    store_run(tmp_path, parts=None)
    assert standings(read_ledger(tmp_path)) == []


def test_who_lacks_a_seed_that_most_have_is_left_out_and_named(tmp_path):
    found = only(seeds(tmp_path, U_Net=(0, 1, 2), FCN_8s=(0, 1, 2), V_Net=(0, 1)))
    assert found.methods == ("FCN-8s", "U-Net")
    assert found.seeds == (0, 1, 2)
    assert found.left_out == ("V-Net: has seeds 0, 1, not seeds 0, 1, 2",)
    assert len(found.ledger.runs) == 6


def test_seeds_that_others_lack_are_not_used_and_that_is_said(tmp_path):
    found = only(seeds(tmp_path, U_Net=(0, 1), FCN_8s=(0, 1), V_Net=(0, 1, 2)))
    assert len(found.methods) == 3
    assert found.left_out == ("V-Net: without seed 2, which others lack",)
    assert sorted(found.ledger.runs["seed"]) == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        ([(0, 1), (0, 1), (0, 1, 2)], (0, 1)),  # what most have
        ([(0, 1, 2, 3, 4)] * 10 + [(0, 1)], (0, 1, 2, 3, 4)),
        ([(0, 1, 2, 3, 4)] * 2 + [(0, 1)] * 10, (0, 1)),  # two with more cost ten none
        ([(0, 1, 2), (1, 2, 3)], (1, 2)),  # nobody has just these
        ([(0,), (0,), (0,), (0, 1, 2, 3, 4), (0, 1, 2, 3, 4)], (0, 1, 2, 3, 4)),  # one seed tells nothing
        ([(0,)] * 5 + [(0, 1)] * 2, (0, 1)),
        ([(0,), (0,), (0, 1)], (0,)),  # two seeds of one method are no comparison
        ([(0, 1), (2, 3)], (0, 1)),  # a tie: the lower ones
        ([(5, 6), (0, 1, 2)], (0, 1, 2)),  # the more seeds
        ([(0, 1, 2), (0, 1, 2), (0, 1)], (0, 1, 2)),  # a tie of 2 x 3 and 3 x 2
        ([(0,), (0, 1, 2, 3, 4)], (0,)),
        ([(0, 1), (0, 1), (2, 3), (2, 3), (2, 3)], (2, 3)),
        ([(3,)], (3,)),
        ([(0, 1, 2), (0, 1, 3), (0, 2, 3)], (0, 1)),
    ],
)
def test_the_seeds_of_a_comparison(of, wanted):
    assert shared_by_most({str(number): has for number, has in enumerate(of)}) == wanted


def test_the_seeds_that_all_have():
    assert shared_by_all({"a": (0, 1, 2), "b": (1, 2), "c": (2, 1, 5)}) == (1, 2)
    assert shared_by_all({"a": (0,), "b": (1,)}) == ()


def test_seeds_in_words():
    assert [seeds_text(has) for has in ((4,), (0, 1), (0, 1, 2, 3), (0, 1, 2, 4), (2, 3, 4, 5))] == [
        "seed 4",
        "seeds 0, 1",
        "seeds 0 to 3",
        "seeds 0, 1, 2, 4",
        "seeds 2 to 5",
    ]


def test_a_run_with_fewer_results_than_the_others_is_left_out_and_named(tmp_path):
    for name in ("U-Net", "FCN-8s"):
        store_run(tmp_path, name)
    short = store_run(tmp_path, "V-Net", dice=[0.5, 0.5])
    found = only(standings(read_ledger(tmp_path)))
    assert found.methods == ("FCN-8s", "U-Net")
    assert found.left_out == (f"V-Net: run {short.folder.name} has 4 results, not 8",)
    assert found.comparison().methods == found.methods


def test_own_recipes_follow_the_configurations(tmp_path):
    store_run(tmp_path, OWN, started="2020-01-01")
    store_run(tmp_path, "U-Net")
    found = only(standings(read_ledger(tmp_path)))
    assert found.methods == ("U-Net", OWN)
    named = only(standings(read_ledger(tmp_path).named({"A mine": OWN})))
    assert named.methods == ("U-Net", "A mine")


def test_a_comparison_holds_the_values_of_each_method(tmp_path):
    values = {"U-Net": [0.1, 0.2, 0.3, 0.4], "FCN-8s": [0.5, 0.6, 0.7, 0.8]}
    for name, dice in values.items():
        for seed in (0, 1):
            store_run(tmp_path, name, seed, dice=np.add(dice, 0.01 * seed).tolist())
    found = only(standings(read_ledger(tmp_path)))
    compared = found.comparison()
    assert compared.baseline == "U-Net"  # though it is not the first
    for name, dice in values.items():
        np.testing.assert_allclose(compared.of(name), [dice, np.add(dice, 0.01)])
    assert found.comparison(methods=["FCN-8s"]).baseline == "FCN-8s"  # where there is no U-Net
    assert found.comparison(baseline="FCN-8s").differences["mean"].tolist() == pytest.approx([-0.4])
    with pytest.raises(ValueError, match="expected one of FCN-8s, U-Net, got 'V-Net'"):
        found.comparison(methods=["V-Net"])


def test_costs_are_means_over_the_seeds(tmp_path):
    for seed, seconds in ((0, 10.0), (1, 20.0)):
        store_run(tmp_path, "U-Net", seed, seconds=seconds, peak_memory_mb=100 * seconds)
    costs = only(standings(read_ledger(tmp_path))).costs()
    assert costs.loc["U-Net"].to_dict() == {"seconds": 15.0, "peak_memory_mb": 1500.0, "parameters": 1000.0}


def test_other_hardware_and_versions_are_stated(tmp_path):
    gpu = CPU.model_copy(update={"device": "cuda", "precision": "bf16-mixed"})
    threads = CPU.model_copy(update={"threads": 7, "name": "another"})
    store_run(tmp_path, "U-Net", 0, versions={"torch": "2.1", "numpy": "2.0"})
    store_run(tmp_path, "U-Net", 1, hardware=threads, versions={"torch": "2.1", "numpy": "2.0"})
    store_run(tmp_path, "FCN-8s", 0, hardware=gpu, versions={"torch": "2.1", "numpy": "2.0"})
    store_run(tmp_path, "FCN-8s", 1, versions={"torch": "2.2", "numpy": "2.0", "monai": "1.6"})
    hardware, versions = only(standings(read_ledger(tmp_path))).notes
    assert hardware.startswith("trained on different hardware: ")
    assert "cpu 32-true (3 runs)" in hardware
    assert "cuda bf16-mixed (1 run)" in hardware
    assert versions.startswith("trained with different versions of torch: ")
    assert "2.1 (3 runs)" in versions
    assert "2.2 (1 run)" in versions


def test_other_code_is_stated_where_both_runs_used_the_file(tmp_path):
    shared = {f"medseg_lab/{name}.py": "same" for name in "abcde"}
    store_run(tmp_path, "U-Net", sources={**shared, "medseg_lab/unet.py": "1"})
    store_run(tmp_path, "FCN-8s", sources={**shared, "medseg_lab/fcn.py": "2"})
    assert only(standings(read_ledger(tmp_path))).notes == ()
    changed = dict.fromkeys(shared, "other")
    store_run(tmp_path, "V-Net", sources={**shared, "medseg_lab/a.py": "other"})
    (note,) = only(standings(read_ledger(tmp_path))).notes
    assert note == "trained with different versions of this library's a.py"
    store_run(tmp_path, "3D U-Net", sources=changed)
    (note,) = only(standings(read_ledger(tmp_path))).notes
    assert note == "trained with different versions of this library's a.py, b.py, c.py and 2 more files"


def test_notes_speak_of_the_runs_that_count(tmp_path):
    for name in ("U-Net", "FCN-8s"):
        for seed in (0, 1):
            store_run(tmp_path, name, seed)
    store_run(tmp_path, "V-Net", 0, versions={"torch": "1.0"})
    assert only(standings(read_ledger(tmp_path))).notes == ()


def test_all_methods_are_asked_for_their_common_seeds(tmp_path):
    seeds(tmp_path, U_Net=(0, 1, 2), FCN_8s=(0, 1, 2), V_Net=(2, 3))
    found = only(standings(read_ledger(tmp_path), all_methods=True))
    assert (found.seeds, len(found.methods)) == ((2,), 3)
    store_run(tmp_path, "3D U-Net", 7)
    assert standings(read_ledger(tmp_path), all_methods=True) == []
