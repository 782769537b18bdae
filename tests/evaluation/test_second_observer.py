"""The second observer as a row of a table."""

import pytest
import torch
from toys import task

from medseg_lab.data.case import Case
from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.second_observer import second_observer


def two(first, second):
    labels = torch.tensor([[first], [second]], dtype=torch.uint8)
    return Case("a", "p", torch.zeros(1, 1, len(first)), labels, None)


def test_it_is_scored_against_the_first_and_compares_as_a_method_does():
    case = two([1, 1, 1, 0], [0, 1, 1, 1])
    table = second_observer([case], task(2, 2), width=1, seeds=2)
    assert table["dice"].tolist() == pytest.approx([4 / 6] * 2)
    assert table["seed"].tolist() == [0, 1]
    assert table["thin_recall"].tolist() == pytest.approx([2 / 3] * 2)  # a line one pixel wide
    other = table.assign(thin_recall=0.5)
    found = compare({"second observer": table, "method": other}, "thin_recall", part="test")
    assert found.of("method").mean() == 0.5


def test_one_rater_has_no_second():
    case = two([1, 0], [1, 0])
    alone = Case("a", "p", case.image, case.labels[:1], None)
    with pytest.raises(ValueError, match="case a: expected 2 raters or more, got 1"):
        second_observer([alone], task(2, 2), width=1)
