"""Readers of pictures with a mask a rater: CHASE_DB1, the LIDC-IDRI crops, and the DSB 2018 nuclei."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import (
    binary_mask,
    by_name,
    checked_image,
    patient_of,
    require_annotation,
    require_pairs,
    require_same_shape,
    visible,
)
from medseg_lab.data.readers.decode.picture import read_picture
from medseg_lab.data.readers.reader import FileReader, Files, Raw

OBSERVERS = ("_1stHO", "_2ndHO")


class PictureReader(FileReader):
    """Pictures, grey or in red, green and blue, as the card says; no spacing is known."""

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One picture with all its readings; see `Reader.read` for what is raised."""
        files, colour = self.files[case], len(self.card.modality) == 3
        path = files.image[0]
        require_annotation(annotation, ("dense",), path)
        image = read_picture(path, ("RGB",) if colour else ("L",))
        image = np.moveaxis(image, -1, 0) if colour else image[None]
        readings = [self._mask(label) for label in files.labels]
        for reading in readings:
            require_same_shape(image.shape[1:], reading.shape, path)
        return Raw(case, patient_of(case, self.card), checked_image(image, path), np.stack(readings), None)

    def _mask(self, path: Path) -> np.ndarray:
        return binary_mask(read_picture(path, ("1", "L")), path)


class ChaseReader(PictureReader):
    """CHASE_DB1: `Image_01L.jpg`, with two observers' `Image_01L_1stHO.png` and `Image_01L_2ndHO.png`."""

    @classmethod
    def open(cls, card: Card, folder: Path) -> "ChaseReader":
        """The reader of `folder`; every photograph must have both masks and every mask its photograph."""
        images = by_name((path.stem, path) for path in visible(folder, "*.jpg"))
        masks = []
        for end in OBSERVERS:
            named = ((path.stem.removesuffix(end), path) for path in visible(folder, f"*{end}.png"))
            masks.append(by_name(named))
            require_pairs(images, masks[-1], f"mask ({end})")
        if not images:
            raise ValueError(f"{folder}: expected *.jpg with *_1stHO.png and *_2ndHO.png, got no photograph")
        return cls(card, _paired(images, masks))


class LidcReader(PictureReader):
    """LIDC-IDRI crops: `LIDC-IDRI-0001/nodule-0/images/slice-4.png` with `mask-0` to `mask-3`.

    Each slice is a case, `LIDC-IDRI-0001_nodule-0_slice-4`.
    """

    @classmethod
    def open(cls, card: Card, folder: Path) -> "LidcReader":
        """The reader of `folder`; every slice must have all its readings and every reading its slice."""
        images = {_slice_id(path): path for path in visible(folder, "*/*/images/*.png")}
        if not images:
            raise ValueError(f"{folder}: expected <patient>/nodule-<k>/images/slice-<s>.png, got no slice")
        masks = []
        for rater in range(card.raters):
            masks.append({_slice_id(path): path for path in visible(folder, f"*/*/mask-{rater}/*.png")})
            require_pairs(images, masks[-1], f"reading (mask-{rater})")
        return cls(card, _paired(images, masks))


class NucleiReader(PictureReader):
    """Nuclei: `images/<id>.png`, and `labels/<id>.png` with their numbers; the label is nucleus or not."""

    @classmethod
    def open(cls, card: Card, folder: Path) -> "NucleiReader":
        """The reader of `folder`; every image must have its label and every label its image."""
        images = by_name((path.stem, path) for path in visible(folder / "images", "*.png"))
        labels = by_name((path.stem, path) for path in visible(folder / "labels", "*.png"))
        require_pairs(images, labels, "label")
        if not images:
            raise ValueError(f"{folder}: expected images/<id>.png and labels/<id>.png, got no picture")
        return cls(card, _paired(images, [labels]))

    def _mask(self, path: Path) -> np.ndarray:
        return (self._numbers(path) > 0).astype(np.uint8)

    def _numbers(self, path: Path) -> np.ndarray:
        return read_picture(path, ("I;16", "L"))


class ApartNucleiReader(NucleiReader):
    """Nuclei with one pixel of background between those that touch, as the U-Net's authors drew them [14].

    Where two nuclei meet at a face, the pixel of the one with the lower number becomes background: no two
    nuclei are one connected component, and a network can tell them apart without knowing their numbers.
    """

    def _mask(self, path: Path) -> np.ndarray:
        numbers = self._numbers(path)
        faces = ndimage.generate_binary_structure(numbers.ndim, 1)
        meets_higher = ndimage.maximum_filter(numbers, footprint=faces) > numbers
        return ((numbers > 0) & ~meets_higher).astype(np.uint8)


def _paired(images: dict[str, Path], masks: list[dict[str, Path]]) -> dict[str, Files]:
    return {case: Files((path,), tuple(rater[case] for rater in masks)) for case, path in images.items()}


def _slice_id(path: Path) -> str:
    """Patient, nodule and slice, from the path of an image or a mask."""
    return "_".join((*path.parts[-4:-2], path.stem))
