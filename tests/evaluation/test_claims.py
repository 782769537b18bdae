"""What a ledger says of claims."""

import math

import pytest

from medseg_lab.evaluation.claims import claims_table, judged
from medseg_lab.survey.claims import Acts, Claim, claims
from tests.evaluation.claim_runs import ledger, runs

CLAIM = Claim(id="c", section="2.1.1", statement="A beats B.", better="A", worse="B", margin=0.01)
TWIN = CLAIM.model_copy(update={"id": "d"})
SMOKE = {"budget": "smoke", "steps": 3, "voxels": 24**3}
ACDC = {"dataset": "acdc", "held_out": "acdc", "cohort": "acdc"}


def only(claim, *groups):
    (found,) = judged(ledger(*groups), [claim])
    return found


def test_a_lead_on_one_data_set_is_its_verdict():
    found = only(CLAIM, runs("A", 0.05), runs("B"))
    assert found.verdict is found.by_data[0]
    assert found.verdict.state == "supported"
    assert found.verdict.evidence.value == pytest.approx(0.05, abs=0.001)
    assert (found.verdict.evidence.seeds, found.verdict.evidence.cases) == (3, 10)


def test_without_runs_the_survey_stands_untested():
    found = judged(ledger())
    assert [one.claim for one in found] == list(claims())
    assert {one.verdict.state for one in found if not one.claim.identity} == {"not run"}
    reasons = ("There are no runs of", "Exact: ")
    assert all(one.verdict.reason.startswith(reasons) for one in found)


def test_an_identity_needs_no_runs():
    exact = Claim(id="c", section="2.3.2", statement="A is B.", identity="tests/a.py::test_b")
    found = only(exact)
    assert (found.verdict.state, found.by_data) == ("supported", ())
    assert found.verdict.sentence == "Supported: Exact: proved by tests/a.py::test_b."
    assert claims_table([found])["better"].tolist() == [""]


def test_a_measure_that_nothing_takes_is_named():
    claim = CLAIM.model_copy(update={"metric": "ged", "direction": "lower"})
    reason = "Nothing here measures squared energy distance to the raters yet."
    assert only(claim, runs("A"), runs("B")).verdict.reason == reason


def test_a_distance_that_was_not_measured_is_no_evidence():
    claim = CLAIM.model_copy(update={"metric": "hd95", "direction": "lower"})
    found = only(claim, runs("A", metric="hd95"), runs("B", metric="dice"))
    assert found.verdict.state == "not run"
    assert found.verdict.reason == "Nothing here measures the HD95 (mm) of B."


def test_a_shorter_distance_is_a_lead():
    claim = CLAIM.model_copy(update={"metric": "hd95", "direction": "lower"})
    assert only(claim, runs("A", -0.05, metric="hd95"), runs("B", metric="hd95")).verdict.state == "supported"


def test_only_the_part_that_decides_is_read():
    both = ("validation", "test")
    store = ledger(runs("A", 0.05, parts=both), runs("B", parts=both))
    off = (store.cases["part"] == "validation") & store.cases["run"].isin(store.runs.index[:2])
    store.cases.loc[off, "dice"] = 0.0
    (found,) = judged(store, [CLAIM])
    assert found.verdict.evidence.terms.part == "test"
    assert found.verdict.evidence.value == pytest.approx(0.05, abs=0.001)


def test_what_runs_cost_is_compared_without_cases():
    claim = CLAIM.model_copy(update={"metric": "parameters", "direction": "lower", "margin": 0.25})
    found = only(claim, runs("A", parameters=700, parts=()), runs("B", parameters=1000, parts=()))
    assert found.verdict.state == "supported"
    assert found.verdict.evidence.value == pytest.approx(0.3)
    assert only(claim, runs("A", parameters=800), runs("B", parameters=1000)).verdict.state == "not supported"


def test_data_sets_that_agree_give_one_verdict():
    found = only(
        CLAIM, *(runs(name, lead, **on) for name, lead in (("A", 0.05), ("B", 0)) for on in ({}, ACDC))
    )
    assert [one.state for one in found.by_data] == ["supported", "supported"]
    assert (found.verdict.state, found.verdict.reason) == ("supported", "So on acdc and virtual-brain.")


def test_data_sets_that_differ_give_none():
    found = only(CLAIM, runs("A", 0.05), runs("B"), runs("A", -0.05, **ACDC), runs("B", **ACDC))
    assert found.verdict.state == "inconclusive"
    assert found.verdict.reason == "Not supported on acdc; supported on virtual-brain."


def test_smoke_beside_a_real_budget_does_not_count():
    found = only(
        CLAIM, runs("A", 0.05), runs("B"), runs("A", -0.05, **SMOKE | ACDC), runs("B", **SMOKE | ACDC)
    )
    assert [one.state for one in found.by_data] == ["inconclusive", "supported"]
    assert found.verdict is found.by_data[1]


def test_smoke_alone_tests_nothing():
    found = only(CLAIM, runs("A", 0.3, **SMOKE), runs("B", **SMOKE))
    assert found.verdict.state == "inconclusive"
    assert found.verdict.reason == "Smoke budget (3 steps): proves that it runs, tests nothing."


NEAR = {"spread": 0.01}
"""So much noise that p is no rounding error of 0."""


def test_claims_of_a_section_on_one_data_set_are_corrected_together():
    store = ledger(runs("A", 0.02, **NEAR), runs("B", **NEAR))
    (alone,) = judged(store, [CLAIM])
    first, second = judged(store, [CLAIM, TWIN])
    assert 1e-6 < alone.verdict.p < 0.05
    assert first.verdict.p == second.verdict.p == pytest.approx(2 * alone.verdict.p)


@pytest.mark.parametrize(
    "other",
    [
        {"section": "2.1.2"},  # another section
        {"data": ("acdc",)},  # another data set
        {"metric": "parameters", "direction": "lower"},  # nothing is tested
        {"kind": "non-inferior"},  # no p decides it
        {"kind": "equivalent"},
        {"acts": Acts(noted="kept", below=0.95)},  # nothing was tested
    ],
)
def test_other_claims_do_not_weaken_a_p(other):
    both = [runs(name, lead, **on, **NEAR) for name, lead in (("A", 0.02), ("B", 0)) for on in ({}, ACDC)]
    plain, store = CLAIM.model_copy(update={"data": ("virtual-brain",)}), ledger(*both)
    (alone,) = judged(store, [plain])
    first, second = judged(store, [plain, TWIN.model_copy(update=other)])
    assert first.verdict.p == alone.verdict.p
    assert "kind" not in other or all(math.isnan(one.p) for one in second.by_data)


def test_what_tests_nothing_does_not_weaken_a_p():
    groups = [runs("A", 0.02, **NEAR), runs("B", **NEAR), runs("C", 0.05, **SMOKE), runs("B", **SMOKE)]
    smoke, store = Claim(**(TWIN.model_dump() | {"better": "C"})), ledger(*groups)
    first, second = judged(store, [CLAIM, smoke])
    assert second.by_data[0].evidence.terms.proves_nothing
    assert first.verdict.p == judged(store, [CLAIM])[0].verdict.p


FEW = {"cohort": "few", "labelled": 4, "unlabelled": 16}
PART = {"labelled": "part"}
GAPPED = Claim(
    **CLAIM.model_dump()
    | {"better": {"method": "A", **PART}, "worse": {"method": "B", **PART}}
    | {"gap": {"method": "B", "labelled": "all"}}
)


@pytest.mark.parametrize(
    ("width", "state"), [(0.08, "supported"), (0.02, "not tested"), (None, "not tested")]
)
def test_a_claim_needs_the_gap_that_a_method_could_close(width, state):
    top = [] if width is None else runs("B", width)
    found = only(GAPPED, runs("A", 0.05, **FEW), runs("B", **FEW), top)
    assert found.verdict.state == state
    if width:
        assert found.verdict.evidence.gap.value == pytest.approx(width, abs=0.001)


def test_the_gap_is_that_on_the_same_terms():
    """A ceiling under a larger budget is no ceiling of this comparison."""
    found = only(GAPPED, runs("A", 0.05, **FEW), runs("B", **FEW), runs("B", 0.3, steps=900))
    assert found.verdict.evidence.gap is None
    longer = runs("B", 0.3, steps=900), runs("B", 0.2, steps=900, **FEW)
    found = only(GAPPED, runs("A", 0.05, **FEW), runs("B", **FEW), runs("B", 0.08), *longer)
    assert found.verdict.evidence.gap.value == pytest.approx(0.08, abs=0.001)


def test_what_a_run_noted_of_its_idea_is_read_of_the_better_side():
    noted = CLAIM.model_copy(update={"acts": Acts(noted="kept", below=0.95)})
    for kept, state in ((0.4, "supported"), (0.99, "not tested")):
        found = only(noted, runs("A", 0.05, activity={"kept": kept}), runs("B", activity={"kept": 0.5}))
        assert (found.verdict.state, found.verdict.evidence.activity) == (state, pytest.approx(kept))
    assert only(noted, runs("A", 0.05), runs("B")).verdict.state == "not tested"


BEST = Claim(**CLAIM.model_dump() | {"worse": {"best": ["B", "C", "D"]}})


def test_the_best_of_several_stands_for_its_side_and_is_named():
    found = only(
        BEST, runs("A", 0.05), runs("B"), runs("C", 0.02), runs("A", 0.04, **ACDC), runs("B", **ACDC)
    )
    acdc, brain = found.by_data
    assert (acdc.claim.worse.method, brain.claim.worse.method) == ("B", "C")
    assert brain.evidence.value == pytest.approx(0.03, abs=0.001)
    assert "C is the best of 2." in brain.detail
    assert "the best of" not in acdc.detail
    assert found.claim.worse == BEST.worse


def test_the_best_of_several_is_known_where_all_were_compared():
    two = (runs("A", 0.05), runs("B"), runs("C", 0.02))
    missing = only(BEST, *two).verdict
    assert missing.state == "inconclusive"
    assert missing.reason.endswith("Only 2 of 3 methods were compared on these terms.")
    assert only(BEST, *two, runs("D", 0.01)).verdict.state == "supported"


def test_the_first_draw_of_labelled_patients_decides():
    other = {"draw": 1, "cohort": "another"}
    store = runs("A", -0.1), runs("B"), runs("A", 0.1, **other), runs("B", **other)
    assert only(CLAIM, *store).verdict.evidence.value == pytest.approx(-0.1, abs=0.01)


EXISTS = Claim(**CLAIM.model_dump() | {"worse": {"any": ["B", "C"]}, "kind": "exists"})


def test_one_of_several_is_enough_for_a_claim_that_something_exists():
    found = only(EXISTS, runs("A"), runs("B", 0.05), runs("C", -0.05))
    assert [one.state for one in found.by_data] == ["not supported", "supported"]
    assert (found.verdict.state, found.verdict.reason) == (
        "supported",
        "So for A against C on virtual-brain.",
    )
    assert only(EXISTS, runs("A"), runs("B", 0.05), runs("C", 0.05)).verdict.state == "not supported"


def test_a_claim_that_something_exists_is_corrected_over_all_that_could_show_it():
    store = ledger(*(runs(name, lead, **NEAR) for name, lead in (("A", 0.02), ("B", 0), ("C", 0.02))))
    (alone,) = judged(store, [CLAIM])
    (found,) = judged(store, [EXISTS])
    assert found.by_data[0].p == pytest.approx(2 * alone.verdict.p)


FIVE = {"cases": 5, "dataset": "chase-db1", "held_out": "chase", "cohort": "chase"}


def test_a_data_set_with_too_few_patients_does_not_vote():
    found = only(CLAIM, runs("A", 0.05), runs("B"), runs("A", -0.05, **FIVE), runs("B", **FIVE))
    assert [one.state for one in found.by_data] == ["inconclusive", "supported"]
    assert found.verdict is found.by_data[1]


def test_the_table_has_a_row_a_claim_and_data_set():
    groups = [runs("A", 0.05), runs("B"), runs("A", -0.05, **ACDC), runs("B", **ACDC)]
    absent = Claim(**(TWIN.model_dump() | {"worse": "C"}))
    table = claims_table(judged(ledger(*groups), [CLAIM, absent]))
    assert list(table["id"]) == ["c", "c", "d"]
    assert list(table["dataset"][:2]) == ["acdc", "virtual-brain"]
    assert list(table["state"]) == ["not supported", "supported", "not run"]
    assert list(table["overall"]) == ["inconclusive", "inconclusive", "not run"]
    assert table["effect"][0] == pytest.approx(-0.05, abs=0.001)
    assert table["labelled_better"][1] == 20
    assert math.isnan(table["effect"][2])
    assert table["reason"][2] == "There are no runs of C."
