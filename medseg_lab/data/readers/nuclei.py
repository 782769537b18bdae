"""Reader of the nuclei: `images/<id>.png`, and `labels/<id>.png` with the numbers of the nuclei."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.checks import checked_image, known_annotation, same_shape
from medseg_lab.data.readers.decode.picture import read_picture
from medseg_lab.data.readers.digests import content_digest, files_digest
from medseg_lab.data.readers.listing import by_name, patients_of, require_pairs, visible
from medseg_lab.data.readers.reader import Raw


@dataclass(frozen=True)
class NucleiReader:
    """The pictures of one folder; the label is nucleus or not, whichever nucleus it is.

    Args:
        files: image and label, by case.
        whose: the patient, by case.
    """

    files: dict[str, tuple[Path, Path]]
    whose: dict[str, str]
    channels: int = 1

    @classmethod
    def open(cls, card: Card, folder: Path) -> "NucleiReader":
        """The reader of `folder`, once every image there has its label and the other way round."""
        images = by_name((path.stem, path) for path in visible(folder / "images", "*.png"))
        labels = by_name((path.stem, path) for path in visible(folder / "labels", "*.png"))
        require_pairs(images, labels, "label")
        if not images:
            raise ValueError(f"{folder}: got no picture, wanted images/<id>.png and labels/<id>.png")
        return cls({case: (images[case], labels[case]) for case in images}, patients_of(images, card))

    def patients(self) -> dict[str, str]:
        """Every case's patient, as the card's expression reads it off the id."""
        return dict(self.whose)

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """One picture; see `Reader.read` for what is raised."""
        path, label_path = self.files[case]
        known_annotation(annotation, ("dense",), path)
        image, numbers = read_picture(path, ("L",)), read_picture(label_path, ("I;16", "L"))
        same_shape(image.shape, numbers.shape, path)
        labels = (numbers > 0).astype(np.uint8)[None]
        return Raw(case, self.whose[case], checked_image(image[None], path), labels, None)

    def digest(self, case: str) -> str:
        """SHA-256 of the case's files, the image first."""
        return files_digest(self.files[case])

    def image_digest(self, case: str) -> str:
        """As `Reader.image_digest`."""
        return content_digest(self.files[case][:1])
