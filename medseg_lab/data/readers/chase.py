"""Reader of CHASE_DB1: `Image_01L.jpg`, and two observers' `Image_01L_1stHO.png`, `Image_01L_2ndHO.png`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import binary_mask, checked_image, known_annotation, same_shape
from medseg_lab.data.readers.decode.picture import read_picture
from medseg_lab.data.readers.digests import content_digest, files_digest
from medseg_lab.data.readers.listing import by_name, patients_of, require_pairs, visible
from medseg_lab.data.readers.reader import Raw

OBSERVERS = ("_1stHO", "_2ndHO")


@dataclass(frozen=True)
class ChaseReader:
    """The photographs of one folder, in red, green and blue.

    Args:
        files: the photograph's file, by case; the observers' are beside it.
        whose: the patient, by case.
    """

    files: dict[str, Path]
    whose: dict[str, str]
    channels: int = 3

    @classmethod
    def open(cls, card: Card, folder: Path) -> "ChaseReader":
        """The reader of `folder`, once every photograph there has both observers and the other way round."""
        files = by_name((path.stem, path) for path in visible(folder, "*.jpg"))
        for end in OBSERVERS:
            masks = by_name((path.stem.removesuffix(end), path) for path in visible(folder, f"*{end}.png"))
            require_pairs(files, masks, f"mask ({end})")
        if not files:
            raise ValueError(f"{folder}: got no photograph, wanted *.jpg with *_1stHO.png and *_2ndHO.png")
        return cls(files, patients_of(files, card))

    def patients(self) -> dict[str, str]:
        """Every case's patient, as the card's expression reads it off the id."""
        return dict(self.whose)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One photograph with both observers; see `Reader.read` for what is raised."""
        path = self.files[case]
        known_annotation(annotation, ("dense",), path)
        image = np.moveaxis(read_picture(path, ("RGB",)), -1, 0)
        readings = []
        for mask in self._masks(path):
            readings.append(binary_mask(read_picture(mask, ("1", "L")), mask))
            same_shape(image.shape[1:], readings[-1].shape, path)
        return Raw(case, self.whose[case], checked_image(image, path), np.stack(readings), None)

    def digest(self, case: str) -> str:
        """SHA-256 of the case's files, the photograph first."""
        return files_digest([self.files[case], *self._masks(self.files[case])])

    def image_digest(self, case: str) -> str:
        """As `Reader.image_digest`."""
        return content_digest([self.files[case]])

    def _masks(self, path: Path) -> list[Path]:
        return [path.with_name(f"{path.stem}{end}.png") for end in OBSERVERS]
