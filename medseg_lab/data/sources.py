"""What a pool knows of one case, in memory or on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.anchors import anchors, beyond
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.reading import Reading, consensus
from medseg_lab.data.supervision import weakly_labelled
from medseg_lab.data.weight_maps import WeightMap, added_weights, kept_on_disk

Window = tuple[slice, ...]


@dataclass(frozen=True)
class Source:
    """A case with one axis of S moved to the front.

    Args:
        cut: gives the image `(C, *W)` and a reading `(*W)` in a window inside S; None for the reading where
            labels are withheld. Where voxels have weights these, less 1, are one more channel, the last.
        channels: C, with that of the weights.
        shape: S.
        anchors: voxels of each foreground class, `(n, d)` each.
        beyond: the label outside of the case.
        labelled: whether there is a reading.
    """

    cut: Callable[[Window], tuple[Tensor, Tensor | None]]
    channels: int
    shape: tuple[int, ...]
    anchors: list[np.ndarray]
    beyond: int
    labelled: bool = True


def sources(
    case: Case,
    front: int,
    device: torch.device | str,
    reading: Reading = "reference",
    weight_map: WeightMap | None = None,
    flat: bool = False,
) -> tuple[Source, ...]:
    """A case's voxels, once for each reading that may be asked for: R times if it is a random rater's.

    The case is moved to `device`; a mapped case is read from disk instead, but with boxes, which are found in
    a whole case, it is held in memory. `weight_map` and `flat` are as in `weight_maps.added_weights`.
    """
    if reading == "boxes" and len(case.labels):
        known = case.labels[case.labels != IGNORE]
        case = weakly_labelled(case, "boxes", 1 + int(known.max()) if known.numel() else 1)
    if isinstance(case, MappedCase):
        opened = _on_disk(case, front, weight_map, flat)
    else:
        opened = _held(case, front, device, weight_map, flat)
    chosen = _chosen(reading, len(case.labels))
    return tuple(opened(one) for one in chosen)


Chosen = Callable[[Tensor], Tensor]
"""From all readings `(R, *W)` to the one that is taught, `(*W)`."""


def _chosen(reading: Reading, raters: int) -> tuple[Chosen, ...]:
    if reading == "consensus" and raters > 1:
        return (consensus,)
    return tuple(itemgetter(rater) for rater in range(max(raters, 1) if reading == "random" else 1))


def _on_disk(
    case: MappedCase, front: int, weight_map: WeightMap | None, flat: bool
) -> Callable[[Chosen], Source]:
    order = _front_first(len(case.shape), front)
    shape, found = tuple(case.shape[a] for a in order), [voxels[:, order] for voxels in case.anchors]

    def opened(chosen: Chosen) -> Source:
        def cut(window: Window) -> tuple[Tensor, Tensor | None]:
            # Copied in the order of the disk first: that is twice as fast as reading in another order.
            image = case.open_image().movedim(front + 1, 1)[(slice(None), *window)].clone()
            labels = case.open_labels()
            if labels is None:
                return image, None
            return image, chosen(labels.movedim(front + 1, 1)[(slice(None), *window)]).clone()

        if weight_map is None:
            return Source(cut, case.channels, shape, found, case.beyond, case.open_labels() is not None)
        label = chosen(case.labels).movedim(front, 0).contiguous()
        stored = kept_on_disk(label, _spacing(case, order), weight_map, flat)

        def weighted(window: Window) -> tuple[Tensor, Tensor | None]:
            image, reading = cut(window)
            return torch.cat((image, torch.from_numpy(stored.open())[window][None])), reading

        return Source(weighted, case.channels + 1, shape, found, case.beyond)

    return opened


def _held(
    case: Case, front: int, device: torch.device | str, weight_map: WeightMap | None, flat: bool
) -> Callable[[Chosen], Source]:
    image = case.image.movedim(front + 1, 1).contiguous().to(device)
    shape = tuple(image.shape[1:])
    if not len(case.labels):

        def image_alone(window: Window) -> tuple[Tensor, None]:
            return image[(slice(None), *window)], None

        withheld = Source(image_alone, len(image), shape, [], 0, labelled=False)
        return lambda _: withheld
    found = [voxels[:, _front_first(len(shape), front)] for voxels in anchors(case.labels)]
    outside = beyond(case.labels)

    def opened(chosen: Chosen) -> Source:
        label = chosen(case.labels).movedim(front, 0).contiguous()
        channels = image
        if weight_map is not None:
            spacing = _spacing(case, _front_first(len(shape), front))
            added = added_weights(label, spacing, weight_map, flat).to(device)
            channels = torch.cat((image, added[None]))
        label = label.to(device)

        def cut(window: Window) -> tuple[Tensor, Tensor | None]:
            return channels[(slice(None), *window)], label[window]

        return Source(cut, len(channels), shape, found, outside)

    return opened


def _spacing(case: Case, order: list[int]) -> tuple[float, ...] | None:
    return None if case.spacing is None else tuple(case.spacing[axis] for axis in order)


def _front_first(dims: int, front: int) -> list[int]:
    """The axes of S in the order in which a source has them."""
    return [front, *(axis for axis in range(dims) if axis != front)]
