"""nnU-Net's plan [46] as rules that explain themselves, decision by decision.

The rules are those of nnU-Net's second version, whose plans are those of the paper but for the batch, which
the two reckon from slightly different memories. Left out: the order of the axes (nnU-Net moves the axis of
the longest voxels to the front, here axes stay where they are), other memories than 8 GB, and the choice
between the networks, which nnU-Net makes by cross-validation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np

from medseg_lab.planning.fingerprint import DataFingerprint
from medseg_lab.planning.topology import LEAST, Topology, topology

WIDTH = 32
"""Channels of the finest level."""
ANISOTROPIC = 3.0
"""An axis is coarse if its voxels are more than so many times longer, and so many times fewer."""
LARGEST = {3: 256, 2: 2048}
"""No patch is larger than so many voxels along each axis would make it."""
MEMORY = {3: (560e6, 2), 2: (85e6, 12)}
"""Values of all feature maps that fit into a GPU of 8 GB, and for how many patches that holds."""
FEWEST = 2
"""Patches of a batch, at least."""
COVERED = 0.05
"""A batch holds at most this share of all voxels of the data set."""
SMALL = 0.25
"""A patch with a smaller share of the median image calls for a stage of low resolution."""
COARSEN = 1.03
"""Factor of the steps in which a resolution for that stage is looked for."""


@dataclass(frozen=True)
class Decision:
    """What was decided, and why: the reason holds the number that decided it."""

    about: str
    choice: str
    reason: str


@dataclass(frozen=True)
class Stage:
    """One network of the plan.

    Args:
        name: "2D", "3D" or "3D, low resolution".
        spacing: mm along each axis that images are resampled to.
        image: the median shape after that.
        patch: voxels along each axis.
        batch: patches of a step.
        levels: where it halves which axis.
        features: channels of each level.
        decisions: what was decided, in order.
    """

    name: str
    spacing: tuple[float, ...]
    image: tuple[int, ...]
    patch: tuple[int, ...]
    batch: int
    levels: Topology
    features: tuple[int, ...]
    decisions: tuple[Decision, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """The networks that nnU-Net would train, and the decisions that hold for all of them."""

    stages: tuple[Stage, ...]
    decisions: tuple[Decision, ...]

    def __getitem__(self, name: str) -> Stage:
        found = {stage.name: stage for stage in self.stages}
        if name not in found:
            raise ValueError(f"plan: expected one of {', '.join(found)}, got {name!r}")
        return found[name]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def plan(of: DataFingerprint) -> Plan:
    """The plan for a data set."""
    spacing, about_spacing = _spacing(of)
    image = _resampled(of, spacing)
    voxels = prod(image) * of.cases
    stages = []
    if len(image) == 3:
        full = _stage("3D", spacing, image, voxels, of)
        low, about_low = _low_resolution(full, of)
        stages = [full, *low]
    else:
        about_low = []
    across = int(len(spacing) - 1 - np.argmax(spacing[::-1])) if len(image) == 3 else None
    plane = [axis for axis in range(len(image)) if axis != across]
    flat = tuple(spacing[axis] for axis in plane), tuple(image[axis] for axis in plane)
    stages.insert(0, _stage("2D", *flat, voxels, of))
    return Plan(tuple(stages), (*about_spacing, *_normalisation(of), *about_low))


def _spacing(of: DataFingerprint) -> tuple[tuple[float, ...], list[Decision]]:
    """The spacing that images are resampled to."""
    if of.spacings is None:
        ones = (1.0,) * of.shapes.shape[1]
        why = "the files lack it; voxels count as 1 mm along each axis"
        return ones, [Decision("spacing", "unknown", why)]
    target, image = np.median(of.spacings, axis=0), np.median(of.shapes, axis=0)
    worst = int(np.argmax(target))
    others = [axis for axis in range(len(target)) if axis != worst]
    longer, fewer = target[worst] / target[others].max(), image[others].min() / image[worst]
    reason = f"the median of {of.cases} cases"
    if longer > ANISOTROPIC and fewer > ANISOTROPIC:
        fine = float(np.percentile(of.spacings[:, worst], 10))
        target[worst] = max(fine, target[others].max())
        reason += (
            f"; along axis {worst} voxels are {longer:.1f} times longer and {fewer:.1f} times fewer, "
            "so there the 10th percentile: less is invented between slices"
        )
    chosen = tuple(float(length) for length in target)
    return chosen, [Decision("spacing", f"{times(chosen)} mm", reason)]


def _resampled(of: DataFingerprint, spacing: Sequence[float]) -> tuple[int, ...]:
    """The median shape at a spacing."""
    now = of.spacings if of.spacings is not None else np.ones_like(of.shapes)
    shapes = np.round(of.shapes * now / np.array(spacing))
    return tuple(round(float(edge)) for edge in np.median(shapes, axis=0))


def _stage(
    name: str, spacing: tuple[float, ...], image: tuple[int, ...], voxels: float, of: DataFingerprint
) -> Stage:
    """The network for images of a spacing and a median shape, of which there are so many voxels in all."""
    dims, classes = len(image), len(of.classes)
    fits, patches = MEMORY[dims]
    first = _largest(spacing, image)
    patch = topology(spacing, first).padded(first)
    rounded, shrunk = patch, 0
    while 2 * feature_values(patch, spacing, classes) / patches > fits:
        patch, shrunk = _shrunk(patch, spacing, image), shrunk + 1
    levels, values = topology(spacing, patch), feature_values(patch, spacing, classes)
    room, share = round(fits / values * patches), round(voxels * COVERED / prod(patch))
    batch = max(min(room, share), FEWEST)
    about = [
        Decision(
            "patch",
            times(patch),
            f"the median image, {times(image)}, rounded up to what the poolings divide: {times(rounded)}"
            + (f"; made smaller {shrunk} times, until {FEWEST} fit into 8 GB" if shrunk else ""),
        ),
        Decision(
            "batch",
            str(batch),
            f"{room} fit into 8 GB ({values / 1e6:.1f} million values each)"
            + (
                f", but {share} {'is' if share == 1 else 'are'} {COVERED:.0%} of all voxels"
                if share < room
                else ""
            )
            + (f"; never below {FEWEST}" if batch == FEWEST else ""),
        ),
        Decision(
            "pooling",
            ", ".join(times(stride) for stride in levels.strides),
            f"an axis is halved down to {LEAST} voxels: the coarsest map is "
            f"{times([edge // each for edge, each in zip(patch, levels.multiple, strict=True)])}"
            + _waiting(spacing, levels),
        ),
        Decision(
            "features",
            ", ".join(map(str, levels.features(WIDTH))),
            f"doubled at each level from {WIDTH}, up to {levels.features(10**6)[0]} in {dims}D",
        ),
    ]
    return Stage(name, spacing, image, patch, batch, levels, levels.features(WIDTH), tuple(about))


def _waiting(spacing: Sequence[float], levels: Topology) -> str:
    """Which axes are not halved from the start."""
    said = [
        f"; axis {axis} waits for {waits} while its voxels are twice as long as the finest or more"
        for axis, waits in enumerate(_waits(levels))
        if waits and spacing[axis] > min(spacing)
    ]
    return "".join(said)


def _waits(levels: Topology) -> Iterator[int]:
    """For each axis, the poolings before its first."""
    for of_axis in zip(*levels.strides, strict=True):
        yield next((number for number, stride in enumerate(of_axis) if stride > 1), len(of_axis))


def _largest(spacing: Sequence[float], image: Sequence[int]) -> tuple[int, ...]:
    """A patch as long in millimetres along all axes, as large as may be, but nowhere beyond the image."""
    inverse = 1 / np.array(spacing)
    scale = (LARGEST[len(image)] ** len(image) / inverse.prod()) ** (1 / len(image))
    return tuple(min(round(float(edge)), size) for edge, size in zip(scale * inverse, image, strict=True))


def _shrunk(patch: Sequence[int], spacing: Sequence[float], image: Sequence[int]) -> tuple[int, ...]:
    """The patch one step smaller, along the axis where it covers most of the image."""
    axis = max(range(len(patch)), key=lambda a: (patch[a] / image[a], a))
    smaller = list(patch)
    # A patch that is halved less often may be made smaller in finer steps.
    smaller[axis] -= topology(spacing, patch).multiple[axis]
    step = topology(spacing, smaller).multiple[axis]
    smaller[axis] = patch[axis] - step
    return topology(spacing, smaller).padded(smaller)


def feature_values(patch: Sequence[int], spacing: Sequence[float], classes: int) -> int:
    """The values of all feature maps of a U-Net for one patch: what decides its memory in training.

    Two convolutions a level in the encoder; in the decoder an up-sampling and two convolutions; the scores.
    """
    levels = topology(spacing, patch)
    found, voxels = classes * prod(patch), prod(patch)
    *finer, coarsest = levels.features(WIDTH)
    for features, stride in zip(finer, levels.strides, strict=True):
        found += 5 * features * voxels
        voxels //= prod(stride)
    return found + 2 * coarsest * voxels


def _low_resolution(full: Stage, of: DataFingerprint) -> tuple[list[Stage], list[Decision]]:
    """A network for coarser images, where the patch is too small a part of the median image."""
    covered = prod(full.patch) / prod(full.image)
    said = f"a patch holds {covered:.0%} of the voxels of the median image"
    if covered >= SMALL:
        return [], [Decision("low resolution", "no", f"{said}, at least {SMALL:.0%}")]
    spacing, stage = np.array(full.spacing), full
    while prod(stage.patch) / prod(stage.image) < SMALL:
        longer = spacing.max() / spacing > 2
        spacing = np.where(longer | ~longer.any(), spacing * COARSEN, spacing)
        image = tuple(round(float(e)) for e in np.array(full.spacing) / spacing * np.array(full.image))
        where = tuple(float(length) for length in spacing)
        stage = _stage("3D, low resolution", where, image, prod(image) * of.cases, of)
    if prod(full.image) / prod(stage.image) < 2:
        reason = f"{said}, but where it holds {SMALL:.0%}, images have more than half of the voxels still"
        return [], [Decision("low resolution", "no", reason)]
    reason = f"{said}, less than {SMALL:.0%}; at {times(stage.spacing)} mm it holds {SMALL:.0%}"
    return [stage], [Decision("low resolution", "yes", reason)]


def _normalisation(of: DataFingerprint) -> Iterator[Decision]:
    """How the intensities of each channel are scaled."""
    for number, channel in enumerate(of.channels):
        if channel.upper() == "CT":
            known = of.intensities[number] if of.intensities else None
            choice = (
                f"clip to {known.low:.4g} to {known.high:.4g}, less {known.mean:.4g}, by {known.std:.4g}"
                if known
                else "clip to percentiles, less a mean, by a deviation"
            )
            reason = "CT values mean the same in all images: all three are those of all foregrounds"
        else:
            choice, reason = "z-score of each image", "its values have no unit of their own"
            if of.kept < 3 / 4:
                choice += ", inside its mask"
                reason += f"; cutting empty borders off leaves {of.kept:.0%} of the voxels, less than 75%"
        yield Decision(f"intensities of {channel}", choice, reason)


def times(numbers: Sequence[float]) -> str:
    """`(40, 56, 40)` as "40 × 56 × 40"."""
    return " × ".join(f"{number:.4g}" for number in numbers)
