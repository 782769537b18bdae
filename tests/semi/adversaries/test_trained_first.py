"""A game goes on from the labels alone, for a share of its steps, at a share of its rate."""

from toys import SMALL, differing, task

from medseg_lab.semi.adversaries.deep_adversarial_network import DeepAdversarialNetwork
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised


def test_it_rests_on_its_twin_and_takes_over_its_weights():
    (teacher,) = DeepAdversarialNetwork.teachers({"network": SMALL, "learning_rate": 1e-3, "width": 4})
    assert teacher == recipe(Supervised, network=SMALL, learning_rate=1e-3)
    learner = DeepAdversarialNetwork(task(2, 3), network=SMALL, share=0.25, rate=0.5)
    trained = Supervised(task(2, 3), network=SMALL)
    assert differing(learner.network, trained.network)
    learner.learn_from(None, [trained])
    assert differing(learner.network, trained.network) == []
    assert learner.steps_within(100) == 25
    segment, evaluator = learner.phases()
    assert (segment.rate(3), evaluator.rate(3)) == (0.5, learner.opponents)


def test_without_weight_there_is_no_game_to_begin():
    assert DeepAdversarialNetwork.teachers({"network": SMALL, "weight": 0.0}) == []
    learner = DeepAdversarialNetwork(task(2, 3), network=SMALL, weight=0.0)
    assert learner.steps_within(100) == 100
    assert [phase.rate(3) for phase in learner.phases()] == [1.0]
