"""A choice is made on validation cases alone."""

import pytest
import torch
from toys import Constant, tiny_budget, tiny_cohort

from medseg_lab.evaluation.choose import choose
from medseg_lab.evaluation.protocol import Protocol
from medseg_lab.training.changed import Changed
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised


class Ball(Changed):
    """Marks a ball of this size, whatever it was asked about."""

    size: float

    def finish(self, probabilities, image):
        axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in image.shape[1:]), indexing="ij")
        inside = (sum(axis**2 for axis in axes) < self.size).to(probabilities)
        return torch.stack([1 - inside, inside])


def ball(size: float) -> Recipe:
    return recipe(Ball, learner=recipe(Supervised, network=recipe(Constant)), size=size)


@pytest.fixture
def protocol(tmp_path):
    """Its validation case is a ball of .65, its test case, which it scores, one of .68."""
    cohort = tiny_cohort(shape=(20, 19, 18))
    return Protocol(cohort, tiny_budget(steps=1), RunStore(tmp_path), ("test",), seeds=1, workers=1)


def test_the_best_on_validation_is_chosen_and_the_test_part_stays_sealed(protocol):
    found = choose(protocol, {"small": ball(0.3), "of the test": ball(0.68), "of validation": ball(0.65)})
    assert (found.name, found.recipe) == ("of validation", ball(0.65))
    assert found.comparison.part == "validation"
    assert found.comparison.table["mean"]["of validation"] == 1 > found.comparison.table["mean"].iloc[1]
    assert protocol.cohort.openings == []
    runs = protocol.store.runs()
    assert [run.record.test_opened for run in runs] == [()] * len(runs)
    assert sum(not run.record.bases for run in runs) == 1  # one training for all of them


def test_of_a_distance_the_smallest_wins_and_of_equals_the_first(protocol):
    candidates = {"small": ball(0.3), "right": ball(0.65), "as right": ball(0.6501)}
    assert choose(protocol, candidates, metric="hd95").name == "right"


def test_what_cannot_be_chosen_from_is_refused(protocol):
    with pytest.raises(ValueError, match="candidates: expected two or more, got 1"):
        choose(protocol, "U-Net")
    with pytest.raises(ValueError, match="expected one of which a way is better, got 'diversity'"):
        choose(protocol, "U-Net", "U-Net++", metric="diversity")
