"""What decides claims is declared once, and agrees with what is measured."""

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.ledger import COLUMNS
from medseg_lab.evaluation.metrics import METRICS, UNBOUNDED
from medseg_lab.evaluation.sample_judge import scores
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.survey import measures as module
from medseg_lab.survey.claims import claims
from medseg_lab.survey.measures import Measure, measure, measures


def test_metrics_are_measures_and_distances_are_better_when_lower():
    for name in METRICS:
        declared = measure(name)
        assert declared.per == "case"
        assert declared.better == ("lower" if name in UNBOUNDED else "higher")
        assert declared.digits == (1 if name in UNBOUNDED else 3)


def test_measures_of_runs_are_columns_of_the_ledger():
    of_runs = {one.id for one in measures() if one.per == "run"}
    assert of_runs
    assert of_runs <= set(COLUMNS)


def test_a_measure_is_scored_by_a_judge_or_stands_for_a_claim():
    labels = torch.zeros(1, 2, 2, dtype=torch.uint8)
    case = Case("c", "p", torch.zeros(1, 2, 2), labels, None, torch.full((2, 2, 2), 0.5))
    one = Drawn(case, torch.full((1, 2, 2, 2), 0.5), torch.ones(2, 2))
    (row,) = scores(one, Task(1, ("background", "a"), 2))
    assert set(row) <= {one.id for one in measures() if one.per == "case"}
    # shown, and decides nothing: of all cases together, of runs, beside what is lost under attack, in pixels
    scored = {*METRICS, *row, "ece", "seconds", "peak_memory_mb", "attacked_dice", "nsd_pixels"}
    assert {one.id for one in measures()} - scored <= {claim.metric for claim in claims()}


def test_amounts_are_printed_in_the_measures_unit():
    assert measure("dice").written(0.0123) == "+0.012"
    assert measure("dice").written(-0.0001) == "+0.000"
    assert measure("dice").written(0.01, signed=False) == "0.01"
    assert measure("hd95").written(-1.26) == "−1.3"
    assert measure("hd95").written(0.5, signed=False) == "0.5 mm"
    assert measure("seconds").written(0.123) == "+12%"
    assert measure("seconds").written(-1.5) == "−150%"
    assert measure("seconds").written(0.1, signed=False) == "10%"


def test_an_unknown_measure_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="metric: expected one of dice, iou"):
        measure("Dice")


def test_mistakes_in_the_table_are_found(monkeypatch):
    with pytest.raises(ValueError, match="x: expected an exact measure to be one of a run"):
        Measure(id="x", title="x", better="lower", exact=True)
    row = {"id": "x", "title": "x", "better": "lower"}
    monkeypatch.setattr(module, "read", lambda name: {"measure": [row, row]})
    measures.cache_clear()
    with pytest.raises(ValueError, match="twice"):
        measures()
    monkeypatch.undo()
    measures.cache_clear()
    with pytest.raises(ValueError, match="x: expected what is noted to be of a run"):
        Measure(id="x", title="x", better="lower", noted="kept")
