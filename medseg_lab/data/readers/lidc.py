"""Reader of the LIDC-IDRI crops: `LIDC-IDRI-0001/nodule-0/images/slice-4.png` with `mask-0` to `mask-3`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import binary_mask, checked_image, known_annotation, same_shape
from medseg_lab.data.readers.decode.picture import read_picture
from medseg_lab.data.readers.digests import content_digest, files_digest
from medseg_lab.data.readers.listing import patients_of, require_pairs, visible
from medseg_lab.data.readers.reader import Raw


@dataclass(frozen=True)
class LidcReader:
    """The slices of one folder; every slice that is there is a case, `LIDC-IDRI-0001_nodule-0_slice-4`.

    Args:
        files: the image's file, by case; a reading's is `mask-<r>/<the same name>` beside `images`.
        whose: the patient, by case.
        raters: R, the readings of every slice.
    """

    files: dict[str, Path]
    whose: dict[str, str]
    raters: int
    channels: int = 1

    @classmethod
    def open(cls, card: Card, folder: Path) -> "LidcReader":
        """The reader of `folder`, once every slice there has all its readings and the other way round."""
        files = {_id(path): path for path in visible(folder, "*/*/images/*.png")}
        if not files:
            raise ValueError(f"{folder}: got no slice, wanted <patient>/nodule-<k>/images/slice-<s>.png")
        for rater in range(card.raters):
            masks = {_id(path): path for path in visible(folder, f"*/*/mask-{rater}/*.png")}
            require_pairs(files, masks, f"reading (mask-{rater})")
        files = dict(sorted(files.items()))
        return cls(files, patients_of(files, card), card.raters)

    def patients(self) -> dict[str, str]:
        """Every case's patient, as the card's expression reads it off the id."""
        return dict(self.whose)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One slice with all its readings; see `Reader.read` for what is raised."""
        path = self.files[case]
        known_annotation(annotation, ("dense",), path)
        image = read_picture(path, ("L",))
        readings = []
        for mask in self._masks(path):
            readings.append(binary_mask(read_picture(mask, ("L", "1")), mask))
            same_shape(image.shape, readings[-1].shape, path)
        return Raw(case, self.whose[case], checked_image(image[None], path), np.stack(readings), None)

    def digest(self, case: str) -> str:
        """SHA-256 of the case's files, the image first."""
        return files_digest([self.files[case], *self._masks(self.files[case])])

    def image_digest(self, case: str) -> str:
        """As `Reader.image_digest`."""
        return content_digest([self.files[case]])

    def _masks(self, path: Path) -> list[Path]:
        return [path.parent.with_name(f"mask-{rater}") / path.name for rater in range(self.raters)]


def _id(path: Path) -> str:
    """Patient, nodule and slice, from the path of an image or a mask."""
    return "_".join((*path.parts[-4:-2], path.stem))
