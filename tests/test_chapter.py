"""A chapter opens with checked arguments, says what it works with, and ends with what it cost."""

from collections.abc import Iterable
from pathlib import Path
from traceback import format_exception, format_exception_only
from typing import Any

import pytest

from medseg_lab import chapter
from medseg_lab.data.case import Case
from medseg_lab.evaluation.claims import judged
from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.networks.unet import UNet
from medseg_lab.record.add import add
from medseg_lab.show.page import Note
from medseg_lab.survey.configurations import configuration
from medseg_lab.survey.terms import Terms
from medseg_lab.training.budget import BUDGETS
from medseg_lab.training.notation import parse
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised
from tests.record.record_runs import finished, noisy

FLAT = recipe(Supervised, network=recipe(UNet, features=(4, 8)), spatial_dims=2)


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> chapter.Lesson:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    return chapter.open("2.1.1", dataset="virtual-brain", budget="smoke", seeds=2)


def test_banner_states_data_budget_device_and_store(lesson: chapter.Lesson, tmp_path: Path) -> None:
    banner = lesson.banner()
    assert "VIRTUAL" in banner["data"]
    assert "sealed" in banner["data"]
    assert banner["budget"].startswith("smoke: 3 steps")
    assert "2 seeds" in banner["budget"]
    assert "cpu" in banner["device"] or "cuda" in banner["device"]
    assert "torch" in banner["versions"]
    assert banner["run store"] == str(tmp_path)


def test_the_same_network_on_the_same_terms_is_one_run_in_all_chapters(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    terms: dict[str, Any] = {"dataset": "virtual-brain", "budget": "smoke", "seeds": 1}
    kept: dict[str, Run] = {}
    for section, more in {"2.1.1": {}, "2.3": {}, "2.1.2": {"attack": 0.1}, "4.2": {"samples": 2}}.items():
        lesson = chapter.open(section, **terms, **more)
        (kept[section],) = lesson.run("FCN-32s")["FCN-32s"]
        assert kept[section].replayed is (section != "2.1.1")
        weights = (kept[section].folder / "weights.safetensors").read_bytes()
        assert weights == (kept["2.1.1"].folder / "weights.safetensors").read_bytes()
    assert kept["2.3"].folder == kept["2.1.1"].folder  # judged alike, it is the same run
    assert len(list((tmp_path / ".trained").iterdir())) == 1  # judged otherwise, the same training


def test_cost_tells_trained_from_replayed(lesson: chapter.Lesson) -> None:
    lesson.protocol.run({"U-Net": FLAT})
    lesson.protocol.run({"U-Net": FLAT})
    first = lesson.summary()
    again = chapter.open("2.1.1", dataset="virtual-brain", budget="smoke", seeds=2)
    again.protocol.run({"U-Net": FLAT})
    second = again.summary()
    assert (first["trained"], first["replayed"]) == (2, 0)
    assert (second["trained"], second["replayed"]) == (0, 2)
    assert second["seconds_replayed"] == first["seconds_trained"]
    assert "MB, this process and its workers together" in again.cost()["peak memory"]


def test_opening_the_sealed_test_part_is_part_of_the_cost(lesson: chapter.Lesson) -> None:
    assert "test part" not in lesson.cost()
    lesson.cohort.open_test("final table")
    assert lesson.cost()["test part"] == "opened for: final table"


def test_claims_are_judged_and_kept_for_the_book(lesson: chapter.Lesson) -> None:
    assert {found.state for found in lesson.judge_claims()} == {"not run"}
    assert lesson.summary()["verdicts"]["skips-help"][0] == "not run"


def test_claims_of_other_sections_can_be_judged_as_well(lesson: chapter.Lesson) -> None:
    own = [found.claim.section for found in lesson.judge_claims()]
    both = [found.claim.section for found in lesson.judge_claims("4.1", "4")]
    assert both[: len(own)] == own
    assert set(both[len(own) :]) == {"4.1", "4"}


def test_the_chapter_and_the_page_of_claims_judge_the_same_runs_alike(lesson: chapter.Lesson) -> None:
    sides = {name: parse(configuration(name).recipe) for name in ("U-Net", "U-Net without skips")}
    lesson.protocol.run(sides)
    lesson.protocol.run(sides)  # what is asked for twice counts once
    (skips,) = [found for found in lesson.judge_claims() if found.claim.id == "skips-help"]
    assert skips.evidence
    assert (skips.state, skips.evidence.seeds) == ("inconclusive", 2)
    assert skips.reason == "Smoke budget (3 steps): proves that it runs, tests nothing."
    (same,) = [found.verdict for found in judged(read_ledger()) if found.claim.id == "skips-help"]
    assert repr(skips) == repr(same)  # one patient has no interval, and NaN is not equal to itself


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"section": "7"}, r"section: expected one of .*2\.1\.1.*got '7'"),
        ({"dataset": "..\\mars"}, r"on this system a path is written with /"),
        ({"dataset": "mars"}, "data set: expected one of .*virtual-brain.*, got 'mars'"),
        ({"budget": "huge"}, "budget: expected one of smoke, class, full, got 'huge'"),
        ({"parts": ("train",)}, "parts: expected some of validation, test.*got"),
        ({"seeds": 0}, "seeds: .*got 0"),
        ({"seeds": "2"}, "seeds: .*got '2'"),
        ({"dataset": 3}, "dataset: .*got 3"),
        ({"steps": -1}, "steps: .*got -1"),
        ({"draw": -1}, "draw: .*got -1"),
        ({"samples": 0}, "samples: .*got 0"),
        ({"voxels": 2.0}, r"voxels: .*got 2\.0"),
        ({"labelled": 100}, "labelled: expected 1 to .* patients, got 100"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_known(argument: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        chapter.open(**({"section": "2.1.1", "dataset": "virtual-brain", "budget": "smoke"} | argument))
    assert len("".join(format_exception_only(caught.value)).splitlines()) == 1
    assert "ValidationError" not in "".join(format_exception(caught.value))


def test_note_is_text_and_escaped_html() -> None:
    note = Note("heading", {"a": "one\ntwo", "long": "<b>"})
    assert repr(note).splitlines() == ["heading", "  a     one", "        two", "  long  <b>"]
    assert "one<br>two" in note._repr_html_()
    assert "&lt;b&gt;" in note._repr_html_()


def test_an_answer_quotes_the_verdict(lesson: chapter.Lesson, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="none judged yet"):
        lesson.answer("skips-help")
    lesson.judge_claims()
    shown: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medseg_lab.chapter.show_verdicts", lambda found, on_record: shown.extend(found))
        lesson.answer("skips-help", "pruning-costs-little")
    assert [found.claim.id for found in shown] == ["skips-help", "pruning-costs-little"]
    with pytest.raises(ValueError, match="unetpp-beats-unet"):
        lesson.answer("no-such-claim")


def test_an_answer_has_a_line_of_the_record_and_recorded_gives_its_comparison(
    lesson: chapter.Lesson,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("medseg_lab.show.page.show", lambda markup, plain: shown.extend([markup, plain]))
    lesson.judge_claims()
    lesson.answer("skips-help")
    assert "On record: Not run: There are no runs of U-Net" in shown[1]
    assert lesson.recorded("U-Net", "FCN-8s") is None
    assert "on record: nothing of U-Net, FCN-8s on virtual-brain" in capsys.readouterr().out
    monkeypatch.setenv("MEDSEG_RECORD", str(tmp_path / "record"))
    for seed in range(5):
        for method, dice in {"U-Net": 0.8, "U-Net without skips": 0.7}.items():
            finished(tmp_path / "runs", method, seed, dice=noisy(dice, seed), dataset="virtual-brain")
        if not seed:
            add(RunStore(tmp_path / "runs"))
            assert lesson.recorded("U-Net", "U-Net without skips") is None
            assert "one training of each tells no methods apart" in capsys.readouterr().out
    add(RunStore(tmp_path / "runs"))
    lesson.judge_claims()
    lesson.answer("skips-help")
    plain = shown[-1].splitlines()
    assert plain[1].startswith("  Here: Not run: ")
    assert plain[2].startswith("  On record: Supported: Dice +0.1")
    assert "5 seeds, 40 validation cases, 300 steps; 2026-01-01, a processor" in plain[2]
    found = lesson.recorded({"usual": "U-Net"}, "U-Net without skips", baseline="U-Net without skips")
    assert found
    assert found.methods == ("usual", "U-Net without skips")
    assert found.differences["mean"].item() == pytest.approx(0.1, abs=0.01)
    said = capsys.readouterr().out
    assert said.startswith("on record: 5 seeds, 300 steps, virtual-brain, 2026-01-01, a processor, ")
    assert lesson.recorded("U-Net", labelled=3) is None


def test_a_lesson_has_its_sections_own_terms_unless_it_is_asked_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    own = Terms(section="3.2", steps=7, voxels=9_000, patch=32, labelled=3, why="a test")
    monkeypatch.setattr(chapter, "terms_of", lambda section, dataset: own)
    asked = {"dataset": "virtual-brain", "seeds": 1}
    lesson = chapter.open("3.2", **asked)
    spent = lesson.budget
    assert (spent.name, spent.steps, spent.voxels, spent.patch) == ("class", 7, 9_000, 32)
    assert (lesson.terms, lesson.labelled, lesson.protocol.budget) == (own, 3, spent)
    assert lesson.banner()["a step sees"] == (
        "1 slice of 80 x 96 (7,680 pixels), or 1 patch of 32 x 32 x 32 (32,768 voxels)"
    )
    other = chapter.open("3.2", **asked, steps=5, labelled=2)
    assert (other.budget.name, other.budget.steps, other.budget.voxels) == ("custom", 5, 9_000)
    assert other.labelled == 2
    smoke = chapter.open("3.2", **asked, budget="smoke")
    assert smoke.budget == BUDGETS["smoke"].model_copy(update={"voxels": 1})
    assert smoke.banner()["a step sees"].startswith("1 slice of 40 x 48")  # of every second voxel
    assert (smoke.terms, smoke.labelled) == (None, 2)  # of three patients, so that one is left unlabelled


def test_another_draw_labels_other_patients_and_holds_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    first, second = (
        chapter.open("3.2", dataset="virtual-brain", seeds=1, labelled=2, draw=draw).cohort for draw in (0, 1)
    )
    assert patients(first.labelled) != patients(second.labelled)
    assert first.held_out == second.held_out
    assert (first.draw, second.draw) == (0, 1)


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> chapter.Lesson:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    return chapter.open("3.2", dataset="virtual-brain", budget="smoke", labelled=2, seeds=1)


def patients(cases: Iterable[Case]) -> set[str]:
    return {case.patient for case in cases}


def test_with_samples_all_of_them_are_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    terms = {"dataset": "virtual-brain+raters", "budget": "smoke", "seeds": 1, "samples": 3}
    lesson = chapter.open("4.1.1", **terms)
    network = recipe(UNet, features=(2, 4))
    runs = lesson.protocol.run({"U-Net": recipe(Supervised, network=network, spatial_dims=2)})
    judge = runs["U-Net"][0].record.judge
    assert judge["target"].endswith("SampleJudge")
    assert judge["arguments"] == {"samples": 3}  # validation is the default part
    assert lesson.protocol.compare(runs, "ged").metric == "ged"
    assert lesson.with_labels(2).samples == 3


def test_other_numbers_of_labels_share_the_split_and_are_nested(few: chapter.Lesson) -> None:
    one, every = few.with_labels(1).cohort, few.with_labels(None).cohort
    here = few.cohort
    assert patients(one.labelled) < patients(here.labelled) < patients(every.labelled)
    assert [len(patients(cohort.labelled)) for cohort in (one, here)] == [1, 2]
    assert not every.unlabelled
    for other in (one, every):
        train = patients(other.labelled) | patients(other.unlabelled)
        assert train == patients(here.labelled) | patients(here.unlabelled)
        assert patients(other.validation) == patients(here.validation)
        assert other.held_out == here.held_out != other.fingerprint


def test_with_the_lessons_own_number_it_is_the_lessons_cohort(few: chapter.Lesson) -> None:
    assert few.with_labels(2).cohort is few.cohort


def test_a_protocol_is_made_once_and_has_the_lessons_terms(few: chapter.Lesson) -> None:
    every = few.with_labels(None)
    assert few.with_labels(None) is every
    for term in ("budget", "store", "parts", "seeds"):
        assert getattr(every, term) == getattr(few.protocol, term)


def test_more_labels_than_there_are_patients_are_refused(few: chapter.Lesson) -> None:
    with pytest.raises(ValueError, match=r"labelled: expected 1 to .* patients, got 1000"):
        few.with_labels(1000)


def test_runs_with_other_labels_count_are_judged_and_can_be_paired(few: chapter.Lesson) -> None:
    runs = few.protocol.run({"few": FLAT}) | few.with_labels(None).run({"every": FLAT})
    assert few.summary()["trained"] == 2
    labelled = [found.record.cohort.labelled_patients for (found,) in runs.values()]
    assert labelled == [2, len(patients(few.with_labels(None).cohort.labelled))]
    compared = few.protocol.compare(runs, across_labels=True)
    assert compared.methods == ("few", "every")
    with pytest.raises(ValueError, match="their cohort differ"):
        few.protocol.compare(runs)


def test_a_test_part_opened_by_another_number_of_labels_is_part_of_the_cost(few: chapter.Lesson) -> None:
    few.with_labels(1).cohort.open_test("the label curve")
    assert few.cost()["test part"] == "opened for: the label curve"


def test_a_question_can_be_put_to_other_data_on_the_sections_terms_there(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    lesson = chapter.open("2.1.2", dataset="virtual-brain", budget="smoke", seeds=1)
    nested = lesson.on("virtual-brain+lesion")
    assert nested is lesson.on("virtual-brain+lesion")
    assert nested.cohort.id == "virtual-brain+lesion"
    assert nested.cohort.task.channels == 4
    assert (nested.store, nested.parts, nested.seeds) == (lesson.store, ("validation",), 1)
    nested.run({"U-Net": FLAT})
    assert lesson.summary()["trained"] == 1
    with pytest.raises(ValueError, match="'hippo'"):
        lesson.on("hippo")


def test_other_data_have_the_sections_number_of_labelled_patients_or_another(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path))
    lesson = chapter.open("3.2", dataset="virtual-brain", budget="smoke", seeds=1)
    few, all_ = lesson.on("virtual-brain+lesion"), lesson.on("virtual-brain+lesion", labelled=None)
    assert [len(one.cohort.unlabelled) for one in (few, all_)] == [1, 0]
    assert (few.cohort.held_out, few.budget) == (all_.cohort.held_out, all_.budget)
    assert lesson.on("virtual-brain+lesion", labelled=1) is not few
