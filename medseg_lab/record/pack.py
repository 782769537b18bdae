"""The file of the record: a pack of runs that were added together, written once and never edited.

A pack is JSON compressed by xz. Its name holds the day and a digest of its bytes: `2026-11-28-0f3a….json.xz`.
So a file that was edited or cut short is found out before anything of it is unpacked, and packs that were
added side by side, on two machines or two branches, lie beside each other.
"""

import hashlib
import lzma
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medseg_lab.data.whole_file import remove_abandoned, write_whole

VERSION = 1
"""The version of packs that is written, and read."""
SUFFIX = ".json.xz"
DIGITS = 16
"""Of a pack's digest, in its name."""
LARGEST = {"packed": 16_000_000, "unpacked": 96_000_000}
"""Bytes of a pack at most; what is larger is refused before memory is taken."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Layout(_Part):
    """Whose scores stand in which row: columns of equal length."""

    part: tuple[str, ...]
    case: tuple[str, ...]
    patient: tuple[str, ...]
    kind: tuple[str, ...] = Field(alias="class")

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.case)


class PackedRun(_Part):
    """One run.

    Attributes:
        facts: its `run.json`, without the tables of source files.
        sources, judge_sources: numbers of the pack's `files`.
        commit: of this library, in words (`medseg_lab.record.commit`).
        layout: the number of the pack's layout that its scores have.
        scores: a metric's name to its values, row by row, in six digits.
        digest: of the scores in full.
        curves: a column's name to its thinned values, in four digits.
    """

    facts: dict[str, Any]
    sources: tuple[int, ...]
    judge_sources: tuple[int, ...]
    commit: str
    layout: int
    scores: dict[str, tuple[float, ...]]
    digest: str
    curves: dict[str, tuple[float, ...]]


class Pack(_Part):
    """What a pack holds.

    Attributes:
        version: of this form.
        added: date and time in UTC, ISO 8601.
        note: what whoever added it wanted to say.
        files: source files of the library with their hashes, each once.
        layouts: those of the runs' scores, each once.
        runs: the runs.
    """

    version: int = VERSION
    added: str
    note: str = ""
    files: tuple[tuple[str, str], ...]
    layouts: tuple[Layout, ...]
    runs: tuple[PackedRun, ...]

    @model_validator(mode="after")
    def _numbers_point_at_something(self) -> "Pack":
        for one in self.runs:
            key = str(one.facts.get("key"))[:16]
            for number in (*one.sources, *one.judge_sources):
                if not 0 <= number < len(self.files):
                    raise ValueError(f"run {key}: expected one of {len(self.files)} files, got {number}")
            if not 0 <= one.layout < len(self.layouts):
                raise ValueError(f"run {key}: expected one of {len(self.layouts)} layouts, got {one.layout}")
            rows = self.layouts[one.layout].rows
            for name, values in one.scores.items():
                if len(values) != rows:
                    raise ValueError(f"run {key}: {name}: expected {rows} values, got {len(values)}")
        for layout in self.layouts:
            if len({len(column) for column in (layout.part, layout.case, layout.patient, layout.kind)}) > 1:
                raise ValueError("layout: expected columns of one length, got several")
        return self


def write_pack(folder: Path, pack: Pack) -> Path:
    """Write a pack, whole or not at all, under the name that its content gives it.

    Returns:
        The path.

    Raises:
        ValueError: for one that is larger than what is read.
        OSError: where the folder cannot be written to.
    """
    text = pack.model_dump_json(by_alias=True).encode()
    content = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)
    for what, size in (("unpacked", len(text)), ("packed", len(content))):
        if size > LARGEST[what]:
            raise ValueError(
                f"pack: expected at most {LARGEST[what]:,} bytes {what}, got {size:,}; add fewer runs at once"
            )
    target = folder / f"{datetime.now(UTC).date()}-{_digest(content)}{SUFFIX}"
    remove_abandoned(folder, f".*{SUFFIX}")  # of other content, and so of another name
    write_whole(target, content)
    return target


def read_pack(path: Path) -> Pack:
    """The pack in a file.

    Raises:
        ValueError: for a file that is none, in one line: too large, another content than its name says, of
            another version, or not whole. Nothing is unpacked before size and digest are found right.
    """
    size = path.stat().st_size
    if size > LARGEST["packed"]:
        raise ValueError(f"expected at most {LARGEST['packed']:,} bytes, got {size:,}")
    content = path.read_bytes()
    wanted = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    if (found := _digest(content)) != wanted:
        raise ValueError(f"expected content of digest {wanted}, as in its name, got {found}")
    text = _unpacked(content)
    try:
        version = _Version.model_validate_json(text).version
        if version != VERSION:
            raise ValueError(f"expected version {VERSION}, got {version}")
        return Pack.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(first_of(error)) from error


def first_of(error: ValidationError) -> str:
    """The first fault in one line: where, and what."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


class _Version(BaseModel):
    version: int


def _unpacked(content: bytes) -> bytes:
    """The text, which takes no more memory than a pack may.

    Raises:
        ValueError: for more than that, or what is not xz.
    """
    unpacking = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256_000_000)
    try:
        text = unpacking.decompress(content, max_length=LARGEST["unpacked"] + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"expected a file compressed by xz, got another: {error}") from error
    if len(text) > LARGEST["unpacked"]:
        raise ValueError(f"expected at most {LARGEST['unpacked']:,} bytes once unpacked, got more")
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("expected one whole file compressed by xz, got part of one, or more than one")
    return text


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
