"""The jobs of a sweep: plain data that any worker can be sent."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from medseg_lab.training.provenance import digest


@dataclass(frozen=True)
class Place:
    """What is the same for all jobs of one sweep.

    Args:
        store: the run store's folder, which all workers must see.
        desk: a folder in it that is this sweep's own while it lasts: markers of what runs (`desk`).
        data: `$MEDSEG_DATA` where the sweep was started; "" leaves the worker's own.
        house: the checkout with the chapters; "" where the sweep has none.
        neighbours: how many workers share a machine's memory.
    """

    store: str
    desk: str
    data: str = ""
    house: str = ""
    neighbours: int = 1


@dataclass(frozen=True)
class Job:
    """Base of both kinds.

    Args:
        title: for people; not part of what the job is.
        threads: of PyTorch.
        gpus: CUDA cards, 0 or 1.
    """

    title: str = field(compare=False)
    threads: int
    gpus: int

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits, the same whenever the same is to be done."""
        said = {name: value for name, value in asdict(self).items() if name != "title"}
        return digest([type(self).__name__, said])[:16]


@dataclass(frozen=True)
class Training(Job):
    """One run: a recipe trained and judged on a data set with one seed.

    Args:
        dataset: an id or an absolute folder.
        labelled: patients whose labels may be used; None for all.
        recipe: as text.
        budget: the fields of a `Budget`.
        seed: of all chance.
        parts: the cases that are scored.
    """

    dataset: str
    labelled: int | None
    recipe: str
    budget: dict[str, Any]
    seed: int
    parts: tuple[str, ...]

    @property
    def cohort(self) -> tuple[str, int | None, int | None]:
        """What `load_cohort` needs: data set, most cases, labelled patients."""
        return self.dataset, self.budget["cases"], self.labelled


@dataclass(frozen=True)
class ChapterRun(Job):
    """One execution of a chapter.

    Args:
        section: its number.
        parameters: those that are given, with their values.
    """

    section: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What a worker knows of a training before it begins.

    Args:
        job: its id.
        key: of its run.
        root: the key of the run that is trained for it: its own, or that of its innermost base.
        done: whether the store holds the run.
        parts: digests of what the key is made of, by name.
        mapped: whether the cohort is to be read from disk, so that all workers' share fits the memory.
        unfit: why the method cannot be trained on this data; "" where it can.
    """

    job: str
    key: str = ""
    root: str = ""
    done: bool = False
    parts: dict[str, str] = field(default_factory=dict)
    mapped: bool | None = None
    unfit: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Args:
        job: its id.
        key: of the run or the executed chapter; "" where it failed.
        seconds: in the worker.
        replayed: whether it was there already.
        host: the worker's machine.
        traceback: of the exception; "" where it succeeded.
    """

    job: str
    key: str = ""
    seconds: float = 0.0
    replayed: bool = False
    host: str = ""
    traceback: str = ""

    @property
    def error(self) -> str:
        """The last line of the traceback; "" where there is none."""
        lines = self.traceback.strip().splitlines()
        return lines[-1] if lines else ""
