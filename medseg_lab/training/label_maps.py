"""Segmentations kept with a run: what it predicted while it was judged, compressed."""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.uint8]


class LabelMaps:
    """Label maps by case id, compressed as they come, so that hundreds of volumes fit the memory."""

    def __init__(self) -> None:
        self._content = io.BytesIO()
        self._archive = zipfile.ZipFile(self._content, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def __setitem__(self, case: str, classes: LabelMap) -> None:
        """Keep the classes `(*S)`, uint8, of a case; a second map of a case is left out."""
        name = f"{case}.npy"
        if name not in self._archive.namelist():
            with self._archive.open(name, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(classes), allow_pickle=False)

    def __getitem__(self, case: str) -> LabelMap:
        """The classes that are kept of a case; `KeyError` where none are."""
        with self._archive.open(f"{case}.npy") as stream:
            found: LabelMap = np.lib.format.read_array(stream, allow_pickle=False)
        return found

    def __len__(self) -> int:
        return len(self._archive.namelist())

    def content(self) -> bytes:
        """All of them as a file that numpy reads (`numpy.load`); none can be added any more."""
        self._archive.close()
        return self._content.getvalue()

    def write(self, path: Path) -> None:
        """Write `content` to a file."""
        path.write_bytes(self.content())


def read_label_maps(path: Path, cases: list[str]) -> dict[str, LabelMap]:
    """The label maps of those cases that the file has.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as there:
            return {case: there[case] for case in cases if case in there}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected label maps, got a damaged file ({error})") from error
