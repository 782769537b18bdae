"""Rows, and the loss that is not finite."""

import pandas as pd
import pytest
import torch

from medseg_lab.training.curves import Curves, joined


def test_a_loss_that_a_step_lacks_stays_empty(tmp_path):
    curves = Curves()
    curves.add(0, 0.1, {"dice": torch.tensor(1.0)})
    curves.add(1, 0.1, {"dice": torch.tensor(0.5), "kl": torch.tensor(2.0)})
    curves.write(tmp_path / "curves.csv")
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0] == "step,seconds,lr,dice,kl"
    assert lines[1].startswith("0,")
    assert lines[1].endswith(",0.1,1.0,")
    assert lines[2].endswith(",0.1,0.5,2.0")
    joined([pd.read_csv(tmp_path / "curves.csv")]).write(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text().splitlines() == lines


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_the_error_names_the_step_and_every_term(bad):
    curves = Curves(every=2)
    curves.add(0, 0.1, {"dice": torch.tensor(1.0), "kl": torch.tensor(float(bad))})
    with pytest.raises(FloatingPointError, match=f"step 0: .*dice = 1, kl = {bad}"):
        curves.add(1, 0.1, {"dice": torch.tensor(float("nan"))})
    assert curves.rows == []


def test_what_is_noted_is_no_loss_and_its_mean_is_that_of_the_second_half(tmp_path):
    curves = Curves(every=1)
    for step, kept in enumerate((0.0, 1.0, 0.25, None)):
        curves.add(step, 0.1, {"dice": torch.tensor(1.0)}, {} if kept is None else {"kept": kept})
    assert curves.activity == {"kept": 0.25}
    assert curves.latest == "dice 1.000"
    curves.write(tmp_path / "curves.csv")
    again = joined([pd.read_csv(tmp_path / "curves.csv")])
    assert again.activity == curves.activity


def test_steps_count_what_is_not_fetched_yet():
    curves = Curves(every=10)
    curves.add(0, 0.1, {"dice": torch.tensor(1.0)})
    assert (curves.steps, curves.rows, curves.latest) == (1, [], "")
    curves.settle()
    assert curves.latest == "dice 1.000"


def test_seconds_go_on_after_a_stop():
    assert Curves([{"step": 0, "seconds": 50.0, "lr": 0.1}]).seconds == pytest.approx(50.0, abs=0.5)
