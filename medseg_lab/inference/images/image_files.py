"""The images that somebody asks to segment: which files there are, and what is known of each."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.readers.checks import checked_image, visible
from medseg_lab.data.readers.decode.grid import Grid, corners
from medseg_lab.data.readers.decode.nifti import read_header
from medseg_lab.data.readers.decode.volume import Volume, ending_of, read_volume
from medseg_lab.data.readers.geometry import AGREE, arranged, arranged_grid, restored, smallest_edge
from medseg_lab.inference.images.as_trained import AsTrained
from medseg_lab.inference.images.large import is_nifti, read_image
from medseg_lab.training.segmenter import Segmenter

CHANNEL = re.compile(r"(.+)_([0-9]{4})")
"""nnU-Net's names of files that hold one channel each: `case_0000`, `case_0001`."""


class ImageFiles:
    """The image of some files: what is known of it before the voxels of a volume are read.

    Args:
        files: of the image, or of its channels in their order.
        like: what the training's images were.
        learner: the trained one.

    Attributes:
        like: the same, of slices where this is one and the training's were volumes.
        shape: S, in the training's orientation.
        spacing: mm along each axis of S, or None.
        original: shape and place as they are stored.

    Raises:
        ValueError: naming the file: one that cannot be read, or that has other channels or dimensions than
            the training's images, or channels that lie on different grids.
    """

    def __init__(self, files: tuple[Path, ...], like: AsTrained, learner: Segmenter) -> None:
        self.files = files
        _require_all_channels(files)
        each = len(like.channels) if len(files) == 1 else 0  # one file of several is as it is
        self._volumes = [] if all(map(is_nifti, files)) else [read_image(path, each) for path in files]
        stored = [(len(volume.voxels), volume.grid) for volume in self._volumes]
        stored = stored or [_stored(path) for path in files]
        if (channels := sum(n for n, _ in stored)) != len(like.channels):
            names = ", ".join(like.channels)
            raise ValueError(f"{files[0]}: expected {len(like.channels)} channels ({names}), got {channels}")
        grids = [grid for _, grid in stored]
        _require_one_grid(grids, files)
        in_slices = learner.task.spatial_dims < like.spatial_dims and len(grids[0].shape) == 2
        self.like = like.of_slices(learner.plane) if in_slices else like
        self.dims = self.like.spatial_dims
        grid = arranged_grid(grids[0], self.dims, files[0])
        self.shape, self.spacing = grid.shape, grid.spacing or self.like.voxel_mm
        # of which only shape and place are looked at
        nothing = np.broadcast_to(np.uint8(0), (1, *grids[0].shape))
        self.original = Volume(nothing, grids[0].affine, grids[0].spacing)

    def image(self) -> Tensor:
        """`(C, *S)`, float32, in the training's orientation."""
        volumes = self._volumes or [read_volume(path) for path in self.files]
        one = Volume(np.concatenate([v.voxels for v in volumes]), volumes[0].affine, volumes[0].spacing)
        return torch.from_numpy(checked_image(arranged(one, self.dims, self.files[0]).voxels, self.files[0]))

    def restored(self, array: np.ndarray) -> np.ndarray:
        """`(M, *S)` in the orientation of the file."""
        return restored(array, self.original)


def cases_of(images: Sequence[Path], channels: int) -> dict[str, tuple[Path, ...]]:
    """The files of each image, by the name of its case.

    Args:
        images: files, and folders: all images in a folder, or a DICOM series where it holds none.
        channels: of the run. Where it has several, `case_0000`, `case_0001`, ... are those of one image, as
            nnU-Net names them, unless there are more of them than channels, or one has all channels: then
            they are images with numbers. `_0000` alone is left out of the case's name.

    Raises:
        ValueError: for a path where nothing is, or for two images of one name.
    """
    found: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in dict.fromkeys(file for given in images for file in _files(given)):
        stem = _stem(path)
        part = CHANNEL.fullmatch(stem)
        found[path.parent, part[1] if part else stem].append(path)
    groups = list[tuple[str, list[Path]]]()
    for (_, name), files in found.items():
        if len(files) == 1:
            groups.append((case_name(files), files))
        else:
            apart = _are_images(files, channels)
            groups += [(_stem(path), [path]) for path in files] if apart else [(name, files)]
    cases: dict[str, tuple[Path, ...]] = {}
    for name, files in groups:
        if name in cases or (channels == 1 and len(files) > 1):
            other = cases.get(name, files)[0]
            raise ValueError(f"{files[-1]}: expected images of different names, got also {other}")
        cases[name] = tuple(sorted(files))
    return cases


def _are_images(files: Sequence[Path], channels: int) -> bool:
    """Whether files whose names differ in a number at the end are images each, not channels of one."""
    numbers = [int(part[2]) for path in files if (part := CHANNEL.fullmatch(_stem(path)))]
    return max(numbers, default=0) >= channels or any(_channels(path) == channels for path in files)


def _channels(path: Path) -> int:
    """How many channels a file has; 0 where it cannot be read: whoever segments it is told why."""
    try:
        return _stored(path)[0] if is_nifti(path) else 0 if path.is_dir() else len(read_volume(path).voxels)
    except ValueError:
        return 0


def case_name(files: Sequence[Path]) -> str:
    """What an image of these files is called: without ending, and without the number of its channel."""
    stem = _stem(files[0])
    part = CHANNEL.fullmatch(stem)
    return part[1] if part and part[2] == "0000" else stem


def _files(given: Path) -> list[Path]:
    if not given.is_dir():
        if not given.exists():
            raise ValueError(f"{given}: expected an image or a folder of images, got nothing there")
        return [given]
    there = visible(given, "*")
    images = [path for path in there if path.is_file() and ending_of(path.name)]
    series = [given] if any(path.is_file() for path in there) else there  # DICOM: a folder, or several in it
    if not there:
        raise ValueError(f"{given}: expected images, got an empty folder")
    return images or series


def _stem(path: Path) -> str:
    ending = ending_of(path.name)
    return path.name[: -len(ending)] if ending else path.resolve().name


def _stored(path: Path) -> tuple[int, Grid]:
    """Of a NIfTI file, the number of channels and the grid; no voxel is read."""
    header = read_header(path)
    channels = header.shape[3] if len(header.shape) > 3 else 1
    return channels, Grid(header.shape[:3], header.affine, header.spacing)


def _require_one_grid(grids: Sequence[Grid], files: Sequence[Path]) -> None:
    """Check that the files of an image's channels have the same voxels at the same place."""
    first = grids[0]
    for grid, path in zip(grids[1:], files[1:], strict=True):
        if grid.shape != first.shape:
            raise ValueError(
                f"{path}: expected the shape of {files[0].name}, {first.shape}, got {grid.shape}"
            )
        if grid.affine is not None and first.affine is not None:
            apart = corners(grid.shape, grid.affine) - corners(first.shape, first.affine)
            if (furthest := float(np.linalg.norm(apart, axis=1).max())) > AGREE * smallest_edge(first):
                raise ValueError(
                    f"{path}: expected the place of {files[0].name}, got corners {furthest:.3g} mm from it"
                )


def _require_all_channels(files: Sequence[Path]) -> None:
    """Check the numbers in the names of channels, where they have some: 0, 1, ..."""
    parts = [CHANNEL.fullmatch(_stem(path)) for path in files]
    numbers = [int(part[2]) for part in parts if part]
    if len(numbers) == len(files) > 1 and numbers != list(range(len(files))):
        names = ", ".join(path.name for path in files)
        raise ValueError(f"{files[0]}: expected channels _0000, _0001, ..., got {names}")
