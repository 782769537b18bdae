"""The tables of cases that judges leave in run folders, one or thousands at a time.

Opening a small table costs a parser far more than its rows do. So tables with the same header are laid end to
end and parsed as one; only where that fails is each parsed alone, to find the broken ones.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_lab.data.wording import one_line
from medseg_lab.training.own_files import NOT_ITS_OWN, content

if TYPE_CHECKING:
    import pandas as pd

TEXT = ("part", "case", "patient", "class")
"""The columns that are text, whatever stands in them: a patient "007" or "None" keeps its name."""
STEPPED = ("step", "seconds", "lr")
"""The columns that all curves have."""
NEEDED = frozenset({"case", "patient", "class"})


@dataclass(frozen=True)
class _Table:
    run: str
    rows: int
    body: bytes


def read_table(path: Path) -> "pd.DataFrame":
    """One `cases.csv`.

    Raises:
        ValueError: naming the file, if it is no whole table.
    """
    header, _, body = content(path).partition(b"\n")
    try:
        _rows(header, body)
        return _parsed(header, body)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


def read_curves(path: Path) -> "pd.DataFrame":
    """One `curves.csv`: numbers alone; a loss that a step did not have is NaN.

    Raises:
        ValueError: naming the file, if it is no whole table.
    """
    header, _, body = content(path).partition(b"\n")
    try:
        found = _parsed(header, body, strict=True)
        if missing := [name for name in STEPPED if name not in found]:
            raise ValueError(f"expected the columns {', '.join(STEPPED)}, got no {', '.join(missing)}")
        return found.astype({"step": int})
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


def read_tables(
    files: Mapping[str, Path], digests: Mapping[str, str] | None = None
) -> "tuple[pd.DataFrame, dict[str, str]]":
    """Many tables as one.

    Args:
        files: a run's name to its `cases.csv`.
        digests: by the same name the SHA-256 that the file must have, where that is known.

    Returns:
        All rows, with the run's name in a first column `run`, run by run in the order of `files`; and why a
        run is not among them, by its name. A file that is not there gives neither rows nor a reason. Every
        column that is not text holds numbers.
    """
    import pandas as pd

    groups: dict[bytes, list[_Table]] = {}
    broken: dict[str, str] = {}
    for run, path in files.items():
        try:
            whole, expected = content(path), (digests or {}).get(run)
            if expected and hashlib.sha256(whole).hexdigest() != expected:
                raise ValueError(NOT_ITS_OWN)
            header, _, body = whole.partition(b"\n")
            groups.setdefault(header.strip(), []).append(_Table(run, _rows(header, body), body))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            broken[run] = one_line(error)
    frames = []
    for header, tables in groups.items():
        try:
            frames.append(_together(header, tables))
        except ValueError:
            for table in tables:
                try:
                    frames.append(_together(header, [table]))
                except ValueError as error:
                    broken[table.run] = one_line(error)
    if not frames:
        return pd.DataFrame(columns=["run", *TEXT], dtype=str), broken
    if len(frames) == 1:
        return frames[0], broken
    order = {run: number for number, run in enumerate(files)}
    joined = pd.concat(frames, ignore_index=True)
    return joined.sort_values("run", key=lambda run: run.map(order), kind="stable", ignore_index=True), broken


def _rows(header: bytes, body: bytes) -> int:
    """How many there are, all of the header's length.

    Raises:
        ValueError: for a missing column, or a row that is cut off.
    """
    columns = header.decode().strip().split(",")
    if missing := sorted(NEEDED - set(columns)):
        raise ValueError(f"expected the columns {', '.join(sorted(NEEDED))}, got no {', '.join(missing)}")
    if not set(columns) - set(TEXT):
        raise ValueError("expected one column with a metric or more, got none")
    if body and not body.endswith(b"\n"):
        raise ValueError("expected whole rows, got a last one that is cut off")
    if b'"' in body:
        try:
            lengths = [len(row) for row in csv.reader(io.StringIO(body.decode(), newline=""))]
        except csv.Error as error:
            raise ValueError(f"expected rows of values, got other text: {error}") from error
    else:
        lengths = [line.count(b",") + 1 for line in body.splitlines()]
    if not lengths:
        raise ValueError("expected a row for each case and class, got none")
    if set(lengths) != {len(columns)}:
        raise ValueError(f"expected {len(columns)} values in each row, got a row of another length")
    return len(lengths)


def _together(header: bytes, tables: list[_Table]) -> "pd.DataFrame":
    import numpy as np

    frame = _parsed(header, b"".join(table.body for table in tables), strict=True)
    counts = [table.rows for table in tables]
    if len(frame) != sum(counts):
        raise ValueError(f"expected {sum(counts)} rows, got {len(frame)}")
    names = np.repeat(np.array([table.run for table in tables], dtype=object), counts)
    frame.insert(0, "run", names)
    return frame.astype({"run": str})


def _parsed(header: bytes, body: bytes, strict: bool = False) -> "pd.DataFrame":
    """The table; `strict`: what is not text must be a number.

    Raises:
        ValueError: if it is not, or a row is longer than the header.
    """
    import pandas as pd

    columns = header.decode().strip().split(",")
    text = {name: object for name in columns if name in TEXT}
    numbers = [name for name in columns if name not in TEXT]
    frame = pd.read_csv(
        io.BytesIO(header.strip() + b"\n" + body),
        dtype={**text, **(dict.fromkeys(numbers, float) if strict else {})},
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
    )
    return frame.astype(dict.fromkeys(text, str))
