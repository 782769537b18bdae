"""Whatever is compared is trained, judged and kept on the same terms."""

from types import SimpleNamespace

import pytest

from medseg_lab.evaluation import protocol as module
from medseg_lab.evaluation.attack import AttackJudge
from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.protocol import Protocol, summary
from medseg_lab.evaluation.sample_judge import SampleJudge
from medseg_lab.training.budget import budget
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.workers import fits as fits_module
from tests.evaluation.test_comparison import VALUES, results, run, runs

COHORT = SimpleNamespace(card=SimpleNamespace(scored_regions={}))
METHODS = {"a": Recipe("medseg_lab.x.A", {}), "b": Recipe("medseg_lab.x.B", {})}


@pytest.fixture
def fits(monkeypatch):
    """The runs that were wanted; the store already holds those of the second method."""
    calls = []

    def fit(one):
        found = run(results([[[0.5 + 0.1 * one.seed]]]).drop(columns="seed"), one.seed)
        found.replayed = one.recipe.target.endswith("B")
        found.own_seconds, found.record.hardware, found.record.changed = 10.0, "a CPU", False
        return found

    def fit_all(wanted, store, workers):
        calls.extend(SimpleNamespace(**vars(one), store=store, workers=workers) for one in wanted)
        return [fit(one) for one in wanted]

    monkeypatch.setattr(fits_module, "fit_all", fit_all)
    return calls


def protocol(**more) -> Protocol:
    return Protocol(cohort=COHORT, budget=budget("smoke"), store="the store", **more)


def test_every_method_gets_every_seed_on_the_same_terms(fits):
    runs = protocol(seeds=3, parts=("test",), workers=4).run(METHODS)
    assert [(call.recipe.target[-1], call.seed) for call in fits] == [(m, s) for m in "AB" for s in range(3)]
    assert {(call.store, call.workers, call.judge.target) for call in fits} == {
        ("the store", 4, f"{module.Judge.__module__}.Judge")
    }
    assert all(call.cohort is COHORT for call in fits)
    assert [call.title for call in fits][:2] == ["a, seed 0", "a, seed 1"]
    assert all(call.judge.arguments == {"parts": ["test"]} for call in fits)
    assert [len(found) for found in runs.values()] == [3, 3]


def test_what_is_no_method_is_said():
    with pytest.raises(ValueError, match=r"methods: expected names .*, got 3"):
        protocol().run(3)


def test_what_is_scored_is_part_of_the_judge():
    assert protocol().judge == recipe(Judge, parts=["validation"])
    assert protocol(samples=4).judge == recipe(SampleJudge, parts=["validation"], samples=4)
    assert protocol(attack=0.1).judge == recipe(AttackJudge, parts=["validation"], epsilon=0.1)
    with pytest.raises(ValueError, match="samples are not scored under attack"):
        protocol(samples=4, attack=0.1)


def test_the_budget_says_how_many_seeds(fits):
    assert list(protocol().seed_numbers) == list(range(budget("smoke").seeds))


def test_replays_are_told(fits, capsys):
    protocol(seeds=2).run(METHODS)
    assert (
        capsys.readouterr().out == "4 runs: 2 trained in 20 s, 2 replayed (20 s when they trained); a CPU\n"
    )


def test_a_single_run_is_not_plural(fits):
    runs = protocol(seeds=1).run({"a": METHODS["a"]})
    assert summary(runs["a"]) == "1 run: 1 trained in 10 s; a CPU"


def test_what_was_run_can_be_compared(fits):
    terms = protocol(seeds=2)
    compared = terms.compare(terms.run(METHODS))
    assert compared.table["mean"].tolist() == pytest.approx([0.55, 0.55])
    assert compared.differences["mean"].item() == 0


def test_what_was_changed_after_training_is_told_and_its_training_not_counted_twice(fits):
    runs = protocol(seeds=1).run(METHODS)
    changed = run(results([[[0.5]]]).drop(columns="seed"), 0)
    changed.replayed, changed.record.seconds, changed.record.hardware = False, 10.0, "a CPU"
    changed.record.changed = True
    said = summary([*runs["a"], changed])
    assert said == "2 runs: 1 trained in 10 s, 1 changed after training; a CPU"


def test_comparing_across_labels_is_passed_on():
    sides = {"few": runs(), "every": runs(VALUES + 0.1, cohort="every")}
    found = protocol().compare(sides, across_labels=True)
    assert found.differences["mean"].item() == pytest.approx(0.1)
    with pytest.raises(ValueError, match="their cohort differ"):
        protocol().compare(sides)
