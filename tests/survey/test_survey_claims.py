"""The claims are statements that can be tested."""

import pytest

from medseg_lab.survey.claims import Claim, claims


def test_the_chapters_questions_are_claims():
    assert {"skips-help", "third-dimension-helps", "pruning-costs-little"} <= {c.id for c in claims("2.1.1")}


def test_pruning_is_a_claim_of_little_loss():
    (pruning,) = [c for c in claims() if c.id == "pruning-costs-little"]
    assert pruning.kind == "non-inferior"
    assert pruning.margin == 0.01


def test_sections_can_be_picked():
    assert claims("3.1") == ()
    assert all(c.section == "2.1.1" for c in claims("2.1.1"))
    with pytest.raises(ValueError, match=r"9\.9"):
        claims("9.9")


def test_a_margin_is_more_than_nothing():
    with pytest.raises(ValueError, match="greater than 0"):
        Claim(id="x", section="2", statement="s", better="a", worse="b", margin=0)
