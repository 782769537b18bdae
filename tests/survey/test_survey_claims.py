"""The claims are statements that can be tested."""

import subprocess
import sys
from pathlib import Path

import pytest

from medseg_lab.data.catalogue import load_card
from medseg_lab.survey.claims import Claim, Side, claims
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.methods import sections
from medseg_lab.survey.tables import rows

PLAIN = {"id": "x", "section": "2.1.1", "statement": "s", "better": "U-Net", "worse": "V-Net", "margin": 0.1}
CHAPTER = ["unet-beats-fcn", "finer-strides-help", "skips-help", "third-dimension-helps"]
CHAPTER += ["vnet-beats-unet3d", "unetpp-beats-unet", "deep-supervision-helps", "pruning-costs-little"]


def test_the_chapters_questions_are_claims():
    assert {claim.id for claim in claims("2.1.1")} == set(CHAPTER)


def test_pruning_is_a_claim_of_little_loss():
    (pruning,) = [c for c in claims() if c.id == "pruning-costs-little"]
    assert pruning.kind == "non-inferior"
    assert pruning.margin == 0.01


def test_every_part_of_the_survey_that_states_something_has_claims():
    """The closing words (6) state nothing new, and 5.1 to 5.3 are hopes."""
    leaves = {s.id for s in sections()} - {s.parent for s in sections()} - {"5.1", "5.2", "5.3", "6"}
    assert leaves - {claim.section for claim in claims()} == set()


def test_claims_are_in_the_surveys_order():
    order = [section.id for section in sections()]
    places = [order.index(claim.section) for claim in claims()]
    assert places == sorted(places)


def test_a_claim_says_what_decides_and_which_way():
    for row in rows("claim"):
        if "identity" not in row.values:
            assert {"metric", "direction"} <= set(row.values), row.values["id"]


def test_no_two_claims_compare_the_same_sides_by_the_same_measure():
    compared = [(c.better, c.worse, c.metric, c.kind) for c in claims() if not c.identity]
    assert len(set(compared)) == len(compared)


def test_data_sets_named_by_claims_exist():
    names = {name for claim in claims() for name in claim.data}
    assert {load_card(name).id for name in names} == names


def test_what_learns_from_unlabelled_images_is_compared_where_labels_are_few():
    # boxes, or labels of whole images, of all patients
    other = {one.name for one in configurations() if one.method in ("deepcut", "collaborative")}
    for claim in (claim for claim in claims() if claim.section.startswith("3")):
        if claim.better.method in other:
            continue
        assert claim.better.labelled in ("part", 2), claim.id
        assert claim.same_labels, claim.id


def test_what_is_held_against_labels_alone_needs_a_gap_to_close():
    floors = {"U-Net", "U-Net with dropout"}
    for claim in claims():
        if claim.section.startswith("3") and claim.worse and claim.worse.method in floors:
            assert getattr(claim.gap, "labelled", None) == "all", claim.id


def test_an_identity_is_proved_by_a_test_that_is_there():
    proved = [claim.identity for claim in claims() if claim.identity]
    assert proved
    for path, _, name in (text.partition("::") for text in proved):
        assert f"def {name}(" in (Path(__file__).parents[2] / path).read_text(encoding="utf-8")


def test_sections_can_be_picked():
    assert {c.section for c in claims("3.1")} == {"3.1"}
    assert claims("6") == ()
    with pytest.raises(ValueError, match=r"9\.9"):
        claims("9.9")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"margin": 0}, "greater than 0"),
        ({"margin": None}, "x: expected either margin or margin_share"),
        ({"margin_share": 0.1}, "x: expected either margin or margin_share"),
        ({"margin": None, "margin_share": 1.5}, "margin_share"),
        ({"better": None}, "x: expected better and worse, or an identity"),
        ({"better": {"labelled": "all"}}, "side: expected one of method, any and best"),
        ({"better": {"method": "U-Net", "any": ["FCN-8s"]}}, "side: expected one of method, any and best"),
        ({"worse": {"best": ["U-Net", "V-Net"]}}, "x: expected two methods"),
        ({"better": {"best": ["U-Net", "FCN-8s"]}}, "x: expected the best of several as the worse side"),
        ({"worse": {"any": ["FCN-8s", "V-Net"]}}, "x: expected kind = 'exists' for a side of any"),
        ({"acts": {"below": 0.9}}, "acts: expected either noted or measure"),
        ({"acts": {"noted": "kept"}}, "acts: expected below or above"),
        ({"acts": {"measure": "seconds", "above": 1}}, "acts: expected a measure of cases, got 'seconds'"),
        ({"gap": {"any": ["U-Net"]}}, "x: expected one method as the ceiling of the gap"),
        ({"metric": "parameters", "direction": "lower", "gap": "FCN-8s"}, "x: expected acts and gap with"),
        ({"matched": "time"}, "matched"),
        ({"identity": "tests/a.py::test_b"}, "x: expected an identity alone, got better, margin, worse, too"),
        ({"identity": "somewhere"}, "identity"),
        ({"better": "V-Net"}, "x: expected two methods, got V-Net on both sides"),
        ({"metric": "hd95"}, "x: expected the direction 'lower' for hd95, got 'higher'"),
        ({"metric": "dicee"}, "metric: expected one of dice"),
        ({"metric": "seconds", "direction": "lower", "margin": 1.0}, "x: expected a margin below 1"),
        ({"kind": "better"}, "kind"),
        ({"better": {"method": "U-Net", "labelled": 0}}, "labelled"),
        ({"better": {"method": "U-Net", "labelled": "most"}}, "labelled"),
        ({"better": {"method": "U-Net", "budget": "class"}}, "budget"),
        ({"smallest": 0.1}, "smallest"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        Claim(**(PLAIN | change))


def test_a_measure_without_a_better_end_takes_either_direction():
    for direction in ("higher", "lower"):
        assert Claim(**PLAIN, metric="mutual_information", direction=direction).direction == direction


def test_sides_are_said_in_words():
    assert str(Side(method="U-Net")) == "U-Net"
    assert str(Side(method="U-Net", labelled="all")) == "U-Net (all patients labelled)"
    assert str(Side(method="U-Net", labelled=1)) == "U-Net (one patient labelled)"
    assert Claim(**PLAIN).sides == "U-Net against V-Net"
    few = PLAIN | {"better": {"method": "U-Net", "labelled": 8}, "worse": {"method": "V-Net", "labelled": 8}}
    several = PLAIN | {"worse": {"best": ["FCN-8s", "V-Net", "FCN-32s"], "labelled": "part"}}
    assert Claim(**several).sides == (
        "U-Net against the best of FCN-8s, V-Net and FCN-32s (some patients labelled)"
    )
    assert Claim(**few).sides == "U-Net against V-Net, 8 patients labelled"
    part = PLAIN | {"better": {"method": "U-Net", "labelled": "all"}}
    part |= {"worse": {"method": "U-Net", "labelled": "part"}}
    assert Claim(**part).sides == "U-Net (all patients labelled) against U-Net (some patients labelled)"


def test_claims_are_read_without_torch_and_once():
    code = (
        "import sys; from medseg_lab.survey.claims import claims; claims(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert claims() is claims()
