"""A chapter's comparison on record: of all that is there, the terms that all methods share."""

from pathlib import Path
from typing import Any

import pytest

from medseg_lab.evaluation.protocol import named
from medseg_lab.record.add import add
from medseg_lab.record.comparison import NothingOnRecord, recorded, wanted
from medseg_lab.training.budget import Budget
from medseg_lab.training.runs import RunStore
from tests.record.record_runs import current_sources, finished, noisy

LONG = Budget(steps=600, voxels=100_000, patch=64)


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MEDSEG_RECORD", str(tmp_path / "record"))

    def put(method: str, dice: float, seeds: int = 5, **terms: Any) -> None:
        for seed in range(seeds):
            finished(tmp_path / "runs", method, seed, dice=noisy(dice, seed), **terms)
        add(RunStore(tmp_path / "runs"))

    return put


def test_the_largest_budget_counts_that_all_share_with_the_seeds_that_all_have(put: Any) -> None:
    for method, dice in (("U-Net", 0.8), ("FCN-8s", 0.7)):
        put(method, dice)
        put(method, dice - 0.3, spend=LONG, seeds=3 if method == "FCN-8s" else 5)
    put("U-Net", 0.1, spend=Budget(steps=9000, voxels=100_000, patch=64))
    found, basis = recorded(wanted(named(["U-Net", "FCN-8s"]), None, None), "circles")
    assert found.seeds == (0, 1, 2)
    assert found.table["mean"].tolist() == pytest.approx([0.5, 0.4], abs=0.02)
    assert {entry.record.budget.steps for entry in basis.entries} == {600}
    assert len(basis.entries) == 6


def test_what_differs_in_labels_is_compared_only_across_them(put: Any) -> None:
    put("Mean Teacher", 0.7, labelled=2, unlabelled=10, cohort="few", draw=0)
    put("Mean Teacher", 0.1, labelled=2, unlabelled=10, cohort="others", draw=1)
    put("U-Net", 0.8, labelled=20)
    sides = named([{"few": "Mean Teacher", "all": "U-Net"}])
    asked = wanted(sides, {"few": 2, "all": None}, usual=4)
    with pytest.raises(NothingOnRecord, match="never trained on the same terms"):
        recorded(asked, "circles")
    found, _ = recorded(asked, "circles", across_labels=True)
    assert found.table["mean"].tolist() == pytest.approx([0.7, 0.8], abs=0.02)  # the first draw
    found, basis = recorded(asked, "circles", across_labels=True, cohorts=["others"])
    assert found.table["mean"].tolist() == pytest.approx([0.1, 0.8], abs=0.02)
    assert basis.draws == [0, 1]


def test_the_usual_number_of_labels_is_the_lessons(put: Any) -> None:
    put("U-Net", 0.8, labelled=2, unlabelled=10)
    assert recorded(wanted(named(["U-Net"]), 0, usual=2), "circles")
    for labelled, usual in ((None, 2), (3, 2), (0, None)):
        with pytest.raises(NothingOnRecord, match="nothing of U-Net on circles"):
            recorded(wanted(named(["U-Net"]), labelled, usual), "circles")
    with pytest.raises(ValueError, match="expected some of U-Net, got 'V-Net'"):
        wanted(named(["U-Net"]), {"V-Net": 2}, None)


def test_what_is_not_on_record_is_left_out_and_said(put: Any) -> None:
    put("U-Net", 0.8)
    put("FCN-8s", 0.7)
    found, basis = recorded(wanted(named(["U-Net", "FCN-8s", "U-Net++"]), None, None), "circles")
    assert found.methods == ("U-Net", "FCN-8s")
    assert str(basis).endswith("; not on record: U-Net++")
    with pytest.raises(NothingOnRecord, match=r"nothing of U-Net\+\+ on circles"):
        recorded(wanted(named(["U-Net++", "U-Net", "FCN-8s"]), None, None), "circles", baseline="U-Net++")


def test_the_preferred_part_counts_else_the_test_part(put: Any) -> None:
    put("U-Net", 0.8, parts=("validation", "test"))
    asked = wanted(named(["U-Net"]), None, None)
    assert recorded(asked, "circles")[0].part == "test"
    assert recorded(asked, "circles", part="validation")[0].part == "validation"


def test_a_basis_says_what_when_where_and_which_code(put: Any) -> None:
    old = current_sources("U-Net") | {"medseg_lab/networks/unet.py": "0"}
    put("U-Net", 0.8, sources=old, started="2026-02-03T00:00:00+00:00")
    _, basis = recorded(wanted(named(["U-Net"]), None, None), "circles")
    said = str(basis)
    assert said.startswith("5 seeds, 300 steps, circles, 2026-02-03, a processor, a commit other than ")
    assert "recorded with earlier code: networks/unet.py" in said
