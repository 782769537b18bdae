"""The worker processes: of this machine, or of a Dask cluster elsewhere."""

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from medseg_lab.data.memory import physical_memory
from medseg_lab.workers import jobs

if TYPE_CHECKING:
    from distributed import Client, SpecCluster

CONNECT_SECONDS = 20
FOLDER = "medseg-workers-"
"""How the temporary folders of workers begin; the process that started them follows."""
MEMORY = {"host": 2**30, "card": 8 * 2**30}
"""Bytes that a worker may need: of the machine's memory, and of a card's (for the budget `full`)."""
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.worker-saturation": 1.0,  # a killed worker loses the job it runs, none that waits
    "distributed.scheduler.worker-ttl": None,  # native code may hold the interpreter for minutes
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": {},  # Dask would set them in this process, too
}


@dataclass(frozen=True)
class Workers:
    """Workers.

    Args:
        executor: takes the calls.
        description: who they are, in words.
        neighbours: how many share the memory of a machine.
        client: Dask's, where Dask runs them.
        topic: under which they announce that they begin a job.
        logs: the folder with `worker-<name>.log`, where they are processes of this machine.
        in_process: whether calls run in this very process, one at a time.
    """

    executor: Executor
    description: str
    neighbours: int = 1
    client: "Client | None" = None
    topic: str = ""
    logs: Path | None = None
    in_process: bool = False


@contextmanager
def open_workers(
    most: int,
    threads: int = 1,
    gpus: int = 0,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
) -> Iterator[Workers]:
    """Workers, gone at the end; an executor or a cluster that was given is left running.

    Workers of this machine are Dask's: processes with a nanny that starts them again if they are killed. They
    never outlive this process. In a script, this belongs under `if __name__ == "__main__":`.

    Args:
        most: how many jobs there are: no more processes than that are started.
        threads: of each job.
        gpus: 1 for workers that compute on a CUDA card, which several share.
        workers: processes on this machine; None takes as many as `environments` finds room for.
        scheduler: the address of a Dask scheduler, instead of processes of this machine.
        executor: any other executor.

    Raises:
        ValueError: for an impossible number, several kinds, or unsuitable Dask workers.
        RuntimeError: if the scheduler does not answer, or the processes end as they start.
    """
    kinds = {"workers": workers, "scheduler": scheduler, "executor": executor}
    given = [f"{name}={value}" for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"workers: expected one of {', '.join(kinds)}, got {', '.join(given)}")
    each, topic = f"{threads} thread{'s' * (threads > 1)} each", f"medseg-{secrets.token_hex(8)}"
    if executor is not None:
        yield Workers(executor, f"{type(executor).__name__}, {each}")
    elif scheduler is not None:
        with _connected(scheduler) as client:
            hosts = _checked_hosts(client, gpus)
            takes: dict[str, Any] = {"resources": {"GPU": gpus}} if gpus else {}
            known = f"{len(hosts)} worker{'s' * (len(hosts) != 1)} so far"
            said = f"the Dask scheduler at {scheduler}, {known}, {each}"
            neighbours = max((hosts.count(host) for host in hosts), default=1)
            found = client.get_executor(pure=False, **takes)
            yield Workers(found, said, neighbours, client, topic)
    else:
        places = environments(threads, gpus, workers)[: max(1, most)]
        said = f"{len(places)} worker{'s' * (len(places) > 1)} of this machine, {each}"
        cards = len({place["CUDA_VISIBLE_DEVICES"] for place in places})
        said += f", on {cards} CUDA card{'s' * (cards > 1)}" if gpus else ", on the CPU"
        with _local(places) as (client, logs):
            yield Workers(client.get_executor(pure=False), said, len(places), client, topic, logs)


@contextmanager
def _local(environments: Sequence[Mapping[str, str]]) -> "Iterator[tuple[Client, Path]]":
    """One process for each environment; and the folder of their logs."""
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster

    here: dict[str, Any] = {"host": "127.0.0.1", "dashboard": False}
    scheduler = {
        "cls": Scheduler,
        "options": here | {"port": 0, "dashboard_address": "127.0.0.1:0", "allowed_failures": 1},
    }
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        nanny: dict[str, Any] = {
            **here,
            "nthreads": 1,
            "memory_limit": 0,  # Dask would kill what takes much
            "local_directory": folder,
            "silence_logs": logging.CRITICAL,
            "preload": [jobs.__name__],
        }
        logs = [{jobs.LOG: f"{folder}/worker-{number}.log"} for number in range(len(environments))]
        nannies = [
            nanny | {"env": {**variables, **log}} for variables, log in zip(environments, logs, strict=True)
        ]
        spec = {number: {"cls": Nanny, "options": options} for number, options in enumerate(nannies)}
        with ExitStack() as at_the_end:
            with _no_interrupt(), dask.config.set(SETTINGS):
                try:
                    cluster = SpecCluster(spec, scheduler, silence_logs=logging.CRITICAL)
                except Exception as error:
                    raise RuntimeError(
                        "workers: they ended as they started; in a script, what starts them belongs under "
                        "`if __name__ == '__main__':`"
                    ) from error
                client = Client(cluster, set_as_default=False)
                at_the_end.callback(_end, cluster, client)  # also if Ctrl-C was pressed meanwhile
            yield client, Path(folder)


def _remove_abandoned() -> None:
    """Remove the folders of workers whose process was killed, once they are a day old."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        owner = folder.name.removeprefix(FOLDER).partition("-")[0]
        with suppress(OSError):
            old = time.time() - folder.stat().st_mtime > 86_400
            if old and owner.isdecimal() and not psutil.pid_exists(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Ctrl-C waits until the block has ended, and never reaches a process that is started inside."""
    before, pressed = signal.getsignal(signal.SIGINT), list[Any]()
    defers = before is not None and threading.current_thread() is threading.main_thread()
    with ExitStack() as restored:
        if defers:  # a mask is not enough: any other thread may take the signal
            signal.signal(signal.SIGINT, lambda *said: pressed.append(said))
            restored.callback(signal.signal, signal.SIGINT, before)
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # where multiprocessing starts it, SIGINT is unblocked
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            restored.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        yield
    if pressed and callable(before):
        before(*pressed[0])


def _end(cluster: "SpecCluster", client: "Client") -> None:
    """End the workers at once: idle ones would take seconds to end by themselves."""
    with _no_interrupt():
        _kill(cluster)
        client.close()
        cluster.close()


def _kill(cluster: "SpecCluster") -> None:
    """End the workers now, with all that they have started, such as a chapter's kernel."""
    for name in ("distributed", "distributed.batched", "distributed.comm"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # connections that break now are meant to
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        process = nanny.process
        if process is None or process.status.name != "running":  # one that still starts is left to its nanny
            continue
        with suppress(psutil.NoSuchProcess):
            worker = psutil.Process(process.pid)
            for one in (*worker.children(recursive=True), worker):
                one.kill()


@contextmanager
def _connected(address: str) -> "Iterator[Client]":
    from distributed import Client

    # a lost connection is told in one line, not with Dask's own traceback
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"scheduler: no Dask scheduler answers at {address} ({error})") from None
    with client:
        yield client


def _checked_hosts(client: "Client", gpus: int) -> list[str]:
    """The machine of each worker of a cluster.

    Raises:
        ValueError: if a worker would do several jobs at once in one process, or none offers a card.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    for address, worker in workers.items():
        if worker["nthreads"] != 1:
            raise ValueError(
                f"scheduler: expected workers with 1 thread, got {worker['nthreads']} at {address}: two runs "
                f"in one process would share their random numbers (dask worker --nthreads 1 --nworkers N)"
            )
    if gpus and workers and not any(worker["resources"].get("GPU") for worker in workers.values()):
        raise ValueError(
            "scheduler: expected workers with the resource GPU, as gpus = 1, got none "
            "(dask worker --nthreads 1 --resources GPU=1)"
        )
    return [worker["host"] for worker in workers.values()]


def environments(threads: int, gpus: int, workers: int | None) -> list[dict[str, str]]:
    """One environment for each worker of this machine: its threads and, with `gpus`, its card.

    Where no number is given, there are as many as cores and memory carry; with `gpus`, as the cards do, too.
    Several share a card: a small step leaves most of it idle.

    Raises:
        ValueError: for an impossible number.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected 1 or more, got {workers}")
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    common = dict.fromkeys(names, str(threads)) | {"MEDSEG_PROGRESS": "0"}
    most = min(cores() // threads, physical_memory() // MEMORY["host"])
    if not gpus:
        return [common | {"CUDA_VISIBLE_DEVICES": "-1"}] * (workers or max(1, most))
    cards = visible_cards()
    if not cards:
        raise ValueError("gpus: expected a CUDA card, as gpus = 1, got none on this machine")
    workers = workers or max(len(cards), min(most, sum(size // MEMORY["card"] for size in card_memory())))
    return [common | {"CUDA_VISIBLE_DEVICES": cards[number % len(cards)]} for number in range(workers)]


def cores() -> int:
    """The cores that this process may use."""
    from dask.system import cpu_count

    return int(cpu_count())


def card_memory() -> list[int]:
    """The bytes of each card."""
    import torch

    return [torch.cuda.get_device_properties(n).total_memory for n in range(torch.cuda.device_count())]


def visible_cards() -> list[str]:
    """The CUDA cards that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [card for card in said.split(",") if card.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
