"""A case that stays on disk, for cohorts larger than memory."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data import prepared
from medseg_lab.data.anchors import anchors, beyond
from medseg_lab.data.case import Case
from medseg_lab.data.fingerprint import CaseDigest, content_digest
from medseg_lab.data.prepared import Stored

MadeOf = tuple[str, str, Path, Path | None, int]


class MappedCase(Case):
    """A case whose arrays are mapped anew at each access, so that memory holds only what is in use.

    Attributes:
        channels, shape: C and S, known without opening.
        nbytes: size on disk.
        anchors, beyond: what a `Pool` needs to know of the labels, counted when they were prepared.
        digest: counted likewise, and never again.
        made_of: the arguments, with which another process makes the same case.

    Args:
        id, patient: as in `Case`.
        image: the entry that `image_arrays` made.
        readings: the entry that `readings_arrays` made; None where labels are withheld: then no path to them
            is known here.
        front: the axis of S that comes first on disk.

    Raises:
        ValueError: if a file of the entries is not complete; also on access, if it no longer is.
    """

    channels: int
    shape: tuple[int, ...]
    nbytes: int
    anchors: list[np.ndarray]
    beyond: int
    digest: CaseDigest
    made_of: MadeOf
    _front: int
    _image: Stored
    _labels: Stored | None
    _distribution: Stored | None

    def __init__(self, id: str, patient: str, image: Path, readings: Path | None, front: int) -> None:
        self._set(made_of=(id, patient, image, readings, front))
        spacing = tuple(prepared.read_small(image / "spacing.npy").tolist()) or None
        self._set(id=id, patient=patient, spacing=spacing, _front=front, anchors=[], beyond=0)
        self._set(_image=Stored(image / "image.npy", np.float32), _labels=None, _distribution=None)
        channels, *shape = self.open_image().shape
        self._set(channels=channels, shape=tuple(shape))
        if readings is not None:
            points = prepared.read_small(readings / "anchors.npy")
            outside, known = prepared.read_small(readings / "facts.npy").tolist()
            split = [points[points[:, 0] == value, 1:] for value in np.unique(points[:, 0])]
            self._set(anchors=split, beyond=outside, _labels=Stored(readings / "labels.npy", np.uint8))
            if known:
                self._set(_distribution=Stored(readings / "distribution.npy", np.float32))
        digests = (_read_digest(image), None if readings is None else _read_digest(readings))
        self._set(digest=CaseDigest(id, patient, digests[0], spacing, digests[1]))
        entries = [image] if readings is None else [image, readings]
        self._set(nbytes=sum(file.stat().st_size for entry in entries for file in entry.iterdir()))
        for stored in (self._labels, self._distribution):
            if stored and self._open(stored).shape[1:] != self.shape:
                raise ValueError(prepared.damaged(stored.path, f"shape {stored.header[0]}"))

    def open_image(self) -> Tensor:
        """`(C, *S)`, mapped, in the layout of the disk: voxels are read as they are used."""
        return self._open(self._image)

    def open_labels(self) -> Tensor | None:
        """All readings `(R, *S)`, likewise; None where labels are withheld."""
        return self._open(self._labels) if self._labels else None

    @property
    def image(self) -> Tensor:
        """`(C, *S)`, laid out as in memory."""
        return self.open_image().contiguous()

    @property
    def labels(self) -> Tensor:
        """`(R, *S)`; R is 0 where labels are withheld."""
        if self._labels is None:
            return torch.zeros((0, *self.shape), dtype=torch.uint8)
        return self._open(self._labels).contiguous()

    @property
    def distribution(self) -> Tensor | None:
        """`(K, *S)`, or None where it is not known or withheld."""
        return self._open(self._distribution).contiguous() if self._distribution else None

    def _open(self, stored: Stored) -> Tensor:
        return torch.from_numpy(stored.open()).movedim(1, self._front + 1)

    def _set(self, **attributes: Any) -> None:
        vars(self).update(attributes)  # the class is frozen


class RelabelledCase(MappedCase):
    """A case on disk with one other reading, which is held in memory."""

    _reading: Tensor

    def __init__(self, case: MappedCase, label: Tensor) -> None:
        vars(self).update(vars(case))
        reading = label[None]
        self._set(_reading=reading, anchors=anchors(reading), beyond=beyond(reading), _distribution=None)

    def open_labels(self) -> Tensor:
        """`(1, *S)`."""
        return self._reading

    @property
    def labels(self) -> Tensor:
        """`(1, *S)`."""
        return self._reading


def relabelled(case: Case, label: Tensor) -> Case:
    """The case with this label `(*S)`, uint8, as its one reading; its image stays where it is."""
    if isinstance(case, MappedCase):
        return RelabelledCase(case, label)
    return Case(case.id, case.patient, case.image, label[None], case.spacing)


def image_arrays(case: Case, front: int) -> dict[str, np.ndarray]:
    """What is kept of a case's image."""
    return {
        "image": case.image.movedim(front + 1, 1).numpy(),
        "spacing": np.array(case.spacing or ()),
        "digest": np.array(content_digest(case.image)),
    }


def readings_arrays(case: Case, front: int) -> dict[str, np.ndarray]:
    """What is kept of its labels."""
    arrays = {"labels": case.labels.movedim(front + 1, 1).numpy()}
    if case.distribution is not None:
        arrays["distribution"] = case.distribution.movedim(front + 1, 1).numpy()
    points = [np.insert(voxels, 0, i, axis=1) for i, voxels in enumerate(anchors(case.labels))]
    return arrays | {
        "anchors": np.concatenate(points or [np.zeros((0, case.label.ndim + 1), np.int64)]),
        "digest": np.array(content_digest(case.labels, case.distribution)),
        "facts": np.array([beyond(case.labels), case.distribution is not None]),
    }


def _read_digest(entry: Path) -> str:
    return str(prepared.read_small(entry / "digest.npy").ravel()[0])
