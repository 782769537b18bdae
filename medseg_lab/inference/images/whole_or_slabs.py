"""The prediction of one image: as a whole, or slab by slab where it is larger than memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medseg_lab.inference.images.image_files import ImageFiles
from medseg_lab.inference.images.large import LargeCase, LargeImage, to_front
from medseg_lab.inference.predict import predict_case
from medseg_lab.inference.sample import sample_case
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.uncertainty.measures.entropy_split import entropy_split


class Prediction:
    """The prediction of one image.

    Args:
        learner: the trained one.
        patch: the window in voxels.
        image: its files.
        folder: None to predict the case as a whole; for slab by slab, the folder for what waits on disk.

    Raises:
        ValueError: naming the file, if it cannot be read or prepared.
    """

    def __init__(
        self, learner: Segmenter, patch: tuple[int, ...], image: ImageFiles, folder: Path | None
    ) -> None:
        self.learner, self.patch, self.files, self.folder = learner, patch, image, folder
        name = str(image.files[0])
        if folder is None:
            self.prepared = image.like.prepared(image.image(), image.spacing, name)
            self.resampled, _ = image.like.shapes(image.shape, image.spacing, name)
        else:
            large = LargeImage(image.files, image.dims, len(image.like.channels), folder)
            self.case = LargeCase(large, image.shape, image.spacing, image.like, name)

    def classes(self, probabilities: bool) -> tuple[np.ndarray, list[int], np.ndarray]:
        """What the mask stores `(*S)`, the voxels of each class, and if asked for probabilities `(K, *S)`."""
        like = self.files.like
        table = np.array(like.values or range(len(like.classes)))
        table = table.astype(np.min_scalar_type(table.max()))
        label = self._new("mask", table.dtype)
        sure = self._new("probabilities", np.float32, len(like.classes) if probabilities else 0)
        counts, at = np.zeros(len(like.classes), dtype=np.int64), 0
        for slab in self._slabs():
            found = slab.argmax(dim=0).to("cpu", torch.uint8).numpy()
            counts += np.bincount(found.ravel(), minlength=len(counts))
            rows = slice(at, at + len(found))
            self._fronted(label)[0, rows] = table[found]
            if probabilities:
                self._fronted(sure)[:, rows] = slab.cpu().numpy()
            at += len(found)
        self.learner.case_notes.clear()
        return label[0], counts.tolist(), sure

    def uncertainty(self, n: int, maps: int) -> np.ndarray:
        """The entropy of the mean of n samples, and their mutual information if it is asked for.

        Args:
            n: how many samples.
            maps: 1, for the entropy of the one prediction, or 2.

        Returns:
            `(maps, *S)`, float32, in nats.
        """
        found, at = self._new("uncertainty", np.float32, maps), 0
        for slab in self._slabs(n, maps):
            rows = slice(at, at + slab.shape[1])
            self._fronted(found)[:, rows] = slab.cpu().numpy()
            at += slab.shape[1]
        return found

    def _slabs(self, samples: int = 0, maps: int = 0) -> Iterator[Tensor]:
        """Class probabilities, or the maps of uncertainty, on the image's own grid, slab by slab."""
        learner, patch, like = self.learner, self.patch, self.files.like
        n = samples if maps > 1 else 1

        def split(found: Tensor) -> Tensor:  # (n K, *) to (maps, *)
            split = entropy_split(found.unflatten(0, (n, len(like.classes))))
            return torch.stack([split.total, split.mutual_information])[:maps]

        with torch.random.fork_rng():
            torch.manual_seed(0)  # the same samples each time
            if self.folder is None:
                axis = like.how.slice_axis
                if n > 1:
                    found = sample_case(learner, self.prepared, n, patch, axis).flatten(0, 1)
                else:
                    found = predict_case(learner, self.prepared, patch, axis)
                found = split(found) if maps else found
                yield like.back(found, self.files.shape, self.resampled)
                return
            seed = int(torch.randint(2**31, ())) if n > 1 else 0

            def look(patches: Tensor) -> Tensor:
                if n == 1:
                    return learner.predict(patches)
                torch.manual_seed(seed)
                return learner.sample(patches, n).movedim(0, 1).flatten(1, 2).contiguous()

            passes = -(-n // 4) if n > 1 else 1
            yield from self.case.maps(learner, look, patch, passes, split if maps else None)

    def _new(self, name: str, kind: Any, maps: int = 1) -> np.ndarray:
        """`(maps, *S)`; on disk where slabs are written to it, one after the other."""
        if self.folder is None or not maps:
            return np.empty((maps, *self.files.shape), kind)
        front = self.case.front(self.learner)
        kept = np.memmap(self.folder / name, kind, "w+", shape=(maps, *to_front(self.files.shape, front)))
        return np.moveaxis(kept, 1, front + 1)

    def _fronted(self, array: np.ndarray) -> np.ndarray:
        """`(M, *S)` with the axis along which slabs follow each other in front of S."""
        front = 0 if self.folder is None else self.case.front(self.learner)
        return np.moveaxis(array, front + 1, 1)
