"""A trained U-Net++ cut to a smaller one (section 2.1.1)."""

from typing import Any


def pruned(learner: Any, depth: int) -> Any:
    """The learner with its U-Net++ cut to `depth`: fewer parameters, no training.

    Args:
        learner: with a `network` that can be pruned (`medseg_lab.networks.unetpp.UNetPlusPlus`).
        depth: how far up the nested decoders go, 1 for the shallowest.

    Raises:
        ValueError: if its network cannot be pruned, or has no such depth.
    """
    cut = getattr(learner.network, "pruned", None)
    if cut is None:
        name = type(learner.network).__name__
        raise ValueError(
            f"pruned: expected a learner whose network can be pruned (UNetPlusPlus), got one of {name}"
        )
    learner.network = cut(depth)
    return learner
