"""Full supervision: one network, one loss, labels for every patch (survey 2)."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import Recipe, defaults, recipe


class Supervised(Learner):
    """Minimise a loss of the network's logits against the label.

    A network with `heads` (U-Net++ [28]) is trained with deep supervision: the loss is the mean over its
    heads, each at full resolution.

    A module inside the network that has `activity()` says there, by name, what its idea did in the forward
    pass: scalars without gradient, such as how far offsets reach. They are noted (`Learner.note`): the mean
    over the modules that use the same name, so that claims can ask for it. A loss may have `activity(logits,
    label)`, too. One with a weight map is given the weights of the patches, there and when it is computed.
    """

    network: Any

    @classmethod
    def twin(cls, arguments: Mapping[str, Any], **more: Any) -> Recipe:
        """Labels alone: network, loss and all else that a supervised learner knows too."""
        known = {each.name for each in fields(Supervised)}
        return recipe(Supervised, **{k: v for k, v in arguments.items() if k in known} | more)

    @classmethod
    def asked(cls, arguments: Mapping[str, Any], name: str) -> Any:
        """An argument of a recipe, or its default."""
        known: Callable[..., Any] = cls
        return arguments.get(name, defaults(known)[name])

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One term, named after the loss."""
        heads: Callable[[Tensor], tuple[Tensor, ...]] | None = getattr(self.network, "heads", None)
        outputs = heads(batch.image) if heads else (self.network(batch.image),)
        return self.of_pixels(outputs, batch)

    def of_pixels(self, outputs: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        """The loss of the logits of one or several heads; notes what the loss and the network did."""
        weights = () if batch.weight is None else (batch.weight,)
        if says := getattr(self.loss, "activity", None):
            self.note(**says(outputs[-1], batch.label, *weights))
        self.note(**activity(self.network))
        terms = [self.loss(logits, batch.label, *weights) for logits in outputs]
        return {self.loss_name: torch.stack(terms).mean()}

    def predict(self, image: Tensor) -> Tensor:
        """Softmax of the logits, in float32: `(N, C, *S)` to `(N, K, *S)`."""
        logits: Tensor = self.network(image)
        return logits.float().softmax(dim=1)


def activity(network: nn.Module) -> dict[str, Tensor]:
    """What the modules of a network say that they did in its latest forward pass, name by name."""
    found = defaultdict(list)
    for module in network.modules():
        for name, number in getattr(module, "activity", dict)().items():
            found[name].append(number)
    return {name: torch.stack(numbers).mean() for name, numbers in found.items()}
