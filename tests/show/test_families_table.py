"""The survey's Table 1: every method once, with the verdicts on its claims and what it cost."""

import re

from medseg_lab.evaluation.verdicts import Verdict
from medseg_lab.show.families_table import families_rows, families_table, verdict_of
from medseg_lab.survey.claims import claims
from medseg_lab.survey.families import FAMILIES
from medseg_lab.survey.methods import method, sections
from tests.evaluation.claim_runs import ledger, runs

FEW = {"cohort": "few", "labelled": 2, "unlabelled": 18}
FLOOR = "U-Net with dropout"


def made():
    """Self-training is .05 ahead of the labels alone, at three times the cost; all labels are .2 ahead."""
    ahead = runs("Self-training", 0.05, step_flops=3 * 10**9, **FEW)
    return ledger(runs(FLOOR, **FEW), runs(FLOOR, 0.2), ahead)


def line_of(families, name: str) -> list[str]:
    """What stands beside a method's name."""
    return next(cells for _, rows in families for first, *cells in rows if first == name)


def test_each_method_of_section_3_is_in_one_family_of_its_section():
    listed = [(family.section, id) for family in FAMILIES for id in family.methods]
    surveyed = [(one.id, id) for one in sections() if one.id.startswith("3.") for id in one.methods]
    assert sorted(listed) == sorted(surveyed)


def test_a_line_has_the_verdict_with_its_difference_and_the_cost():
    heads, rows = families_rows({"here": made(), "on record": ledger()}, ["3.1"])
    assert heads == ["method", "verdict, here", "verdict, on record", "cost"]
    assert [family.name for family, _ in rows] == ["Self-training", "Co-training"]
    here, recorded, cost = line_of(rows, "Self-training")
    assert re.fullmatch(r"✓ supported \+0\.0(49|50|51)", here)
    assert recorded == "– not run"
    assert cost == "× 3.0"


def test_claims_of_variations_are_left_out_and_ours_stand_where_the_survey_has_none():
    """Not the errors that rounds amplify, nor UA-MT's stricter threshold; of DeepCut there are only ours."""
    by_id = {claim.id: claim for claim in claims()}
    said = {
        "self-training-amplifies-errors": "supported",
        "self-training-helps": "not supported",
        "self-training-beats-a-larger-batch": "supported",
        "certain-voxels-teach-better": "inconclusive",
        "a-strict-mask-teaches-better": "supported",
        "mean-teacher-helps": "not run",
        "rounds-sharpen-boxes": "not tested",
        "boxes-of-all-replace-outlines-of-few": "not tested",
    }
    verdicts = [Verdict(by_id[id], state, "Because.") for id, state in said.items()]
    assert verdict_of(method("selftrain"), verdicts) == "✗ not supported"
    assert verdict_of(method("ua-mt"), verdicts) == "? inconclusive"
    assert verdict_of(method("mean-teacher"), verdicts) == "– not run"  # against a control of its own
    assert verdict_of(method("deepcut"), verdicts) == "○ not tested"  # said once
    assert verdict_of(method("pi-model"), verdicts) == "no claim"


def test_the_table_is_shown_with_a_row_a_method_under_its_family(shown):
    families_table({"here": made()}, ["3.1", "3.3"])
    (output,) = shown
    methods = [len(family.methods) for family in FAMILIES if family.section in ("3.1", "3.3")]
    assert output["text/html"].count('<th scope="rowgroup" colspan="3">') == len(methods)
    assert output["text/html"].count('<th scope="row">') == sum(methods)
    assert "method: Self-training; verdict, here: ✓ supported" in output["text/plain"]
    assert re.search(r"Superpixel graph \[23\].*; verdict, here: – not run", output["text/plain"])
    assert "U-Net with dropout, mean over its runs" in output["text/html"]


def test_costs_are_those_of_runs_on_the_same_terms():
    """A run of other steps is compared with labels alone of other steps, and counts as much."""
    longer = {**FEW, "steps": 900, "step_flops": 10**10}
    other = ledger(
        runs(FLOOR, **FEW),
        runs("Self-training", **FEW | {"step_flops": 2 * 10**9}),
        runs(FLOOR, **longer),
        runs("Self-training", **longer | {"step_flops": 4 * 10**10}),
    )
    _, rows = families_rows({"here": other}, ["3.1"])
    assert line_of(rows, "Self-training")[-1] == "× 3.0"


def test_the_cost_of_a_control_is_not_that_of_its_method():
    control = ledger(runs(FLOOR, **FEW), runs("U-Net with averaged weights", **FEW))
    _, rows = families_rows({"here": control}, ["3.2"])
    assert line_of(rows, "Mean Teacher [66, 19]")[-1] == "–"
