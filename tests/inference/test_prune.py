"""A recipe for pruning; `networks/test_unetpp` tests the network, `training/test_change` the run."""

import pytest
from toys import SMALL, task

from medseg_lab.inference.prune import pruned
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised


def test_the_learner_gets_the_pruned_network():
    learner = Supervised(task(2), network=recipe(UNetPlusPlus, features=(4, 6, 8)))
    assert pruned(learner, depth=1) is learner
    assert learner.network.widths == (4, 6)


def test_a_network_that_cannot_be_pruned_is_refused():
    said = r"pruned: expected .* can be pruned \(UNetPlusPlus\), got one of UNet"
    with pytest.raises(ValueError, match=said):
        pruned(Supervised(task(2), network=SMALL), depth=1)
