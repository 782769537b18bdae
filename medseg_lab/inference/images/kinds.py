"""What a trained learner does besides predicting patches."""

from typing import Any

from medseg_lab.inference.model_ensemble import ModelEnsemble
from medseg_lab.training.changed import Changed
from medseg_lab.training.segmenter import Segmenter

NO_STEP = (Segmenter.finish, Changed.finish, ModelEnsemble.finish)
"""Case-level steps that leave probabilities as they are."""


def can_sample(learner: Segmenter) -> bool:
    """Whether its samples differ (`Segmenter.sample`)."""
    inner: Any = learner
    while type(inner).sample is Changed.sample:
        inner = inner.learner
    return type(inner).sample is not Segmenter.sample


def needs_whole(learner: Segmenter) -> bool:
    """Whether it, or a learner in it, has a step on the whole case (`Segmenter.finish`)."""
    parts = [part for part in learner.modules() if isinstance(part, Segmenter)]
    return any(type(part).finish not in NO_STEP for part in parts)
