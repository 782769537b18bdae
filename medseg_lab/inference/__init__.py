"""From a learner to the prediction of a whole case."""
