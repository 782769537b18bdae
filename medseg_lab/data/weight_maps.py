"""How much each voxel of a training case counts, where the loss has a map of it (survey 2.2.1)."""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data import prepared
from medseg_lab.data.fingerprint import content_digest

Spacing = tuple[float, ...] | None
WeightMap = Callable[[np.ndarray, Spacing], np.ndarray]
"""From a label `(*S)` and its spacing in mm, if known, to weights `(*S)`; 1 is the weight without a map."""


def added_weights(label: Tensor, spacing: Spacing, weight_map: WeightMap, flat: bool) -> Tensor:
    """The weights of a case less 1, `(*S)`, float32: so 0, which lies beyond a case, is the weight 1 there.

    Args:
        label: `(*S)`, uint8, in memory.
        spacing: mm along each axis of S.
        weight_map: of the loss.
        flat: whether learners see slices across the first axis: then each slice has its own map.

    Raises:
        ValueError: if the map has another shape, or weights below 0 or not finite.
    """
    voxels = label.numpy()
    if flat:
        inside = None if spacing is None else spacing[1:]
        weights = np.stack([weight_map(each, inside) for each in voxels])
    else:
        weights = weight_map(voxels, spacing)
    if weights.shape != voxels.shape:
        raise ValueError(f"weight map: expected the shape {voxels.shape}, got {weights.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            f"weight map: expected finite weights of 0 or more, got {weights.min()} to {weights.max()}"
        )
    return torch.from_numpy((weights - 1).astype(np.float32))


def kept_on_disk(label: Tensor, spacing: Spacing, weight_map: WeightMap, flat: bool) -> prepared.Stored:
    """`added_weights`, computed unless it is in the folder of prepared data, and mapped from there.

    Its entry is named by all that it depends on: label, spacing, the loss with its arguments, and the code.
    """
    owner = getattr(weight_map, "__self__", weight_map)
    code = Path(inspect.getfile(inspect.unwrap(weight_map))).read_bytes()
    made_of = (
        content_digest(label),
        spacing,
        flat,
        f"{getattr(weight_map, '__qualname__', type(weight_map).__qualname__)} {vars(owner)}",
        hashlib.sha256(code).hexdigest(),
        prepared.source_digest("instances", "weight_maps", "prepared"),
    )
    name = hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]
    if not (prepared.folder() / name).is_dir():
        prepared.write(name, {"weights": added_weights(label, spacing, weight_map, flat).numpy()})
    return prepared.Stored(prepared.folder() / name / "weights.npy", np.float32)
