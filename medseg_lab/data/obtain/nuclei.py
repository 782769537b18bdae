"""The nuclei of the 2018 Data Science Bowl: from one file per nucleus to one label picture per image.

As published: `stage1_train/<id>/images/<id>.png`, and a mask for each nucleus in `stage1_train/<id>/masks`.
As kept: `images/<id>.png`, 8-bit grey, and `labels/<id>.png`, 16-bit: 0 is background, 1 to N are the nuclei
in the order of their files' names. A pixel in two masks belongs to the first.
"""

from pathlib import Path

import numpy as np

from medseg_lab.data.obtain.digests import decode
from medseg_lab.data.obtain.disk import writing

IMAGES = 160
"""How many are kept: the first by id of those that `is_dark_fluorescence` accepts."""
SHAPE = (256, 256)
DARK = 127


def convert(published: Path, into: Path) -> None:
    """Write the pictures that are kept.

    Args:
        published: the folder that has one folder per image.
        into: where `images` and `labels` are made.

    Raises:
        ValueError: naming the file (no picture, a mask of another shape) or the folder (too few images).
        RuntimeError: for the disk.
    """
    from PIL import Image

    chosen = 0
    for folder in sorted(p for p in published.iterdir() if (p / "images").is_dir()):
        if chosen == IMAGES:
            break
        name = f"{folder.name}.png"
        pixels = decode(folder / "images" / name)
        if not is_dark_fluorescence(pixels):
            continue
        chosen += 1
        grey = pixels if pixels.ndim == 2 else pixels[..., 0]
        for kind, array in (("images", grey), ("labels", instances(folder / "masks"))):
            with writing(into / kind / name):
                (into / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(array)).save(into / kind / name)
    if chosen < IMAGES:
        raise ValueError(
            f"{published}: expected at least {IMAGES} dark grey images of 256 x 256 pixels, got {chosen}"
        )


def is_dark_fluorescence(pixels: np.ndarray) -> bool:
    """Whether an image, `(row, column[, channel])`, is 8-bit, of `SHAPE`, grey and dark on average."""
    if pixels.shape[:2] != SHAPE or pixels.dtype != np.uint8:
        return False
    colours = pixels[..., None] if pixels.ndim == 2 else pixels[..., :3]
    return bool((colours == colours[..., :1]).all() and colours[..., 0].mean() <= DARK)


def instances(masks: Path) -> np.ndarray:
    """Labels `(row, column)`, uint16, from the mask files of one image's nuclei.

    Raises:
        ValueError: naming a file that is no mask of the image's shape, or a folder without masks.
    """
    files = sorted(masks.glob("*.png"))
    if not files:
        raise ValueError(f"{masks}: expected a mask for each nucleus, got none")
    labels = np.zeros(SHAPE, np.uint16)
    for number, file in enumerate(files, start=1):
        mask = decode(file)
        if mask.shape != SHAPE:
            raise ValueError(f"{file}: expected shape {SHAPE}, got {mask.shape}")
        labels[(mask > 0) & (labels == 0)] = number
    return labels
