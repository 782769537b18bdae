"""What a data set asks of a network."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Task:
    """The shape of a segmentation problem.

    Args:
        channels: C, the image channels.
        classes: the names of the K classes, background first.
        spatial_dims: 2 for slices, 3 for volumes.
        order: the foreground classes from the outermost to the innermost, as indices, where that is not their
            own order (`nested`).
        slice_axis: across which a volume is cut into slices, for a learner of slices.
        mirror: the axes along which a mirrored image is still a plausible one, as the data set's card says.
        spacing: the median of the training images, in mm along each axis; empty where it is not known.
        patch: the largest patch that training may take, in voxels; empty where it is not known.
        slice_patch: the same for slices drawn from volumes; empty for the patch without the slice axis.
    """

    channels: int
    classes: tuple[str, ...]
    spatial_dims: int
    order: tuple[int, ...] = ()
    slice_axis: int = 2
    mirror: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    patch: tuple[int, ...] = ()
    slice_patch: tuple[int, ...] = ()

    @property
    def foreground(self) -> tuple[str, ...]:
        """The classes that are scored: all but the background."""
        return self.classes[1:]

    @property
    def nested(self) -> tuple[tuple[int, ...], ...]:
        """K-1 regions, each inside the one before, as sets of classes: all foreground first.

        Each region is the one before without its first class, so a label map and its regions say the same.
        They are those of the data set where it has such a chain (whole tumour, tumour core, enhancing
        tumour); where it has none, its classes are taken from outside to inside in their own order.
        """
        order = self.order or tuple(range(1, len(self.classes)))
        return tuple(order[level:] for level in range(len(order)))

    def in_dimension(self, spatial_dims: int, plane: int = 0) -> "Task":
        """The same problem, posed to patches of so many dimensions: slices of volumes lose an axis.

        It is the slice axis, or one or two axes after it, for slices in another `plane`.
        """
        if (spatial_dims, self.spatial_dims) != (2, 3):
            return replace(self, spatial_dims=spatial_dims)
        kept = [axis for axis in range(3) if axis != (self.slice_axis + plane) % 3]
        whole = tuple(self.patch[a] for a in kept if self.patch)
        return replace(
            self,
            spatial_dims=2,
            mirror=tuple(kept.index(a) for a in self.mirror if a in kept),
            spacing=tuple(self.spacing[a] for a in kept if self.spacing),
            patch=whole if plane else self.slice_patch or whole,
        )
