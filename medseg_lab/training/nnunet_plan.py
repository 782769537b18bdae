"""A U-Net that is planned from the task and trained as nnU-Net [46] trains (survey 2.3)."""

from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batch import Batch
from medseg_lab.networks.blocks import Stage, conv
from medseg_lab.networks.unet import UNet
from medseg_lab.planning.topology import Topology, topology
from medseg_lab.training.recipe import default
from medseg_lab.training.supervised import Supervised

UNKNOWN = 32
"""Edge of the patch that a network is planned for where the task does not tell."""


class NNUNetPlan(Supervised):
    """Full supervision of a plain U-Net whose levels follow from the patch and the spacing of the data.

    Axes are halved as `planning.topology` says, kernels span one voxel across slices that are far apart, and
    each coarser level of the decoder is supervised with half of the weight of the next finer one. The
    defaults of loss, optimiser, learning rate, weight decay and augmentation are nnU-Net's.

    Departures: patch and batch are those of the budget, as for all that is compared with it; max pooling
    instead of strided convolutions; a short warm-up; coarser heads are compared with the label at full
    resolution; images are neither blurred nor coarsened in training.

    Args:
        width: channels of the finest level; 32 in nnU-Net.
    """

    network: Any = None
    learning_rate = 1e-2
    weight_decay = 3e-5
    optimiser = "sgd"
    augmentation: Augmentation = default(
        Augmentation,
        rotation_deg=30.0,
        scale=[0.7, 1.4],
        gain=[0.75, 1.25],
        gamma_share=0.3,
        noise=[0.0, 0.3],
    )
    width: Annotated[int, Field(ge=1)] = 32

    def build(self) -> None:
        """The loss, the augmentation, and the network that the task calls for."""
        if self.network is not None:
            raise ValueError("NNUNetPlan plans its own network; train another one with Supervised")
        super().build()
        levels = self.levels()
        self.network = UNet(
            self.task.channels,
            len(self.task.classes),
            self.task.spatial_dims,
            levels.features(self.width),
            deep_supervision=True,
            block=partial(_stage, levels),
            strides=levels.strides,
        )

    def levels(self) -> Topology:
        """Where the network halves which axis."""
        dims = self.task.spatial_dims
        return topology(self.task.spacing or (1.0,) * dims, self.task.patch or (UNKNOWN,) * dims)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The mean of the loss over the heads; from the coarsest on, each counts twice the one before."""
        each = torch.stack([self.loss(logits, batch.label) for logits in self.network.heads(batch.image)])
        weights = 2.0 ** torch.arange(len(each), device=each.device)
        return {self.loss_name: (weights / weights.sum() * each).sum()}


def _stage(levels: Topology, stage: Stage) -> nn.Module:
    """Two convolutions with the kernel of the level."""
    dims, kernel = stage.spatial_dims, levels.kernels[stage.level]
    return nn.Sequential(
        conv(dims, stage.in_channels, stage.out_channels, kernel, norm=stage.norm),
        conv(dims, stage.out_channels, stage.out_channels, kernel, norm=stage.norm),
    )
