"""Which trainings did harm, and whether validation cases said so."""

import numpy as np
import pandas as pd
import pytest

from medseg_lab.evaluation.comparison import compare
from medseg_lab.show.told import CORNERS, gains, gains_on_record, in_words, told
from tests.evaluation.test_comparison import results
from tests.show.legible import assert_legible

FOUND = pd.DataFrame(
    {
        "method": ["Mean Teacher", "Mean Teacher", "shifted", "wrong prior"],
        "seed": [0, 1, 0, 0],
        "validation": [0.02, -0.01, 0.01, -0.02],
        "test": [0.01, 0.02, -0.03, -0.01],
    }
)


def compared(part: str, **values: list[list[float]]):
    """Dice of each method, seed by case, every case of a patient of its own, on a part."""
    made = {name: results(np.array(of)[..., None]).assign(part=part) for name, of in values.items()}
    return compare(made, part=part, baseline="labels")


def test_a_difference_is_the_mean_over_patients_of_one_training():
    validation = compared("validation", labels=[[0.5, 0.7], [0.6, 0.6]], ours=[[0.6, 0.6], [0.8, 0.6]])
    test = compared("test", labels=[[0.5], [0.5]], ours=[[0.4], [0.8]])
    found = gains(validation, test)
    assert list(found["method"]) == ["ours", "ours"]
    assert found["validation"].tolist() == pytest.approx([0.0, 0.1])
    assert found["test"].tolist() == pytest.approx([-0.1, 0.3])


def test_two_comparisons_of_one_part_are_refused():
    test = compared("test", labels=[[0.5], [0.5]], ours=[[0.4], [0.8]])
    with pytest.raises(ValueError, match="expected validation and test, got 'test' and 'test'"):
        gains(test, test)


def test_each_corner_is_counted():
    said = dict(text.rsplit(": ", 1) for text in in_words(FOUND))
    assert set(said.values()) == {"1 training"}
    assert list(said) == list(CORNERS.values())
    assert dict(text.rsplit(": ", 1) for text in in_words(FOUND[:1]))[CORNERS[True, True]] == "1 training"


@pytest.mark.filterwarnings("error")
def test_the_figure_can_be_read():
    many = pd.concat([FOUND.assign(method=f"{FOUND['method'][0]} {n}") for n in range(10)])
    for found in (FOUND, many):
        fig = told(found, {"validation": 1, "test": 52})
        assert_legible(fig)
        assert "1 validation patient" in fig.axes[0].get_xlabel()
        assert "hurts, validation is content" in fig.get_label()


def test_nothing_on_record_is_empty():
    methods = {"labels": "U-Net with dropout", "ours": "Mean Teacher"}
    assert gains_on_record(methods, "labels", "no such data", 2)[0].empty
