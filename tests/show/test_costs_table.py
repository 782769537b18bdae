"""The table of costs: counted by hand, and of one training whatever else the process did."""

import re

import pytest
import torch
from torch import nn
from toys import SMALL, task, tiny_cohort

from medseg_lab.inference.model_ensemble import ModelEnsemble
from medseg_lab.show.costs_table import cost_table, costs_page, memory
from medseg_lab.training.budget import Budget
from medseg_lab.training.fit import fit
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.step_memory import step_memory
from medseg_lab.training.supervised import Supervised


class Summed(Learner):
    """Two phases of one network each; the second keeps more."""

    def build(self):
        super().build()
        self.small = nn.Conv2d(1, 2, 3, padding=1)
        self.large = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.LeakyReLU(inplace=True), nn.Conv2d(2, 3, 3, padding=1)
        )
        self.memory = nn.Buffer(torch.zeros(10))

    def phases(self):
        def losses(network):
            return lambda batch, step: {"sum": network(batch.image).sum()}

        return [Phase(n, getattr(self, n).parameters(), losses(getattr(self, n))) for n in ("large", "small")]


def test_what_a_step_holds_by_hand():
    # The larger phase keeps the image and one map of two channels; of each weight there are four: itself, its
    # gradient and two means; the buffer is there once.
    weights = (2 * 9 + 2) + (2 * 9 + 2) + (3 * 2 * 9 + 3)
    learner, before = Summed(task(2)), torch.get_rng_state()
    assert step_memory(learner, (5, 1, 8, 8)) == 4 * (4 * weights + 10 + 5 * 64 * (1 + 2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))
    made = {
        name: recipe(Supervised, network=SMALL, learning_rate=r) for name, r in (("A", 4e-3), ("B", 1e-3))
    }
    made["both"] = recipe(ModelEnsemble, learners=[made["A"], made["B"]])
    cohort, budget = tiny_cohort(2, 3), Budget(steps=2, voxels=2 * 16 * 16, patch=16)
    return {name: [fit(r, cohort, budget, 0, store=store, progress=False)] for name, r in made.items()}


def test_each_number_stands_in_its_column(runs):
    record = runs["A"][0].record
    markup, plain = costs_page(runs)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", markup)]
    assert [row[0] for row in rows] == ["method", "A", "B", "both"]
    assert rows[1][1] == f"{record.parameters:,}"
    assert rows[1][3] == f"{record.seconds / 2:.3g}"
    assert rows[1][4] == f"{memory(runs['A'][0]) / 1e6:.3g}"
    assert "trained networks" in plain
    assert "trained networks" not in costs_page({"A": runs["A"]})[1]


def test_large_numbers_are_written_out(monkeypatch, runs):
    monkeypatch.setattr("medseg_lab.show.costs_table.memory", lambda run: 1_234_400_000)
    assert "<td>1,234</td>" in costs_page({"A": runs["A"]})[0]


def test_an_ensemble_costs_its_trainings_and_the_memory_of_one(runs):
    flops = {name: found[0].record.step_flops for name, found in runs.items()}
    assert flops["both"] == flops["A"] + flops["B"]
    assert memory(runs["both"][0]) == memory(runs["A"][0]) == memory(runs["B"][0])


def test_a_method_without_a_run_is_named(runs, shown):
    with pytest.raises(ValueError, match="got none of B"):
        cost_table({**runs, "B": []})
    cost_table(runs)
    assert "FLOPs a voxel" in shown[0]["text/html"]
