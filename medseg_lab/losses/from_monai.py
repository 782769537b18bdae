"""The segmentation losses of MONAI as losses of this library: `monai.losses.TverskyLoss(beta=0.7)`.

They want to be told that they are given logits and a map of labels. That is settled here, for any of them
and without a list of them.
"""

import importlib
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from inspect import Parameter, Signature, isclass, signature
from typing import Any

import torch
from torch import Tensor, nn

from medseg_lab.losses.checks import at_least_float32, check_shapes, known

LOSSES = "monai.losses"
SETTLED = {"to_onehot_y": True, "softmax": True, "use_softmax": True}
"""Arguments that say what is given: logits of exclusive classes, and a map of labels."""
CERTAIN = 1e4
"""A logit whose softmax is 1 beside those of -1e4."""
NOT_FOR_RECIPES = {*SETTLED, "sigmoid", "other_act", "reduction", "ignore_index", "soft_label"}


@cache
def from_monai(name: str) -> Callable[..., "MonaiLoss"]:
    """What makes the loss that MONAI calls `name`, of its own arguments as keywords.

    Raises:
        ValueError: if MONAI has no such loss, naming those with similar names.
    """
    found = losses().get(name)
    if found is None:
        near = get_close_matches(name, losses(), n=3, cutoff=0.5)
        like = f" (like {' or '.join(near)})" if near else ""
        raise ValueError(f"expected a loss of {LOSSES} for logits and labels{like}, got {name!r}")

    def build(**arguments: Any) -> MonaiLoss:
        return MonaiLoss(found, arguments)

    own = [p for p in signature(found).parameters.values() if p.name not in NOT_FOR_RECIPES]
    build.__signature__ = Signature(  # type: ignore[attr-defined]
        [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own]
    )
    build.__name__ = build.__qualname__ = name
    return build


@cache
def losses() -> dict[str, type[nn.Module]]:
    """The losses of `monai.losses` that can be told to take logits and labels; importing it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(LOSSES)
    classes: dict[str, Any] = {
        name: each for name, each in vars(module).items() if isclass(each) and each.__name__ == name
    }
    taken = {name: SETTLED.keys() & signature(each).parameters for name, each in classes.items()}
    return {name: classes[name] for name in sorted(taken) if len(taken[name]) == 2}


class MonaiLoss:
    """A loss of MONAI for logits `(N, K, *S)` and a label `(N, *S)`.

    Where the label is `IGNORE`, MONAI is given the background, and a prediction that is certain of it: that
    is no error and has no gradient. (Where a loss is a mean over voxels, these are among them.)

    Args:
        made: MONAI's class.
        arguments: as it calls them.

    Raises:
        ValueError: if it cannot be built so.
    """

    def __init__(self, made: type[nn.Module], arguments: dict[str, Any]) -> None:
        self.__name__ = made.__name__
        told = {name: value for name, value in SETTLED.items() if name in signature(made).parameters}
        try:
            self.loss = made(**told, **arguments)
        except Exception as error:  # whatever MONAI finds wrong with the arguments
            raise ValueError(f"{made.__name__}: {' '.join(str(error).split())}") from error

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar; arguments and errors as in `CrossEntropy`."""
        check_shapes(logits, label)
        with torch.autocast(logits.device.type, enabled=False):
            is_known = known(label).unsqueeze(1)
            z = at_least_float32(logits)
            certain = torch.full_like(z, -CERTAIN)
            certain[:, 0] = CERTAIN
            found: Tensor = self.loss(z.where(is_known, certain), label.unsqueeze(1) * is_known)
            return found
