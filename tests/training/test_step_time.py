"""A few steps of the loop, timed and thrown away."""

import torch
from learning_toys import Voxelwise, tiny_budget, tiny_cohort

from medseg_lab.training import step_time
from medseg_lab.training.recipe import recipe
from medseg_lab.training.step_time import step_seconds


def test_the_shortest_step_after_the_first_counts_and_no_chance_is_used_up(monkeypatch):
    clock = iter([10.0, 13.0, 13.5, 15.5])  # the first step, with all that comes before it, ends at 10
    monkeypatch.setattr(step_time.time, "process_time", lambda: next(clock))
    before = torch.get_rng_state()
    assert step_seconds(recipe(Voxelwise), tiny_cohort(), tiny_budget(steps=4)) == 0.5
    assert torch.equal(torch.get_rng_state(), before)


def test_no_more_steps_begin_when_the_time_is_up(monkeypatch):
    ends = []
    monkeypatch.setattr(step_time.time, "process_time", lambda: ends.append(1.0) or float(len(ends)))
    assert step_seconds(recipe(Voxelwise), tiny_cohort(), tiny_budget(steps=100), most=0) == 1
    assert len(ends) == 2
