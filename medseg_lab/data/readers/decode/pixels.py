"""What formats of pictures have in common: alpha channels, grey stored as colour, cameras held sideways."""

from pathlib import Path

import numpy as np

TURNS = {
    2: (False, (-1,)),
    3: (False, (-2, -1)),
    4: (False, (-2,)),
    5: (True, ()),
    6: (True, (-1,)),
    7: (True, (-2, -1)),
    8: (True, (-2,)),
}
"""By EXIF or TIFF orientation: whether rows and columns are swapped, and which axes are then flipped."""


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """`(..., H, W)` as viewers show it; an orientation that is 1 or not known changes nothing."""
    swapped, flipped = TURNS.get(orientation, (False, ()))
    return np.flip(pixels.swapaxes(-2, -1) if swapped else pixels, flipped)


def opaque(path: Path, pixels: np.ndarray, alpha: bool) -> np.ndarray:
    """`(C, *S)` without its last channel if that is `alpha`, which must be opaque everywhere."""
    if not alpha:
        return pixels
    top = 1 if pixels.dtype.kind in "fb" else np.iinfo(pixels.dtype).max
    if (transparent := (pixels[-1] != top).mean()) > 0:
        raise ValueError(
            f"{path}: expected an opaque picture, got an alpha channel that is below {top} for "
            f"{100 * transparent:.3g}% of its pixels; save it without transparency"
        )
    return pixels[:-1]


def single(path: Path, pixels: np.ndarray) -> np.ndarray:
    """The channel `(*S)` of a mask `(C, *S)`; where it is stored as colours, all must be equal."""
    if not (pixels == pixels[:1]).all():
        raise ValueError(
            f"{path}: expected one number per pixel, got {len(pixels)} channels that differ, as colours do; "
            "save the mask in grey or with a palette, one value per class"
        )
    return np.asarray(pixels[0])
