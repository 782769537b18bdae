"""What the tests of damaged and inconsistent files share."""

import io
import os
import pickle
import warnings

import numpy as np
import pytest

from tests.data.readers.layouts import Made, save_h5, save_nifti, save_picture

NIFTI = ("acdc-nifti", "msd-2d", "msd-3d")
PNG = ("chase", "lidc", "nuclei")
PARTS = ("image", "label")
SHAPE = {"acdc-h5": (9, 8, 5), "acdc-nifti": (9, 8, 5), "msd-3d": (9, 8, 5), "msd-2d": (9, 8, 1)}


def refused(made: Made, part: str, message: str, annotation: str = "dense") -> None:
    """The first case is refused with this message about this file; the other still reads."""
    source, path = made.reader, made.file(part)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message) as error:
            source.read(made.first, annotation)
    said = str(error.value)
    assert said.startswith(f"{path}: expected ")
    assert ", got " in said
    assert "\n" not in said
    source.read(max(made.files), annotation)


def write(made: Made, layout: str, image=None, label=None, part: str = "image") -> None:
    """The first case's image or label anew, in its own format."""
    if layout == "acdc-h5":
        new = image if label is None else made.images[made.first][0]
        other = made.labels[made.first][0] if label is None else label
        save_h5(made.file(part), image=new.T, label=other.T)
        return
    array = image if label is None else label
    if layout in NIFTI:
        save_nifti(made.file(part), array)
    elif layout == "chase" and part == "image":
        save_picture(made.file(part), np.stack([array] * 3, -1).astype(np.uint8), quality=95)
    else:
        save_picture(made.file(part), array.astype(np.uint8))


class Trap:
    """Whoever unpickles it ends the process."""

    def __reduce__(self):
        return (os.abort, ())


def pickled() -> bytes:
    return pickle.dumps(Trap())


def pickled_npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Trap()], object), allow_pickle=True)
    return stream.getvalue()
