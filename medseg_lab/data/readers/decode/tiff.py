"""TIFF, plain, of ImageJ and OME: a picture, a stack of slices, or several channels of either.

Axes come from what the file says of itself (`tifffile`): slices are the first axis, Z, Y, X; pages that
nothing is said of are slices, too. tifffile reports a damaged file to its log and gives what is left of it:
here each such report is an error.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medseg_lab.data.readers.decode import file_checks
from medseg_lab.data.readers.decode.pixels import opaque, single, upright

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

SPATIAL = "ZYX"
PAGES = "IQ"
"""tifffile's names for an axis of pages that nothing is said of."""

LOSSY = {6: "JPEG", 7: "JPEG", 34712: "JPEG 2000", 34892: "JPEG", 50001: "WebP"}
"""Compressions that may change a label's value, by TIFF's number."""

WHITE_IS_0, GREY, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
"""TIFF's numbers for the colours that are read."""

ORIENTATION = 274
"""The tag of how a page is turned."""

MM = {"nm": 1e-6, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3}
MM |= {"\\u00b5m": 1e-3, "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "inch": 25.4, "m": 1000.0}

HARMLESS = "coercing invalid ASCII"
"""What tifffile says of a text in another encoding, such as a name with an accent."""

PRINT_DPI = (72, 75, 96, 100, 120, 150, 200, 240, 300, 350, 400, 600, 1200, 2400)
"""Resolutions of screens and printers, which programs write when they know nothing."""

LARGEST_MM = 10.0
"""A pixel of this size is a resolution of 1 a centimetre or an inch: not set either."""


def read_tiff(path: Path, labels: bool = False) -> tuple[np.ndarray, tuple[float, ...] | None]:
    """The voxels `(C, *S)`, S being (Y, X) or (Z, Y, X), and mm along S, None where any is not stated.

    Args:
        labels: the file is a mask: a palette's indices are its values, and colours and losses are refused.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
    """
    import tifffile

    size = file_checks.size_of(path)
    file_checks.require_format(path, "TIFF")
    _require_end(path, size)
    with (
        file_checks.decoding(path, "a complete, readable TIFF"),
        _reports() as reports,
        tifffile.TiffFile(path, _multifile=False) as tiff,
    ):
        series = _checked(path, tiff, size, labels)
        page = series.keyframe
        voxels, inverted = _pixels(path, series)
        if reports:
            raise ValueError(reports[0])
        voxels, axes = _ordered(path, voxels, series.axes)
        if int(page.photometric) == PALETTE and page.colormap is not None and not (labels or tiff.is_imagej):
            voxels = (page.colormap[:, voxels[0]] >> 8).astype(np.uint8)
        elif int(page.photometric) == WHITE_IS_0 and voxels.dtype.kind in "bu" and not inverted:
            voxels = ~voxels
        voxels = opaque(path, voxels, _has_alpha(page) and "S" in series.axes)
        turn = int(page.tags.valueof(ORIENTATION, default=1))
        stated = _spacing(tiff, page)
        turned = axes[:-2] + axes[:-3:-1] if turn in (5, 6, 7, 8) else axes
        spacing = tuple(stated[axis] for axis in turned) if set(axes) <= set(stated) else None
    return upright(single(path, voxels)[None] if labels else voxels, turn), spacing


def _require_end(path: Path, size: int) -> None:
    """Check that the chain of pages ends: tifffile follows one that is a circle for ever."""
    seen: set[int] = set()
    with path.open("rb") as file:
        head = file.read(16)
        order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        is_big = int.from_bytes(head[2:4], order) == 43
        count, tag, link = (8, 20, 8) if is_big else (2, 12, 4)
        page = int.from_bytes(head[8:16] if is_big else head[4:8], order)
        while 0 < page < size:
            if page in seen:
                raise ValueError(f"{path}: expected each page once, got a page that follows itself")
            seen.add(page)
            file.seek(page)
            end = page + count + tag * int.from_bytes(file.read(count), order)
            if end >= size:
                break
            file.seek(end)
            page = int.from_bytes(file.read(link), order)


def _checked(path: Path, tiff: "TiffFile", size: int, labels: bool) -> "TiffPageSeries":
    """The only image or stack, checked before its pixels are decoded."""
    if len(tiff.series) != 1:
        raise ValueError(f"{path}: expected one image or stack, got {len(tiff.series)} in one file")
    _require_room(path, tiff.series[0], size)
    _require_known(path, tiff.series[0].keyframe, labels)
    return tiff.series[0]


@contextmanager
def _reports() -> Iterator[list[str]]:
    """What tifffile logs of damage in this thread, in place of it being printed."""
    found: list[str] = []
    thread = threading.get_ident()

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and HARMLESS not in (said := record.getMessage()):
                found.append(said)

    keep = Keep(logging.WARNING)
    log = logging.getLogger("tifffile")
    log.addHandler(keep)
    try:
        yield found
    finally:
        log.removeHandler(keep)


def _require_room(path: Path, series: "TiffPageSeries", size: int) -> None:
    """Check that the file can hold what it claims, before memory is allocated for it."""
    page = series.keyframe
    claimed = file_checks.require_plausible(path, series.shape, page.bitspersample / 8, size)
    if series.dtype.kind not in "buif" or series.dtype.itemsize > 8:
        raise ValueError(f"{path}: expected whole or real numbers, got the type {series.dtype}")
    if series.dataoffset is not None:
        pieces = [(series.dataoffset, claimed)]
    elif any(page is None for page in series.pages):
        raise ValueError(f"{path}: expected all its planes in this file, got a part of several files")
    else:
        pages = [page for page in series.pages if page is not None]
        pieces = [p for page in pages for p in zip(page.dataoffsets, page.databytecounts, strict=True)]
    inside = all(offset > 0 < count and offset + count <= size for offset, count in pieces)
    if not inside or (page.compression == 1 and sum(count for _, count in pieces) < claimed):
        raise ValueError(f"{path}: expected all pixels within its {size} bytes, got a file that ends early")


def _require_known(path: Path, page: "TiffPage", labels: bool) -> None:
    if int(page.photometric) not in (WHITE_IS_0, GREY, RGB, PALETTE, YCBCR):
        raise ValueError(f"{path}: expected grey, RGB or a palette, got {_name(page.photometric)} colours")
    if labels and int(page.compression) in LOSSY:
        raise ValueError(
            f"{path}: expected a mask with lossless compression, got "
            f"{LOSSY[page.compression]}, which changes label values"
        )


def _pixels(path: Path, series: "TiffPageSeries") -> tuple[np.ndarray, bool]:
    """The voxels in the order of `series.axes`, and whether white that is stored as 0 is inverted already."""
    try:
        return series.asarray(maxworkers=1), False
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
    return _by_pillow(path, series), True


def _by_pillow(path: Path, series: "TiffPageSeries") -> np.ndarray:
    """Pages of a compression that tifffile alone does not know, LZW and JPEG above all."""
    from PIL.TiffImagePlugin import TiffImageFile

    page, found = series.keyframe, []
    with path.open("rb") as stream:
        picture = TiffImageFile(stream)
        for each in series.pages:
            picture.seek(each.index if each else 0)
            found.append(np.array(picture))
    pixels = np.stack(found)
    turned = page.tags.valueof(ORIENTATION, default=1) != 1
    if pixels.size != np.prod(series.shape) or pixels.dtype != series.dtype or turned:
        raise ValueError(
            f"{path}: expected a compression that can be read here, got {_name(page.compression)}; install "
            "imagecodecs (pip install imagecodecs), or save the file without compression"
        )
    return pixels.reshape(series.shape)


def _name(code: int) -> str:
    """The name that tifffile has for a TIFF's number, or the number."""
    return str(getattr(code, "name", code))


def _ordered(path: Path, voxels: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
    """`(C, *S)`, and the names of S."""
    if "Z" not in axes and sum(axis in PAGES for axis in axes) == 1:
        axes = "".join("Z" if axis in PAGES else axis for axis in axes)
    space = "".join(axis for axis in SPATIAL if axis in axes)
    rest = [axis for axis in axes if axis not in space]
    if not space.endswith("YX") or rest not in ([], ["C"], ["S"]):
        named = {
            "T": "time points",
            "Z": "slices",
            "C": "channels",
            "S": "colours",
            "Y": "rows",
            "X": "columns",
        }
        found = ", ".join(f"{n} {named.get(a, 'pages')}" for a, n in zip(axes, voxels.shape, strict=True))
        raise ValueError(f"{path}: expected one image or stack of slices, got {found}; save them apart")
    ordered = voxels.transpose([axes.index(axis) for axis in [*rest, *space]])
    return (ordered if rest else ordered[None]), space


def _has_alpha(page: "TiffPage") -> bool:
    """Whether the last sample of a pixel is alpha: said so, or a fourth beside red, green and blue."""
    kinds = [int(kind) for kind in page.extrasamples]
    return len(kinds) == 1 and (kinds[0] in (1, 2) or int(page.photometric) == RGB)


def _spacing(tiff: "TiffFile", page: "TiffPage") -> dict[str, float]:
    """mm along the axes of which the file says it, by the axis' name."""
    if tiff.is_ome:
        return _of_ome(tiff)
    if tiff.is_imagej:
        said: dict[str, Any] = tiff.imagej_metadata or {}
        unit = MM.get(str(said.get("unit", "")).strip().lower())
        found = {axis: unit / n for axis, n in _dots(page).items()} if unit else {}
        return found | ({"Z": unit * float(said["spacing"])} if unit and said.get("spacing") else {})
    unit = {2: 25.4, 3: 10.0}.get(int(page.tags.valueof(296, default=2)))
    found = {axis: unit / n for axis, n in _dots(page).items()} if unit else {}
    printed = any(abs(25.4 / mm / dpi - 1) < 0.01 for mm in found.values() for dpi in PRINT_DPI)
    return {} if printed or max(found.values(), default=0) >= LARGEST_MM else found


def _dots(page: "TiffPage") -> dict[str, float]:
    """Pixels a unit along Y and X."""
    stated = {axis: page.tags.valueof(tag) for axis, tag in (("Y", 283), ("X", 282))}
    return {axis: n[0] / n[1] for axis, n in stated.items() if n is not None and n[0] > 0 < n[1]}


def _of_ome(tiff: "TiffFile") -> dict[str, float]:
    import tifffile

    image = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    sizes = {axis: pixels.get(f"PhysicalSize{axis}") for axis in SPATIAL}
    units = {axis: MM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in SPATIAL}
    return {axis: float(n) * mm for axis, n in sizes.items() if n and (mm := units[axis])}
