"""What is certainly part of a structure, what is possibly part of it, and the range between (section 4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import Tensor


@dataclass(frozen=True)
class Bounds:
    """Two outlines, between which all plausible ones lie: the variability range of Joskowicz et al. [86].

    Args:
        consensus: `(*S)`, booleans: what belongs to the structure by all accounts.
        possible: `(*S)`, booleans: what belongs to it by any; the consensus is part of it.
        voxel: the size of a voxel in `unit`.
        unit: "ml", or "mm²" in two dimensions; "voxels" or "pixels" where the spacing is not known.
    """

    consensus: Tensor
    possible: Tensor
    voxel: float
    unit: str

    @property
    def range(self) -> Tensor:
        """`(*S)`, booleans: what is possible and no consensus."""
        return self.possible & ~self.consensus

    @property
    def interval(self) -> tuple[float, float]:
        """The volumes of the consensus and of the possible, in `unit`."""
        return int(self.consensus.sum()) * self.voxel, int(self.possible.sum()) * self.voxel


def voxel_size(axes: int, spacing: Sequence[float] | None) -> tuple[float, str]:
    """The size of a voxel, and its unit.

    Raises:
        ValueError: for a spacing of another number of axes.
    """
    if spacing is None:
        return 1.0, "pixels" if axes == 2 else "voxels"
    if len(spacing) != axes:
        raise ValueError(f"spacing: got {tuple(spacing)}, wanted {axes} values")
    return (prod(spacing) / 1000, "ml") if axes == 3 else (prod(spacing), "mm²" if axes == 2 else "mm")
