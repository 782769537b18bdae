"""The three-step cascade [37]: find the whole, crop, find what lies inside, crop, find the core (2.1.4)."""

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.inference.predict import covered
from medseg_lab.nested.boxes import Box, alike, box_of, cut_out, share_inside, without_islands
from medseg_lab.nested.regions import class_probabilities, region_labels
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.schedule import learning_rate


class Cascade(Learner):
    """A network for each nested region (`Task.nested`), which reads the box around the region outside it.

    The first network looks for the outermost region in the whole image. The box around what it finds, with a
    margin, is cut out, and the second network looks for the next region there; and so on. With one foreground
    class there is one network, and no cascade.

    In a training step one network learns, so a cascade of L networks costs no more to train than a single
    network of the same width that makes as many steps; each of its networks has made a share 1/L of them.
    The operations of a step, as a run records them, are those of the last: of one network, in its box.

    Where steps disagree, the later one is right: it has seen the region closer. A voxel that it finds belongs
    to all regions outside, too. Where a step finds nothing, the steps behind it are not asked.

    After Wang et al., recalled rather than read: three networks for whole tumour, core and enhancing core,
    trained one by one on boxes of the true regions. Ours: any `network`, any number of regions, and one
    margin for all axes. Boxes leave out islands, components with less than a tenth of the largest's voxels:
    one false voxel far away would make a box as large as the image. Boxes of a batch are brought to the size
    of the largest; of a patch that has no region outside, the middle is read, so that the networks of later
    steps learn to find nothing, too.

    Prediction is a matter of whole cases (`finish`). Of a patch alone, `predict` tells what the first step
    knows: outermost region or not; all of it is given to that region's own class.

    Args:
        order: "stepwise" trains the networks one after the other, each for an equal part of the steps and
            with a learning rate that rises and falls within its part; "in turn" gives each step to the next
            network, from the beginning.
        boxes: around what they lie in training: the "true" region, or what the networks before find at that
            moment ("predicted").
        margin: voxels that a box is grown by on each side.
    """

    network: Any
    order: Literal["stepwise", "in turn"] = "stepwise"
    boxes: Literal["true", "predicted"] = "true"
    margin: Annotated[int, Field(ge=0)] = 4

    def built(self, name: str, recipe: Recipe) -> Any:
        """A network for each region; it has two classes, inside and outside."""
        if name != "network":
            return super().built(name, recipe)
        return nn.ModuleList(self.new_network(out_channels=2) for _ in self.task.nested)

    def phases(self) -> list[Phase]:
        """One, whose learning rate begins anew where stepwise training goes on to the next network."""
        rate = self._rate if self.order == "stepwise" else lambda step: 1.0
        return [Phase("train", self.parameters(), self.losses, rate)]

    def trained(self, step: int) -> int:
        """Which network learns in a step; the first, where it is not known how many steps there are."""
        count = len(self.task.nested)
        if self.order == "in turn":
            return step % count
        return min(step * count // self.steps, count - 1) if self.steps else 0

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss of the network that learns, on the boxes of the region outside its own."""
        level, (image, label) = self.trained(step), (batch.image, batch.label)
        for outside in range(level):
            image, label = self._cropped(outside, image, label)
        name = f"step_{level + 1}.{self.loss_name}"
        if level:
            self.note(patch_share=image[:, :1].numel() / batch.label.numel())
        target = region_labels(label, self.task.nested[level : level + 1])[:, 0]
        return {name: self.loss(self.network[level](image), target)}

    def region(self, label: Tensor, level: int) -> Tensor:
        """Where a label map has the region of a level, bool."""
        return torch.isin(label, torch.tensor(self.task.nested[level], device=label.device))

    def predict(self, image: Tensor) -> Tensor:
        """What the first step knows of patches `(N, C, *S)`, as class probabilities `(N, K, *S)`."""
        inside = self._likely(0, image)
        inner = [torch.zeros_like(inside)] * (len(self.task.nested) - 1)
        return class_probabilities(torch.cat([inside, *inner], dim=1), self.task.nested)

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """All later steps, each in the box of what the one before found in the case: `(K, *S)`."""
        return self.narrowed(probabilities, image)[0]

    def narrowed(
        self, probabilities: Tensor, image: Tensor, reference: Tensor | None = None
    ) -> tuple[Tensor, list[Box | None]]:
        """The steps behind the first one, in a whole case.

        Args:
            probabilities: `(K, *S)`, what `predict` says of it.
            image: `(C, *S)`. A learner of slices reads those of a volume across the task's axis.
            reference: classes `(*S)`, for boxes around the true regions.

        Returns:
            Class probabilities `(K, *S)`, and the box in which each of these steps looked, None where there
            was nothing to look into.
        """
        regions, boxes = [1 - probabilities[0]], []
        for level in range(1, len(self.task.nested)):
            if reference is None:
                outside = without_islands(regions[-1] > 0.5)
            else:
                outside = self.region(reference, level - 1)
            boxes.append(box_of(outside, self.margin))
            regions.append(torch.zeros_like(probabilities[0]))
            if (box := boxes[-1]) is not None:
                place: Any = (..., *box)
                regions[-1][box] = self._in_windows(level, image[place])
        for level in reversed(range(len(regions) - 1)):
            regions[level] = regions[level].maximum(regions[level + 1])
        return class_probabilities(torch.stack(regions)[None], self.task.nested)[0], boxes

    def _in_windows(self, level: int, image: Tensor) -> Tensor:
        """The probability of a region `(*S)` in an image `(C, *S)`, by windows no larger than the image."""
        across, axes = self.task.slice_axis, list(range(image.ndim - 1))
        if len(axes) > self.task.spatial_dims:
            axes.remove(across % 3)
        sizes = [image.shape[1 + axis] for axis in axes]
        window = tuple(map(min, self.patch or sizes, sizes))
        return covered(self, image, lambda patches: self._likely(level, patches), window, across)[0]

    def _likely(self, level: int, image: Tensor) -> Tensor:
        """The probability of a level's region in patches, `(N, 1, *S)`, float32."""
        logits: Tensor = self.network[level](image)
        return logits.float().softmax(dim=1)[:, 1:]

    def _cropped(self, outside: int, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """The boxes of a region in patches."""
        if self.boxes == "true":
            boxes = [box_of(mask, self.margin) for mask in self.region(label, outside)]
        else:
            with torch.no_grad():
                likely = self._likely(outside, image)[:, 0] > 0.5
            boxes = [box_of(without_islands(mask), self.margin) for mask in likely]
        equal = alike(boxes, label.shape[1:])
        if self.boxes == "predicted":
            inner = self.region(label, outside + 1)
            held = torch.stack([share_inside(*each) for each in zip(inner, equal, strict=True)])
            if held.isfinite().any():
                self.note(held=held.nanmean())
        return cut_out(image, equal), cut_out(label, equal)

    def _rate(self, step: int) -> float:
        """Over the rate of the whole training: that of a training as long as the network's part of it."""
        count, level = len(self.task.nested), self.trained(step)
        begin, end = (-(-self.steps * part // count) for part in (level, level + 1))
        own = learning_rate(step - begin, end - begin, 1.0)
        return own / learning_rate(step, self.steps, 1.0)
