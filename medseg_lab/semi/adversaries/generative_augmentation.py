"""Task-driven generative augmentation: Chaitanya et al. [71] (section 3.4, figure 15)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.blocks import CONV, conv
from medseg_lab.semi.adversaries.discriminator import Discriminator, fixed, standing, taken_for, told_apart
from medseg_lab.semi.adversaries.game import Game
from medseg_lab.semi.transforms.jacobian import jacobian_determinant
from medseg_lab.semi.transforms.warp import pull
from medseg_lab.training.learner import Phase

COARSER = 4
"""Displacements have a control point every 2^4 = 16 voxels, as the random warps of section 3.2 have."""
FINER = 2
"""Intensities have one every 2^2 = 4 voxels, so that they can follow a structure."""
FURTHEST = 1 / 3
"""A control point moves at most by this share of the distance to the next, as in section 2.3.1."""
REACH = FURTHEST * 2**COARSER
"""What that is, in voxels."""
BRIGHTEST = 1.0
"""At most so much is added to a voxel, in standard deviations of an image."""


class FieldGenerator(nn.Module):
    """Control points of a smooth field, from an image and from chance: `(N, C, *S)` to `(N, F, *G)`.

    Convolutions halve the image down to the control points; there noise joins their features. What comes out
    lies between -1 and 1.

    Args:
        spatial_dims: 2 or 3.
        channels: C.
        outputs: F.
        halvings: 2^halvings voxels lie between two control points.
        width: channels after the first convolution, doubled by each further one, and channels of the noise.
    """

    def __init__(self, spatial_dims: int, channels: int, outputs: int, halvings: int, width: int) -> None:
        super().__init__()
        widths = [channels, *(width * 2**level for level in range(halvings))]
        self.noise = width
        self.features = nn.Sequential(
            *(conv(spatial_dims, here, below, stride=2, norm="none") for here, below in pairwise(widths))
        )
        self.field = nn.Sequential(
            conv(spatial_dims, widths[-1] + width, widths[-1], norm="none"),
            CONV[spatial_dims](widths[-1], outputs, 1),
            nn.Tanh(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Another field in each call, from PyTorch's global generator."""
        features = self.features(image)
        z = torch.randn((len(image), self.noise, *features.shape[2:]), device=image.device)
        found: Tensor = self.field(torch.cat((features, z), dim=1))
        return found.float()


class Fields(NamedTuple):
    """What is done to patches.

    Args:
        displacement: u, `(N, d, *S)` in voxels: a new patch shows at p what the old one has at p + u(p).
        intensity: what is added then, `(N, C, *S)`.
    """

    displacement: Tensor
    intensity: Tensor


class GenerativeAugmentation(Game):
    """Generators deform labelled patches and change their intensities; the segmenter learns from these, too.

    One generator gives a deformation, which moves image and label, the other an intensity that is added to
    the image. Both read the patch, and noise. They learn three things at once. A discriminator, which has
    the labelled and the unlabelled patches as examples of real ones, should take the result for real. The
    segmenter should segment it as its label says: they are driven by the task. And fields should be large,
    since to leave a patch as it is would do for the first two. The segmenter minimises its loss on generated
    patches as on labelled ones. Unlabelled images are looked at by the discriminator alone.

    Noted: `strength`, the root mean square of the displacements, in voxels; `contrast`, that of what is
    added; `folded`, the share of voxels about which a deformation is not one-to-one; `varied`, how far two
    deformations of one patch are apart: their mean squared difference over twice their mean square, 1 where
    they have nothing in common, 0 where they are the same; and `discriminator_accuracy`.

    Departures: the authors' fields have a value a voxel; here they are smooth between control points, none
    of which moves further than `FURTHEST` allows. Their z is a vector, here a map. They reward the mean of
    |v|, which one large field for all images has, too; here the reward is how far two draws for one patch
    are apart. They train the generators with a segmenter, and then another one on what these generate:
    deformed patches, others of changed intensity, and third ones with both; here there is one training, and
    each generated patch has both. Their task loss is the segmenter's; here it is cross-entropy with the
    label moved linearly, so that its gradient knows that the label moves with the image.

    Args:
        weight: of generated patches over labelled ones.
        ramp: shorter than in other methods, since the segmenter knows its task when the game begins.
        learned: False shows the segmenter random fields of the same root mean square instead. The generators
            still learn, and cost as much; so the difference is what they have learned.
        large: what size is worth to the generators; the authors' 0.001 was for displacements in voxels.
        driven: what the segmenter's loss is worth to them; at 0 the discriminator alone is their judge.
        width: channels of the first convolution of the generators and of the discriminator.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    ramp: Annotated[float, Field(gt=0, le=1)] = 0.25
    learned: bool = True
    large: Annotated[float, Field(ge=0)] = 1.0
    driven: Annotated[float, Field(ge=0)] = 1.0
    width: Annotated[int, Field(ge=1)] = 16

    term = "generated"

    def build(self) -> None:
        """The segmenter; the two generators; the discriminator."""
        super().build()
        dims, channels = self.task.spatial_dims, self.task.channels
        self.deformation = FieldGenerator(dims, channels, dims, COARSER, self.width)
        self.intensity = FieldGenerator(dims, channels, channels, FINER, self.width)
        self.discriminator = Discriminator(dims, channels, self.width)

    def others(self) -> list[Phase]:
        """The two generators at once, then the discriminator."""
        generators = [*self.deformation.parameters(), *self.intensity.parameters()]
        return [
            Phase("generators", generators, self.generators_losses, rate=self.opponents_rate),
            Phase(
                "discriminator",
                self.discriminator.parameters(),
                self.discriminator_losses,
                rate=self.opponents_rate,
            ),
        ]

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The segmenter's own loss, on generated patches with their labels."""
        with torch.no_grad():
            fields = self.fields(batch.image)
            if not self.learned:
                fields = at_random(fields)
            image, planes = changed(batch, fields, len(self.task.classes))
        self.note(
            strength=rms(fields.displacement).mean(),
            contrast=rms(fields.intensity).mean(),
            folded=(jacobian_determinant(fields.displacement) <= 0).float().mean(),
        )
        label = planes.argmax(dim=1)
        loss: Tensor = self.loss(self.network(image), label.where(label < len(self.task.classes), IGNORE))
        return loss

    def generators_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """What the discriminator, the segmenter and the reward for large fields say of generated patches."""
        fields, others = self.fields(batch.image), self.fields(batch.image)
        image, planes = changed(batch, fields, len(self.task.classes))
        apart = [first - second for first, second in zip(fields, others, strict=True)]
        size = apart[0].abs().mean() / REACH + apart[1].abs().mean() / BRIGHTEST
        squares = rms(fields.displacement).square() + rms(others.displacement).square()
        self.note(varied=(rms(apart[0]).square() / squares).mean().detach())
        found = {"taken": taken_for(fixed(self.discriminator, image), True), "size": -self.large * size}
        if self.driven:
            said = fixed(self.network, image).float().log_softmax(dim=1)
            found["task"] = -self.driven * (planes[:, :-1] * said).sum(dim=1).mean()
        return found

    def discriminator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Labelled and unlabelled patches are real, generated ones are not."""
        with torch.no_grad():
            generated, _ = changed(batch, self.fields(batch.image), len(self.task.classes))
        real = self.discriminator(torch.cat((batch.image, self.unlabelled(batch))))
        other = self.discriminator(generated)
        self.note(**standing(real, other))
        return {"told_apart": told_apart(real, other)}

    def fields(self, image: Tensor) -> Fields:
        """What the generators do to patches `(N, C, *S)`; something else in each call."""
        shape = image.shape[2:]
        return Fields(
            REACH * smooth(self.deformation(image), shape), BRIGHTEST * smooth(self.intensity(image), shape)
        )


def changed(batch: Batch, fields: Fields, classes: int) -> tuple[Tensor, Tensor]:
    """The labelled patches, deformed, with the intensity added; and where their labels went.

    Beyond a patch its border goes on.

    Args:
        classes: K.

    Returns:
        The images `(N, C, *S)`, and the shares of each voxel that each class has, `(N, K + 1, *S)`: last
        comes what nobody annotated.
    """
    values = [*range(classes), IGNORE]
    planes = torch.stack([batch.label == value for value in values], dim=1).float()
    moved = pull(torch.cat((batch.image, planes), dim=1), fields.displacement, padding="border")
    image, planes = moved.split([batch.image.shape[1], len(values)], dim=1)
    return image + fields.intensity, planes


def at_random(fields: Fields) -> Fields:
    """Fields of chance alone, with as many control points as `fields`, and of the same root mean square."""
    found = []
    for field, halvings in zip(fields, (COARSER, FINER), strict=True):
        points = [-(-edge // 2**halvings) for edge in field.shape[2:]]
        noise = smooth(torch.randn((*field.shape[:2], *points), device=field.device), field.shape[2:])
        sizes = (rms(field) / rms(noise)).view(-1, *[1] * (field.ndim - 1))
        found.append(sizes * noise)
    return Fields(*found)


def smooth(control: Tensor, shape: Sequence[int]) -> Tensor:
    """A field between its control points: `(N, F, *G)` to `(N, F, *shape)`."""
    mode = {2: "bicubic", 3: "trilinear"}[len(shape)]
    return F.interpolate(control, size=tuple(shape), mode=mode, align_corners=False)


def rms(field: Tensor) -> Tensor:
    """The root mean square of each patch of `(N, F, *S)`, over all else: `(N,)`."""
    return field.square().flatten(1).mean(dim=1).sqrt()
