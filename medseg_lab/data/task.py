"""What a data set asks of a network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """The shape of a segmentation problem.

    Args:
        channels: C, the image channels.
        classes: the names of the K classes, background first.
        spatial_dims: 2 for slices, 3 for volumes.
    """

    channels: int
    classes: tuple[str, ...]
    spatial_dims: int

    @property
    def foreground(self) -> tuple[str, ...]:
        """The classes that are scored: all but the background."""
        return self.classes[1:]
