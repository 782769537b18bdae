"""Which runs stand for a claim's sides, and why none do."""

import pytest

from medseg_lab.evaluation.pairing import NothingToPairError, pairings
from medseg_lab.survey.claims import Claim
from tests.evaluation.claim_runs import ledger, runs

CLAIM = Claim(id="c", section="2.1.1", statement="A beats B.", better="A", worse="B", margin=0.01)
COST = CLAIM.model_copy(update={"metric": "seconds", "direction": "lower"})
EXACT = CLAIM.model_copy(update={"metric": "parameters", "direction": "lower"})
FEW = {"cohort": "few", "labelled": 4, "unlabelled": 16}
FEWER = {"cohort": "fewer", "labelled": 2, "unlabelled": 18}
LONG = {"budget": "full", "steps": 20_000}
SMOKE = {"budget": "smoke", "steps": 3, "voxels": 24**3}
ACDC = {"dataset": "acdc", "held_out": "acdc", "cohort": "acdc"}


def side(method, labelled):
    return {"method": method, "labelled": labelled}


def claim(**changes):
    return Claim(**(CLAIM.model_dump() | changes))


def both(**terms):
    return [*runs("A", **terms), *runs("B", **terms)]


def only(claim, *groups):
    (found,) = pairings(ledger(*groups), claim)
    return found


def test_runs_are_paired_by_seed():
    found = only(CLAIM, runs("A", seeds=(2, 0, 1)), runs("B", seeds=(1, 2, 5)))
    assert list(found.runs["seed"]) == [1, 2]
    # the ledger numbers its runs: A's seeds 2, 0, 1 are 0, 1, 2; B's seeds 1, 2, 5 are 3, 4, 5
    assert [int(run, 16) for run in found.runs["run"]] == [2, 0]
    assert [int(run, 16) for run in found.runs["run_worse"]] == [3, 4]


def test_only_runs_count_that_measured_what_the_claim_is_about():
    """A larger budget would come first, but its judge did not look at samples."""
    ged = claim(metric="ged", direction="lower")
    sampled = [both(metric="ged", judge="SampleJudge()"), both(**LONG)]
    found = only(ged, *sampled)
    assert (found.terms.budget, set(found.runs["judge"])) == ("class", {"SampleJudge()"})
    assert only(CLAIM, *sampled).terms.budget == "full"


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (ACDC, "data set"),
        ({"held_out": "other", "cohort": "other"}, "split and preprocessing"),
        (FEW, "labelled patients"),
        ({"steps": 301}, "budget"),
        ({"voxels": 1}, "budget"),
        ({"patch": 32}, "budget"),
        ({"judge": "Judge(tolerance=2)"}, "judge"),
        ({"parts": ("test",)}, "part"),
        ({"seeds": (7, 8)}, "seed"),
    ],
)
def test_runs_that_differ_in_their_terms_are_not_paired_and_the_reason_is_named(other, what):
    with pytest.raises(NothingToPairError, match=f"none with the same {what}"):
        pairings(ledger(runs("A"), runs("B", **other)), CLAIM)


@pytest.mark.parametrize("other", [{"judge": "other"}, {"parts": ("test",)}, {"parts": ()}])
def test_how_cases_were_scored_is_nothing_to_a_measure_of_runs(other):
    assert len(only(COST, runs("A"), runs("B", **other)).runs) == 3


def test_times_on_different_devices_are_not_paired_but_counts_are():
    mixed = ledger(runs("A"), runs("B", device="cuda"))
    with pytest.raises(NothingToPairError, match="none with the same device"):
        pairings(mixed, COST)
    assert len(pairings(mixed, EXACT)) == 1


def test_sides_without_runs_are_named():
    with pytest.raises(NothingToPairError, match=r"There are no runs of B\."):
        pairings(ledger(runs("A")), CLAIM)
    with pytest.raises(NothingToPairError, match=r"There are no runs of A or of B\."):
        pairings(ledger(), CLAIM)
    with pytest.raises(NothingToPairError, match=r"There are no runs of A or of B on lidc-4rater\."):
        pairings(ledger(both()), claim(data=("lidc-4rater",)))
    with pytest.raises(NothingToPairError, match=r"The runs of B were not scored\."):
        pairings(ledger(runs("A"), runs("B", parts=())), CLAIM)


def test_a_claim_about_volumes_is_not_decided_by_images():
    volumes = claim(dims=3)
    assert only(volumes, both()).terms.dataset == "virtual-brain"
    with pytest.raises(NothingToPairError, match=r"no runs of A or of B on 3D data\."):
        pairings(ledger(both(dims=2)), volumes)


def test_only_the_claims_data_sets_count():
    found = only(claim(data=("acdc",)), both(), both(**ACDC))
    assert found.terms.dataset == "acdc"


def test_each_data_set_is_a_pairing_of_its_own():
    found = pairings(ledger(both(), both(**ACDC)), CLAIM)
    assert [one.terms.dataset for one in found] == ["acdc", "virtual-brain"]


@pytest.mark.parametrize(
    ("chosen", "other"),
    [
        (LONG, {}),  # the largest budget
        ({"parts": ("test",)}, {}),  # the test part
        ({}, FEW),  # the most labels
        ({}, SMOKE),
        (LONG, {"parts": ("test",)}),  # the budget before the part
        ({"seeds": (0, 1)}, LONG | {"seeds": (0,)}),  # one seed tells nothing
        ({"seeds": (0, 1, 2)}, LONG | {"seeds": (0, 1)}),  # two support nothing
        (LONG, {"seeds": range(5)}),  # three do
        ({"seeds": (0,)}, SMOKE),  # smoke tells less
    ],
)
def test_of_several_terms_the_most_telling_decide(chosen, other):
    for order in ((chosen, other), (other, chosen)):
        found = only(CLAIM, *(both(**terms) for terms in order)).terms
        alone = only(CLAIM, both(**chosen)).terms
        assert found == alone


def test_a_count_is_told_by_one_seed_of_the_largest_budget():
    found = only(EXACT, both(seeds=(0, 1)), both(seeds=(0,), **LONG))
    assert found.terms.budget == "full"


def test_the_newest_of_equal_runs_counts():
    later = {"started": "2026-02-02T00:00:00+00:00", "device": "cuda"}
    found = only(CLAIM, runs("A", **later), runs("A"), runs("B"))
    assert set(found.runs["device"]) == {"cuda"}
    assert len(found.runs) == 3


def test_a_part_labelled_is_the_fewest_labels_beside_unlabelled_cases():
    few = claim(better=side("A", "part"), worse=side("B", "part"))
    found = only(few, both(), both(**FEW), both(**FEWER))
    assert found.terms.labelled == (2, 2)
    with pytest.raises(NothingToPairError, match=r"There are no runs of A \(some patients labelled\)"):
        pairings(ledger(both()), few)


def test_a_number_of_labels_is_taken_at_its_word():
    four = claim(better=side("A", 4), worse=side("B", 4))
    assert only(four, both(), both(**FEW), both(**FEWER)).terms.labelled == (4, 4)


def test_all_labels_are_held_against_few_on_the_same_cases():
    gap = claim(better=side("A", "all"), worse=side("B", "part"))
    assert only(gap, both(), both(**FEW), both(**FEWER)).terms.labelled == (20, 2)
    shrinks = claim(better=side("A", "all"), worse=side("A", "part"))
    assert only(shrinks, runs("A"), runs("A", **FEW)).terms.labelled == (20, 4)
    with pytest.raises(NothingToPairError, match="split and preprocessing"):
        pairings(ledger(runs("A"), runs("A", **FEW | {"held_out": "other"})), shrinks)
