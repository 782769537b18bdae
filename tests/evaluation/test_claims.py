"""What evidence is called what."""

import numpy as np
import pytest

from medseg_lab.evaluation.claims import verdict, verdicts
from medseg_lab.evaluation.comparison import compare
from medseg_lab.survey.claims import Claim, claims
from tests.evaluation.test_comparison import results

CLAIM = Claim(id="c", section="2.1.1", statement="A beats B.", better="A", worse="B", margin=0.01)
SAFE = CLAIM.model_copy(update={"kind": "non-inferior"})


def comparison(effect, spread=0.001, seeds=2, cases=10, metric="dice"):
    rng = np.random.default_rng(0)
    base = rng.uniform(0.5, 0.8, size=(seeds, cases, 1))
    better = base + np.asarray(effect).reshape(-1, 1, 1) + rng.normal(0, spread, size=base.shape)
    return compare({"A": results(better, metric=metric), "B": results(base, metric=metric)}, metric=metric)


@pytest.mark.parametrize(
    ("effect", "spread", "state"),
    [
        (0.05, 0.001, "supported"),
        (0.004, 0.001, "not supported"),  # real, yet below the margin
        (-0.05, 0.001, "not supported"),
        (0.02, 0.10, "inconclusive"),
        ([0.10, -0.02], 0.001, "inconclusive"),  # one seed up, one down
    ],
)
def test_superiority(effect, spread, state):
    assert verdict(CLAIM, comparison(effect, spread)).state == state


@pytest.mark.parametrize(
    ("effect", "spread", "state"),
    [
        (-0.004, 0.001, "supported"),  # a small loss is allowed
        (0.05, 0.001, "supported"),
        (-0.05, 0.001, "not supported"),
        (-0.01, 0.05, "inconclusive"),
    ],
)
def test_non_inferiority(effect, spread, state):
    assert verdict(SAFE, comparison(effect, spread)).state == state


@pytest.mark.parametrize("claim", [CLAIM, SAFE])
@pytest.mark.parametrize("effect", [0.3, -0.3])
def test_one_seed_decides_nothing(claim, effect):
    found = verdict(claim, comparison(effect, seeds=1))
    assert found.state == "inconclusive"
    assert "one seed" in found.sentence


def test_five_cases_cannot_support():
    """Wilcoxon's smallest two-sided p with 5 patients is 1/16."""
    assert verdict(CLAIM, comparison(0.05, cases=5)).state == "inconclusive"
    assert verdict(CLAIM, comparison(0.05, cases=6)).state == "supported"


def test_a_smaller_distance_is_better():
    claim = CLAIM.model_copy(update={"metric": "assd"})
    found = verdict(claim, comparison(-0.05, metric="assd"))
    assert found.state == "supported"
    assert found.effect == pytest.approx(0.05, abs=0.002)
    assert found.low < found.effect < found.high


def test_what_was_not_run_says_so():
    absent = CLAIM.model_copy(update={"worse": "C"})
    elsewhere = CLAIM.model_copy(update={"data": ("acdc",)})
    assert verdict(CLAIM, None).state == "not run"
    assert verdict(absent, comparison(0.05)).sentence == "Not run: A against C. There are no runs of C."
    assert verdict(elsewhere, comparison(0.05), data="virtual-brain").state == "not run"
    assert verdict(elsewhere, comparison(0.05), data="acdc").state == "supported"
    assert verdict(CLAIM, comparison(0.05, metric="iou")).state == "not run"


def test_claims_judged_together_are_corrected_together():
    twin = CLAIM.model_copy(update={"id": "d"})
    alone, (first, second) = verdict(CLAIM, comparison(0.05)), verdicts([CLAIM, twin], comparison(0.05))
    assert first.p == second.p == pytest.approx(2 * alone.p)


def test_the_sentence_quotes_effect_interval_seeds_and_cases():
    assert "+0.050 Dice [+0.0" in verdict(CLAIM, comparison(0.05)).sentence
    assert "2 seeds, 10 cases" in verdict(CLAIM, comparison(0.05)).sentence


def test_the_surveys_claims_can_all_be_judged():
    assert {v.state for v in verdicts(claims("2.1.1"), comparison(0.05))} == {"not run"}
