"""Chapters executed through papermill, under our own key.

jupyter-cache checks whether the cells changed; the key also covers the library, the data, the lock file and
the parameters. An executed chapter is stored in `build/chapters/<section>/<key>/`, whole or not at all.
"""

import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from medseg_lab.data.text import read_text
from medseg_lab.publishing.house import Chapter, House, find_house
from medseg_lab.publishing.inputs import changed, inputs, key
from medseg_lab.publishing.parameters import checked
from medseg_lab.training.durable import whole_folder

NOTEBOOK, RECORD = "notebook.ipynb", "record.json"
LOGS = ("asyncio", "papermill", "traitlets")
VERSIONS = ("medseg-lab", "torch", "numpy")

# The last cell in the chapter's kernel, removed afterwards: what the process used, on what data it worked.
REPORT = """
import json, resource, sys
_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
_chapter = sys.modules.get("medseg_lab.chapter")
_lessons = [lesson.summary() for lesson in _chapter.LESSONS] if _chapter else []
_peak = max([_peak, *(lesson.pop("peak_memory_mb", 0) for lesson in _lessons)])
print(json.dumps({"peak_memory_mb": round(_peak), "lessons": _lessons}))
"""


class ChapterError(RuntimeError):
    """A cell of a chapter failed; the message is one line.

    Args:
        chapter: which.
        line: the number of the cell and the exception.
        kept: the notebook as far as it came, with the traceback; or what its process wrote.
    """

    def __init__(self, chapter: Chapter, line: str, kept: Path) -> None:
        super().__init__(f"{chapter.path.name}, {line}; see {kept}")
        self.line = line


class Record(BaseModel):
    """What an execution was, and what it took.

    Attributes:
        section: the survey's section.
        key: digest of `inputs`.
        title: the chapter's heading.
        parameters: every parameter with its value.
        inputs: hashes of all that the outputs depend on.
        seconds: wall clock, the kernel's start included.
        peak_memory_mb: the most memory that the kernel and its workers took together, in MB (1e6 bytes).
        lessons: what each `chapter.open` worked on: data, device, seconds trained and replayed.
        date: when it ended, UTC.
        versions: of the packages that matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: str
    key: str
    title: str
    parameters: dict[str, Any]
    inputs: dict[str, Any]
    seconds: float
    peak_memory_mb: int
    lessons: list[dict[str, Any]]
    date: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Executed:
    """An executed chapter: its source, its notebook with outputs, its record, and whether it was replayed.

    `reasons` names the inputs that changed since the latest execution with the same parameters.
    """

    chapter: Chapter
    notebook: Path
    record: Record
    replayed: bool
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        record = self.record
        cost = f"{record.seconds:.0f} s, {record.peak_memory_mb} MB"
        if self.replayed:
            return (
                f"{record.section} replayed: nothing it depends on has changed since {record.date} ({cost})"
            )
        why = f"; changed: {', '.join(self.reasons[:5])}" if self.reasons else ""
        return f"{record.section} executed in {cost}{why}"


@dataclass(frozen=True)
class Waiting:
    """A chapter without results: never executed on this machine, changed since it was, or failed.

    `last` is its latest execution with the same parameters, `reasons` names the inputs that changed since,
    and `failure` is the line of the error that ended it.
    """

    chapter: Chapter
    parameters: dict[str, Any]
    last: Record | None = None
    reasons: tuple[str, ...] = ()
    failure: str = ""


def run_chapter(
    section: str | Path,
    parameters: dict[str, Any] | None = None,
    *,
    house: House | None = None,
    with_runs: bool = False,
) -> Executed:
    """Execute a chapter, or replay it where nothing that it depends on has changed.

    Args:
        section: "2.1.1", or a notebook's path.
        parameters: values for the chapter's parameters; text is read as the declared type.
        house: the checkout; by default the one that is installed.
        with_runs: execute it also where its runs are no longer in the run store: pages that are made from the
            ledger need them.

    Raises:
        ValueError: for an unknown chapter, parameter, budget or data set, naming the known ones.
        ChapterError: if a cell fails; the partial notebook stays in `build/chapters/<section>/failed.ipynb`,
            what a process wrote that died in `kernel.log` there.
        KeyboardInterrupt: on Ctrl-C: what becomes of the chapter.
    """
    house = house or find_house()
    chapter, values, depends, folder = _place(section, parameters, house)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        found = _found(chapter, values, depends, folder, with_runs)
        if isinstance(found, Executed):
            return found
        shutil.rmtree(folder, ignore_errors=True)
        record = _execute(chapter, values, depends, folder)
    return Executed(chapter, folder / NOTEBOOK, record, replayed=False, reasons=found.reasons)


def find_chapter(
    section: str | Path,
    parameters: dict[str, Any] | None = None,
    *,
    house: House | None = None,
    with_runs: bool = False,
) -> Executed | Waiting:
    """The chapter as `run_chapter` would replay it, or what it waits for; executes nothing.

    Raises:
        ValueError: as `run_chapter`.
    """
    return _found(*_place(section, parameters, house or find_house()), with_runs)


def _place(
    section: str | Path, parameters: dict[str, Any] | None, house: House
) -> tuple[Chapter, dict[str, Any], dict[str, Any], Path]:
    """The chapter, its parameters, its inputs, and the folder of its execution with them."""
    chapter = house.chapter(section)
    values = checked(chapter, parameters or {})
    if "budget" in values:
        from medseg_lab.training.budget import budget

        budget(values["budget"])
    depends = inputs(chapter, values, house)
    return chapter, values, depends, house.executed / chapter.section / key(depends)


def _found(
    chapter: Chapter, values: dict[str, Any], depends: dict[str, Any], folder: Path, with_runs: bool
) -> Executed | Waiting:
    """The execution in this folder; else the latest of others with the same parameters, and what changed."""
    if (folder / RECORD).is_file():
        found = read_record(folder)
        if not with_runs or _runs_are_there(found):
            return Executed(chapter, folder / NOTEBOOK, found, replayed=True)
        return Waiting(chapter, values, found, ("the run store, which lacks its runs",))
    last = latest(folder.parent, values)
    return Waiting(chapter, values, last, tuple(changed(last.inputs, depends)) if last else ())


def _runs_are_there(record: Record) -> bool:
    """Whether the store still has all runs that the chapter trained or replayed."""
    from medseg_lab.training.runs import run_store

    store = run_store()
    return all((store.root / name).is_dir() for lesson in record.lessons for name in lesson.get("runs", ()))


def read_record(folder: Path) -> Record:
    """The record of an executed chapter's folder."""
    return Record.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))


def _execute(chapter: Chapter, values: dict[str, Any], depends: dict[str, Any], folder: Path) -> Record:
    """Run the cells in a temporary folder, then move the result into place."""
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from medseg_lab.publishing.kernel import KERNELSPEC, LOG, this_interpreter
    from medseg_lab.show.explorer import FEW

    notebook = nbformat.reads(read_text(chapter.path), as_version=4)
    notebook.metadata["kernelspec"] = KERNELSPEC
    defaults = checked(chapter, {})
    # drawing hundreds of frames proves no more than drawing the outermost
    few = {FEW: "few"} if values.get("budget") == "smoke" else {}
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as scratch:
        aside = Path(scratch)
        nbformat.write(notebook, aside / "source.ipynb")
        started = time.monotonic()
        stopped = f"stopped: {chapter.path.name} begins anew with the same command; its runs are kept"
        try:
            with _unheard():
                papermill.execute_notebook(
                    aside / "source.ipynb",
                    aside / NOTEBOOK,
                    # only what differs, so that a page shows no cell that repeats the defaults
                    {name: value for name, value in values.items() if value != defaults[name]},
                    kernel_name=KERNELSPEC["name"],
                    language="python",
                    progress_bar=sys.stderr.isatty(),
                    request_save_on_cell_execute=False,  # twice a cell, with all pictures so far
                    kernel_manager_class=this_interpreter(aside, **few),
                )
        except PapermillExecutionError as error:
            if error.ename == KeyboardInterrupt.__name__:  # the signal was sent to the kernel
                raise KeyboardInterrupt(stopped) from None
            kept = folder.parent / "failed.ipynb"
            (aside / NOTEBOOK).replace(kept)
            said = f"{error.ename}: {error.evalue}".splitlines()[0]
            raise ChapterError(chapter, f"cell {error.cell_index}: {said}", kept) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stopped) from None
        except DeadKernelError as error:
            kept = folder.parent / LOG
            (aside / LOG).replace(kept)
            raise ChapterError(chapter, "its process ended, perhaps for lack of memory", kept) from error
        seconds = time.monotonic() - started
        executed = nbformat.read(aside / NOTEBOOK, as_version=4)
        report = json.loads("".join(out["text"] for out in executed.cells.pop().outputs))
        record = Record(
            section=chapter.section,
            key=folder.name,
            title=chapter.title,
            parameters=values,
            inputs=depends,
            seconds=round(seconds, 1),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions={name: version(name) for name in VERSIONS},
            **report,
        )
        with whole_folder(folder) as whole:
            nbformat.write(tidied(executed), whole / NOTEBOOK)
            (whole / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")
    return record


@contextmanager
def _unheard() -> Iterator[None]:
    """Inside, what executes notebooks logs nothing; nor afterwards, up to the exit, where Ctrl-C ended it.

    The cell that waits ends with that, too, and its sockets are closed: all of which would be reported.
    """
    before = {logging.getLogger(name): logging.getLogger(name).level for name in LOGS}
    for logger in before:
        logger.setLevel(logging.CRITICAL + 1)
    stopped = False
    try:
        yield
    except KeyboardInterrupt:
        stopped = True
        raise
    finally:
        if not stopped:
            for logger, level in before.items():
                logger.setLevel(level)


def tidied(notebook: Any) -> Any:
    """The notebook without papermill's notes (this machine's paths, clock), a cell's prints in one piece."""
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    for part in (notebook, *notebook.cells):
        for name in ("papermill", "execution"):
            part.metadata.pop(name, None)
    return CoalesceStreamsPreprocessor().preprocess(notebook, {})[0]


def latest(folder: Path, parameters: dict[str, Any]) -> Record | None:
    """The latest execution of a chapter with these parameters, among those in its folder."""
    records = [read_record(path.parent) for path in folder.glob(f"*/{RECORD}")]
    alike = [record for record in records if record.parameters == parameters]
    return max(alike, key=lambda record: record.date, default=None)
