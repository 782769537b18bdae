"""The page of claims says what the ledger says, and no more."""

import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from medseg_lab.evaluation.claims import judged
from medseg_lab.evaluation.verdicts import STATES
from medseg_lab.publishing.claims_page import chapters_of, claims_pages
from medseg_lab.publishing.house import find_house
from medseg_lab.publishing.markdown import escape
from medseg_lab.record.add import add
from medseg_lab.record.verdicts import judged_here, judged_on_record
from medseg_lab.survey.claims import claims
from medseg_lab.survey.counterparts import errata
from medseg_lab.survey.methods import sections
from medseg_lab.training.runs import RunStore
from tests.evaluation.claim_runs import ledger, runs
from tests.record.record_runs import current_sources, finished, noisy

SMOKE = {"budget": "smoke", "steps": 3, "voxels": 24**3}
ACDC = {"dataset": "acdc", "held_out": "acdc", "cohort": "acdc"}
SIDES = {"U-Net": 0.05, "U-Net without skips": 0.0, "FCN-8s": 0.06}


def claims_page(chapters, ledger) -> str:
    """What the closing page includes, in its order."""
    return "\n".join(claims_pages(chapters, judged_here(ledger), judged_on_record()).values())


def store(**terms):
    return ledger(*(runs(name, ahead, **terms) for name, ahead in SIDES.items()))


STORE = store()


@pytest.fixture(scope="module")
def page() -> str:
    return claims_page([], STORE)


def row(page: str, claim_id: str) -> str:
    """What stands of a claim, up to the next one or the next section."""
    (claim,) = [claim for claim in claims() if claim.id == claim_id]
    before, _, after = page.partition(f"**{escape(claim.statement)}**")
    assert before
    return re.split(r"\n(?=\*\*|##)", after)[0]


@pytest.fixture
def on_record(tmp_path, monkeypatch):
    """A record in which skips help, and the code of one side has changed since."""
    old = current_sources("U-Net") | {"medseg_lab/networks/unet.py": "0"}
    for seed in range(5):
        finished(tmp_path / "runs", "U-Net", seed, dice=noisy(0.8, seed), sources=old)
        finished(tmp_path / "runs", "U-Net without skips", seed, dice=noisy(0.7, seed))
    monkeypatch.setenv("MEDSEG_RECORD", str(tmp_path / "record"))
    add(RunStore(tmp_path / "runs"))


def chapters(*path: str) -> list:
    title, place = "2.1.1 A title", Path("/house/notebooks", *path)
    return [SimpleNamespace(section="2.1.1", heading=title, notebook={"cells": []}, path=place)]


def test_every_claim_has_one_row_with_its_state_in_words_and_the_states_are_counted(page):
    found = judged(STORE)
    for one in found:
        assert f" {one.verdict.state}`" in row(page, one.claim.id)
    states = [one.verdict.state for one in found]
    on_record = ["supported" if one.claim.identity else "not run" for one in found]
    for state in STATES:
        assert re.search(rf" {state}`<br>.* \| {states.count(state)} \| {on_record.count(state)} \|", page)
    exact = sum(bool(claim.identity) for claim in claims())
    assert (states.count("supported"), states.count("not supported")) == (exact + 1, 1)


def test_a_row_holds_effect_interval_data_budget_labels_and_reason(page):
    (skips,) = [one for one in judged(STORE) if one.claim.id == "skips-help"]
    said = row(page, "skips-help")
    assert f"**{escape(skips.verdict.finding)}**" in said
    assert "virtual-brain, class budget, 20 patients labelled, 3 seeds, 10 validation cases" in said
    assert escape(skips.verdict.reason) in said


def test_what_is_ours_and_what_a_test_proves_are_marked(page):
    assert "*Ours, not the survey’s.*" in row(page, "finer-strides-help")
    assert "Ours" not in row(page, "skips-help")
    proved = row(page, "one-group-is-layer-norm")
    assert "ecord" not in proved
    assert "supported`" in proved
    assert "Exact: proved by tests/networks" in proved


def test_what_was_not_run_says_what_is_missing():
    page = claims_page([], STORE)
    assert "*There are no runs of FCN-32s.*" in row(page, "finer-strides-help")
    assert "Here and on record" not in row(page, "finer-strides-help")  # other methods are missing there


def test_each_data_set_has_its_own_line_and_mark():
    mixed = ledger(
        *(runs(name, ahead) for name, ahead in SIDES.items()),
        runs("U-Net", -0.05, **ACDC),
        runs("U-Net without skips", **ACDC),
    )
    said = row(claims_page([], mixed), "skips-help")
    assert "- Here {bdg-warning}`? inconclusive`\n  - ✗ " in said
    assert "\n  - ✓ " in said
    assert "- On record {bdg-muted-line}`– not run` *There are no runs" in said


@pytest.mark.parametrize(
    "terms", [SMOKE, {"steps": 2, "voxels": 1, "budget": "custom"}], ids=["smoke", "custom"]
)
def test_a_page_of_smoke_says_on_top_that_it_proves_nothing(page, terms):
    for text, warned in ((page, False), (claims_page([], store(**terms)), True)):
        top = text.partition("## In short")[0]
        assert ("They test nothing" in top) == warned
        assert "no runs that bear on a claim" not in top


def test_smoke_beside_a_real_budget_is_said_in_its_row_alone():
    mixed = ledger(
        *(runs(name, ahead) for name, ahead in SIDES.items()),
        *(runs(name, **SMOKE | ACDC) for name in SIDES),
    )
    page = claims_page([], mixed)
    assert "test nothing" not in page.partition("## In short")[0]
    assert "Smoke budget (3 steps): proves that it runs" in row(page, "skips-help")
    assert "supported`" in row(page, "skips-help")


def test_here_and_on_record_stand_side_by_side_with_commit_date_and_code(page, on_record):
    text = claims_page([], STORE)
    said = row(text, "skips-help")
    here, recorded = re.findall(r"^- (.*)", said, re.MULTILINE)
    assert here.startswith("Here {bdg-success}`✓ supported`")
    assert here in row(page, "skips-help")
    assert recorded.startswith("On record {bdg-success}`✓ supported`")
    assert "circles, class budget, 4 patients labelled, 5 seeds, 40 validation cases, 300 steps" in recorded
    assert "2026-01-01, a processor, " in recorded
    assert "recorded with earlier code: networks/unet.py" in recorded
    assert "nothing on record yet" in page
    assert "nothing on record yet" not in text


def test_an_empty_store_says_how_to_fill_it():
    top = claims_page([], ledger()).partition("## In short")[0]
    assert "medseg run 2.1.1" in top
    assert "test nothing" not in top


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (("2_supervised", "2.1.1_encoder_decoder.ipynb"), "/2_supervised/2.1.1_encoder_decoder"),
        (("2.1.1_small.ipynb",), "/2.1.1_small"),
    ],
)
def test_a_section_links_to_its_chapter_where_there_is_one(page, path, document):
    linked = claims_page(chapters(*path), STORE)
    assert f"{{doc}}`2.1.1 A title <{document}>`" in section(linked, "2.1.1")
    assert linked.count("The chapter: ") == 1
    assert "The chapter: " not in page


def section(page: str, number: str) -> str:
    """What stands below the heading of a section."""
    return re.split(r"\n#+ ", re.split(rf"\n#+ {re.escape(number)} ", page)[1])[0]


def test_sections_stand_in_the_survey_s_order_and_those_without_a_claim_say_so(page):
    headings = re.findall(r"^#+ (\d[\d.]*) (.+)$", page, re.MULTILINE)
    assert headings == [(one.id, one.title) for one in sections()]
    assert "Its statements are those of the sections below." in section(page, "2.1")
    assert "No statement of this section is put to the test." in section(page, "6")
    assert "No statement" not in section(page, "2.1.1")


def test_a_section_without_a_chapter_of_its_own_links_to_those_of_its_methods_or_claims():
    house = find_house()
    known = {one.id: chapters_of(one, house.chapters()) for one in sections()}
    assert known["2.2.1"] == ["2.2"]
    assert known["2.3.2"] == ["2.3.1"]
    assert known["2.3.4"] == ["2.3.3"]
    assert known["1"] == ["2.1.3", "2.1.4"]
    assert "4.1.2" in known["4.1"]
    assert known["5.4"] == ["5"]
    assert known["2.1"] == known["6"] == []


def test_the_summary_counts_claims_by_verdict_and_by_part(page):
    top = page.partition("\n## 0 ")[0]
    own = sum(claim.own for claim in claims())
    assert (
        f"**{len(claims())} statements**: {len(claims()) - own} are the survey’s, and {own} are ours" in top
    )
    rows = re.findall(r"^\| (\d) [^|]+ \| (\d+) \| (.+) \|$", top, re.MULTILINE)
    counted = {part: int(number) for part, number, _ in rows}
    assert counted == Counter(claim.section[0] for claim in claims())
    for _, number, by_verdict in rows:
        assert sum(int(one) for one in by_verdict.split(" | ") if one != "–") == int(number)


def test_errata_say_what_is_printed_what_is_right_and_where_to_see_it(page):
    said = page.partition("## Errata")[2]
    for one in errata():
        assert f"**{one.place}.** Printed: {one.printed}; right: {one.right}" in said
        assert one.why in said
    linked = claims_page(find_house().chapters(), STORE).partition("## Errata")[2]
    assert "{ref}`chapter 2.2 <cell-2-2-ce-printed>`, `losses.cross_entropy.CrossEntropy`" in linked
    assert "{ref}" not in said
