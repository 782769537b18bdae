"""Re-colouring: features learned by restoring the colours of grey images, Ross et al. [76] (section 3.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.semi.adversaries.discriminator import Discriminator, fixed, standing, taken_for, told_apart
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.data.task import Task

REACH = 2.5
"""Standard deviations below and above a channel's mean that become its 0 and its 1."""
SPREAD = 20.0
"""Of Lab values, which are divided by it: about the standard deviation of L in such an image."""


class ColourRestorer(Learner):
    """Learns the colours of images from their brightness alone, against a discriminator; no label is read.

    An image becomes L, its brightness, and a and b, its colours (`lab`). The network is given L in place of
    every channel, and its two outputs are a and b: they are to be near the true ones, and to look true to a
    discriminator that sees them with L: L_1 + adversarial * L_adv, on unlabelled images.

    Noted: `discriminator_accuracy`, and `colour_error`: |ab - predicted| over |ab|, sums over a batch; 1
    is the error of a grey image.

    Args:
        adversarial: of looking true, over being near. At .05 the colours were further from the true ones than
            grey is, after a chapter's training.
        opponents: the learning rate of the discriminator over the network's.
        width: channels of the discriminator's first convolution.

    Raises:
        ValueError: for images without three channels.
    """

    network: Any
    adversarial: Annotated[float, Field(ge=0)] = 0.01
    opponents: Annotated[float, Field(gt=0)] = 0.1
    width: Annotated[int, Field(ge=1)] = 16

    wants_unlabelled = True

    def build(self) -> None:
        """The network, with two outputs, and the discriminator."""
        super().build()
        expect_colours(self)
        self.discriminator = Discriminator(self.task.spatial_dims, 3, self.width)
        self.colour_error: Tensor
        self.register_buffer("colour_error", torch.ones(()))

    def built(self, name: str, recipe: Recipe) -> Any:
        """A network with two outputs."""
        return self.new_network(out_channels=2) if name == "network" else super().built(name, recipe)

    def phases(self) -> list[Phase]:
        """Restore; then discriminate."""
        told = self.discriminator.parameters()
        return [
            Phase("restore", self.network.parameters(), self.losses),
            Phase("discriminator", told, self.discriminator_losses, rate=lambda step: self.opponents),
        ]

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """How far the colours are from the true ones, and how easily they are told from them."""
        grey, true = lab(self.colour_images(batch))
        found = self.colours(grey)
        apart = (found - true).abs()
        self.note(colour_error=apart.detach().sum() / true.abs().sum().clamp(min=1e-6))
        judged = fixed(self.discriminator, torch.cat((grey, found), dim=1))
        return {"near": apart.mean(), "adversarial": self.adversarial * taken_for(judged, True)}

    def discriminator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """True colours against restored ones of the same images."""
        grey, true = lab(self.colour_images(batch))
        with torch.no_grad():
            found = self.colours(grey)
        real, other = (self.discriminator(torch.cat((grey, colours), dim=1)) for colours in (true, found))
        self.note(**standing(real, other))
        return {"told_apart": told_apart(real, other)}

    def colour_images(self, batch: Batch) -> Tensor:
        """The unlabelled patches `(M, 3, *S)`.

        Raises:
            ValueError: if there are none.
        """
        if batch.unlabelled is None:
            raise ValueError(f"{type(self).__name__}: expected a batch with unlabelled patches, got none")
        return batch.unlabelled

    def colours(self, grey: Tensor) -> Tensor:
        """a and b, `(N, 2, *S)`, of L `(N, 1, *S)`, in the scale of `lab`."""
        found: Tensor = self.network(grey.expand(-1, 3, *grey.shape[2:]))
        return found.float()

    def after_step(self, step: int) -> None:
        """Remember how well colours are restored: a running mean over some twenty steps."""
        self.colour_error.lerp_(torch.as_tensor(self.noted["colour_error"]).to(self.colour_error), 0.05)

    def predict(self, image: Tensor) -> Tensor:
        """Background everywhere, `(N, K, *S)`: it knows of no classes."""
        found = image.new_zeros(len(image), len(self.task.classes), *image.shape[2:], dtype=torch.float32)
        found[:, 0] = 1
        return found


class Recolouring(Supervised):
    """Learns features by restoring colours, then only its last layers learn from labels.

    A `ColourRestorer` is trained first. Its network's weights, without the last layer, are where this network
    begins; the encoder then stays as it is, and decoder and head learn from the labels. A feature that was
    not learned from colours is never learned: `coloured=False` tunes the same layers of a network with random
    weights, which says what the layers can do alone.

    Departures: the authors give the segmenter what the restorer sees, L; here it sees all three channels, as
    the network does that it is compared with. They tune the last layer alone; here, with 17 parameters for
    each class, that is `tuned="head"`.

    Noted: `restored`, the share of the colour of unlabelled images that the restorer got right at the end of
    its training: 1 less its `colour_error`.

    Args:
        tuned: which layers learn from labels: "decoder" is all but the encoder, "head" the last layer alone,
            "all" the whole network.
        coloured: whether the network begins with the restorer's weights; else with random ones.

    Raises:
        ValueError: for images without three channels.
    """

    tuned: Literal["head", "decoder", "all"] = "decoder"
    coloured: bool = True

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The restorer of colours."""
        if not cls.asked(arguments, "coloured"):
            return []
        known = {each.name for each in fields(ColourRestorer)} - {"loss"}
        return [recipe(ColourRestorer, **{name: value for name, value in arguments.items() if name in known})]

    def build(self) -> None:
        """The network, in which only the last layers learn."""
        super().build()
        expect_colours(self)
        parts = encoder_decoder(self.network)
        if self.tuned == "head":
            self.network.requires_grad_(False)
            parts.head.requires_grad_(True)
        elif self.tuned == "decoder":
            parts.encoder.requires_grad_(False)
        self.made: dict[str, float] = {}

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Begin with the restorer's weights, but for the last layer."""
        restorer: Any = teachers[0]
        head = next(name for name, part in self.network.named_modules() if part is self.network.head)
        weights = restorer.network.state_dict().items()
        learned = {name: value for name, value in weights if not name.startswith(f"{head}.")}
        self.network.load_state_dict(learned, strict=False)
        self.made = {"restored": 1 - restorer.colour_error.item()}
        return cohort

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised loss."""
        self.note(**self.made)
        return super().losses(batch, step)


def expect_colours(learner: Learner) -> None:
    """Raise a ValueError unless the task's images have three channels."""
    task: Task = learner.task
    if task.channels != 3:
        raise ValueError(
            f"{type(learner).__name__}: expected colour images of 3 channels (red, green, blue), "
            f"got {task.channels}"
        )


def lab(image: Tensor) -> tuple[Tensor, Tensor]:
    """L `(N, 1, *S)`, and a and b `(N, 2, *S)`, of images `(N, 3, *S)` in standard deviations.

    A prepared image has no colour balance any more: each channel has mean 0 and standard deviation 1. So the
    colours are those of the image balanced to grey: its values from -2.5 to 2.5 are taken for 0 to 1, in each
    channel alike, and a and b say where the channels differ. L is less its middle, and all are over 20, so
    that they have about the size of the values that a network is given.
    """
    from skimage.color import rgb2lab

    balanced = ((image.float() + REACH) / (2 * REACH)).clamp(0, 1)
    found = torch.from_numpy(rgb2lab(balanced.numpy(force=True), channel_axis=1)).to(image.device).float()
    return (found[:, :1] - 50) / SPREAD, found[:, 1:] / SPREAD
