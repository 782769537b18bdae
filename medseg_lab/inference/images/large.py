"""A case larger than memory: read, prepared, predicted and brought back slab by slab (`slabs.by_slabs`)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from nibabel.volumeutils import apply_read_scaling
from torch import Tensor

from medseg_lab.data.readers.by_card import as_channels
from medseg_lab.data.readers.decode.nifti import mapped, read_header, unpacked
from medseg_lab.data.readers.decode.nifti_header import Header
from medseg_lab.data.readers.decode.volume import Volume, ending_of, read_volume
from medseg_lab.data.readers.geometry import arranged
from medseg_lab.inference.images.as_trained import AsTrained, positions, rows_of, standardised
from medseg_lab.inference.images.slabs import Read, by_slabs
from medseg_lab.inference.predict import VOXELS
from medseg_lab.inference.windows import Look, Place
from medseg_lab.training.device import laid_out
from medseg_lab.training.segmenter import Segmenter

VALUES = 2**22
"""Numbers that are read at a time, where windows do not say how many."""
OVERLAP = 0.25
"""As in `predict.predict_case`."""


class LargeImage:
    """An image of which parts are read: from disk, where it is NIfTI.

    Args:
        files: one, or one a channel.
        dims: how many axes S is to have.
        channels: of the training's images.
        folder: for what is unpacked, and for what waits.
    """

    def __init__(self, files: tuple[Path, ...], dims: int, channels: int, folder: Path) -> None:
        self.files, self.dims, self.folder = files, dims, folder
        self.opened: list[tuple[Path, Header] | Volume] = []
        for number, path in enumerate(files):
            if is_nifti(path):
                within = folder / str(number)
                within.mkdir()
                self.opened.append((unpacked(path, within), read_header(path)))
            else:
                self.opened.append(read_image(path, channels if len(files) == 1 else 0))

    def volumes(self) -> Iterator[tuple[Volume, tuple[float, float]]]:
        """The files' voxels as stored, mapped anew so that memory goes with them, and their scaling."""
        for opened in self.opened:
            if isinstance(opened, Volume):
                yield opened, (1.0, 0.0)
            else:
                path, header = opened
                voxels = mapped(path, header)
                voxels = np.moveaxis(voxels, -1, 0) if voxels.ndim == 4 else voxels[None]
                yield Volume(voxels, header.affine, header.spacing), header.scaling

    def read(self, place: Place) -> Tensor:
        """What is at a place, `(C, *edges)`, float32.

        Raises:
            ValueError: naming the file, if a number is not finite.
        """
        parts = []
        for (volume, scaling), path in zip(self.volumes(), self.files, strict=True):
            stored = arranged(volume, self.dims, path).voxels[:, *place]
            with np.errstate(all="ignore"):
                part = np.ascontiguousarray(apply_read_scaling(stored, *scaling), dtype=np.float32)
            if not np.isfinite(part).all():
                raise ValueError(f"{path}: expected finite numbers, got some that are NaN or infinite")
            parts.append(part)
        return torch.from_numpy(np.concatenate(parts))


class LargeCase:
    """A large image prepared like those of the training.

    Args:
        image: on disk.
        shape: S, in the training's orientation.
        spacing: mm along each axis of S, or None.
        like: what the training's images were.
        name: for errors.
    """

    def __init__(
        self,
        image: LargeImage,
        shape: tuple[int, ...],
        spacing: tuple[float, ...] | None,
        like: AsTrained,
        name: str,
    ) -> None:
        self.image, self.shape, self.like, self.name = image, shape, like, name
        self.resampled, _ = like.shapes(shape, spacing, name)
        self.stored: Read = image.read if self.resampled == shape else self._resampled()
        self.mean, self.std = self._statistics()

    def read(self, place: Place) -> Tensor:
        """What is at a place of the prepared image, `(C, *edges)`."""
        return standardised(self.stored(place), self.mean, self.std)

    def maps(
        self,
        learner: Segmenter,
        look: Look,
        patch: Sequence[int],
        passes: int = 1,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """What `look` makes of the case, on the image's own grid, slab by slab along `front(learner)`.

        Args:
            learner: the trained one.
            look, passes: as of `predict.covered`.
            patch: the window in voxels.
            change: what is made of each slab `(M, rows, *)` before it is brought to the image's grid.

        Yields:
            `(M, rows, *)`, float32.
        """
        front, dims = self.front(learner), learner.task.spatial_dims
        sliced = len(self.shape) == dims + 1
        window = tuple(patch)
        if sliced and len(window) == dims + 1:
            window = window[:front] + window[front + 1 :]
        device = next(learner.parameters()).device
        together = max(1, VOXELS.get(device.type, VOXELS["cpu"]) // int(np.prod(window)) // passes)

        def read(place: Place) -> Tensor:
            there = list(place[1:])
            there.insert(front, place[0])
            return self.read(tuple(there)).movedim(front + 1, 1).to(device)

        def looked(patches: Tensor) -> Tensor:
            low = learner.precision == "bf16-mixed"
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=low):
                return look(laid_out(patches)).float()

        slabs = by_slabs(looked, read, to_front(self.resampled, front), window, OVERLAP, together, sliced)
        changed = slabs if change is None else map(change, slabs)
        with torch.inference_mode():
            if self.resampled == self.shape:
                yield from changed
            else:
                yield from self._back(changed, to_front(self.resampled, front), to_front(self.shape, front))

    def front(self, learner: Segmenter) -> int:
        """The axis of S along which slabs follow each other: the slices', or the first."""
        sliced = len(self.shape) == learner.task.spatial_dims + 1
        return (self.like.how.slice_axis + learner.plane) % 3 if sliced else 0

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel, float64, of the middle that a training would keep."""
        kept = self.like.how.crop or self.resampled
        box = [
            slice(max(0, n - k) // 2, max(0, n - k) // 2 + min(n, k))
            for n, k in zip(self.resampled, kept, strict=True)
        ]

        def sums(change: Callable[[Tensor], Tensor]) -> Tensor:
            found = sum(change(self.stored(place).flatten(1).double()).sum(1) for place in _chunks(box))
            assert isinstance(found, Tensor)
            return found / float(np.prod([part.stop - part.start for part in box]))

        mean = sums(lambda values: values)
        std = sums(lambda values: (values - mean[:, None]).square()).sqrt()
        if not (std > 0).any():
            raise ValueError(f"{self.name}: expected an image that varies, got the constant {float(mean[0])}")
        return mean, std.where(std > 0, 1.0)

    def _resampled(self) -> Read:
        """The image at the training's spacing, written to disk row by row; gives how to read it."""
        whole = [slice(0, n) for n in self.shape[1:]]
        channels = sum(len(volume.voxels) for volume, _ in self.image.volumes())
        path = self.image.folder / "resampled"
        kept = np.memmap(path, np.float32, "w+", shape=(channels, *self.resampled))
        places = positions(self.resampled[0], self.shape[0])
        step = max(1, VALUES // int(np.prod(self.resampled[1:])))
        for first in range(0, self.resampled[0], step):
            some = places[first : first + step]
            low, high = int(some[0]), int(some[-1]) + 2
            rows = self.image.read((slice(low, min(high, self.shape[0])), *whole))
            kept[:, first : first + step] = rows_of(rows, low, self.resampled[1:], some).numpy()
        shape = kept.shape
        del kept
        return lambda place: torch.from_numpy(np.memmap(path, np.float32, "r", shape=shape)[:, *place].copy())

    def _back(self, slabs: Iterator[Tensor], before: Sequence[int], shape: Sequence[int]) -> Iterator[Tensor]:
        """Slabs of the resampled image as slabs on its own grid, linearly; they wait on disk."""
        path, at, maps = self.image.folder / "maps", 0, 0
        for slab in slabs:
            maps = len(slab)
            size = (maps, *before)
            kept = np.memmap(path, np.float32, "r+" if at else "w+", shape=size)
            kept[:, at : at + slab.shape[1]] = slab.cpu().numpy()
            at += slab.shape[1]
            del kept
        places, step = positions(shape[0], before[0]), max(1, VALUES // maps // int(np.prod(shape[1:])))
        for first in range(0, shape[0], step):
            some = places[first : first + step]
            low, high = int(some[0]), int(some[-1]) + 2
            rows = np.memmap(path, np.float32, "r", shape=(maps, *before))[:, low:high].copy()
            yield rows_of(torch.from_numpy(rows), low, shape[1:], some)


def read_image(path: Path, channels: int) -> Volume:
    """What a file holds, in grey or in colour as the training's images were (`by_card.as_channels`).

    Raises:
        ValueError: as `read_volume`.
    """
    volume = read_volume(path)
    is_picture = volume.affine is None
    return replace(volume, voxels=as_channels(volume.voxels, channels)) if is_picture else volume


def is_nifti(path: Path) -> bool:
    """Whether a file's name says NIfTI."""
    return ending_of(path.name) in (".nii", ".nii.gz")


def to_front(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """A shape with an axis in front of the others."""
    return (shape[axis], *shape[:axis], *shape[axis + 1 :])


def _chunks(box: Sequence[slice]) -> Iterator[Place]:
    """A box in parts along its last axis, along which NIfTI files are stored."""
    last = box[-1]
    step = max(1, VALUES // max(1, int(np.prod([part.stop - part.start for part in box[:-1]]))))
    for first in range(last.start, last.stop, step):
        yield (*box[:-1], slice(first, min(first + step, last.stop)))
