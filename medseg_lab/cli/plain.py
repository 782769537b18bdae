"""How the command line fails: in one line, whatever the exception, and without a traceback."""

import errno
import io
import os
import sys
import traceback
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

WRONG_USE, FAILED, INTERRUPTED = 2, 1, 130
SHOW = "MEDSEG_TRACEBACK"
"""Variable that shows the traceback, for those who look for a fault in the library."""

EXTRAS = {
    "notebooks": (
        *("IPython", "ipykernel", "ipywidgets", "jupyter_client", "jupyterlab"),
        *("nbclient", "nbconvert", "nbformat", "papermill", "traitlets"),
    ),
    "book": ("jupyter_book", "myst_nb", "sphinx"),
    "cluster": ("dask_jobqueue",),
    "dicom": ("pydicom",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
}
"""By extra of the package, the modules that come with it and may be missing without it."""

TO_DO = {
    "copyfile": "copy",
    "iterdir": "list",
    "listdir": "list",
    "mkdir": "make the folder",
    "read_bytes": "read",
    "read_text": "read",
    "rename": "move",
    "replace": "move",
    "rmdir": "remove",
    "rmtree": "remove",
    "unlink": "remove",
    "write_bytes": "write",
    "write_text": "write",
    "write_whole": "write",
}
"""By the function that the system refused, what was to be done."""
WRITING = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The system's errors that only writing has."""


class Plain(TyperGroup):
    """Commands whose errors are one line each: exit code 2 for wrong use, 1 for a failure, 130 for Ctrl-C.

    `MEDSEG_TRACEBACK=1` shows the traceback, too.
    """

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; what the terminal's encoding lacks is printed as `\\u4e2d`."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; print what ends it. A warning is a note on a line of its own."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _note
                found = super().invoke(ctx)
            if sys.stdout is not None:  # as where the shell has closed it
                sys.stdout.flush()  # so that a pipe that is closed is seen here
            return found
        except (Exception, KeyboardInterrupt) as error:
            if type(error).__module__.startswith(("click", "typer")) or isinstance(error, BrokenPipeError):
                raise  # its own message, its own silence
            if os.environ.get(SHOW):
                traceback.print_exception(error)
            if isinstance(error, KeyboardInterrupt):
                said, code = str(error) or "stopped", INTERRUPTED
            else:
                code = WRONG_USE if isinstance(error, ValueError) else FAILED
                said = f"error: {sentence(error)}"
            typer.secho(said, err=True, fg="red")
            raise typer.Exit(code) from error


def _note(message: Warning | str, *where: Any, **more: Any) -> None:
    typer.secho(f"note: {next(iter(str(message).splitlines()), '')}", err=True, fg="yellow")


def sentence(error: Exception) -> str:
    """What went wrong, in one line for those who use the command line."""
    match error:
        case UnicodeError():
            return f"a text cannot be read or written: {first_line(error)}"
        case OSError():
            return refused(error)
        case ImportError():
            return missing(error)
        case MemoryError():
            return f"out of memory: {first_line(error) or 'nothing more was given'}"
        case ValueError() | RuntimeError() if not isinstance(error, RecursionError | NotImplementedError):
            # an exception of ours may list several things
            ours = type(error).__module__.startswith("medseg_lab")
            return str(error) if ours else first_line(error) or type(error).__name__
        case _:
            said = f"{type(error).__name__}: {first_line(error)}"
            return f"a bug in medseg-lab: {said}; {SHOW}=1 shows the traceback, for a bug report"


def first_line(error: BaseException) -> str:
    """The first line of a message that has several."""
    return next(iter(str(error).splitlines()), "").rstrip(":")


def refused(error: OSError) -> str:
    """What was to be done, with which file, and why the system refused."""
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    known = next((TO_DO[name] for name in reversed(names) if name in TO_DO), "use")
    verb = "write" if known == "use" and error.errno in WRITING else known
    if error.filename is None and error.strerror is None:
        return first_line(error) or type(error).__name__
    file = "" if error.filename is None else f" {os.fsdecode(error.filename)}"
    return f"cannot {verb}{file}: {error.strerror or first_line(error)}"


def missing(error: ImportError) -> str:
    """Which part is not installed, and the line that installs it."""
    if "pip install" in str(error):  # raised where it is known what the module is for
        return first_line(error)
    module = (error.name or "").partition(".")[0]
    extra = next((name for name, modules in EXTRAS.items() if module in modules), "")
    if extra:
        return f'{module} is not installed; install it: pip install "medseg-lab[{extra}]"'
    return f"a module cannot be imported: {first_line(error)}; is all installed? pip install medseg-lab"
