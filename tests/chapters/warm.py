"""Kernels that need not import what all chapters do: forked from a process that has imported it.

Importing PyTorch, Lightning Fabric and pandas takes a kernel longer than some chapters' trainings at `smoke`.
A kernel of this module is a fork of a server of `multiprocessing`, which has imported them, run nothing and
started no thread. It is a process of its own with the environment that it was to get, as any kernel.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import IO, Any

import pytest
from jupyter_client.provisioning import local_provisioner

IMPORTED = ["medseg_lab.chapter", "ipykernel.kernelapp", "ipykernel.ipkernel"]
"""Not matplotlib, which takes its backend from the kernel's environment as it is imported."""
HASHES = "PYTHONHASHSEED"


class Forked:
    """The process, as `subprocess.Popen` would give it."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """The exit code, once it has ended."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self._process.pid or 0, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()


def warm_kernels(patch: pytest.MonkeyPatch) -> None:
    """Until the patch is undone, kernels are forked; on systems without such servers they start as ever."""
    if "forkserver" in multiprocessing.get_all_start_methods() and sys.platform == "linux":
        patch.setattr(local_provisioner, "launch_kernel", launch)


def launch(cmd: list[str], *, env: Mapping[str, str], stderr: IO[str], **options: Any) -> Forked:
    """A kernel as `python -m ipykernel_launcher ...` would be; in the place of jupyter's `launch_kernel`."""
    assert cmd[1:3] == ["-m", "ipykernel_launcher"], cmd
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    heard, said = context.Pipe(duplex=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HASHES, env[HASHES])  # of the server, which starts with the first kernel
        process = context.Process(
            target=kernel, args=(cmd[3:], dict(env), options.get("cwd"), stderr.name, said)
        )
        process.start()
    assert heard.recv() == "its own group"  # signals to its group must not reach that of the tests
    return Forked(process)


def kernel(arguments: list[str], env: dict[str, str], folder: str | None, log: str, said: Connection) -> None:
    """What the fork does: become the kernel."""
    os.setsid()
    said.send("its own group")
    assert env[HASHES] == os.environ[HASHES], "expected one server for all kernels"
    os.environ.clear()
    os.environ.update(env)
    if folder:
        os.chdir(folder)
    with open(log, "a") as file:  # noqa: PTH123
        os.dup2(file.fileno(), 2)
    sys.argv = ["ipykernel_launcher", *arguments]

    from ipykernel.kernelapp import launch_new_instance

    # it ends with its parent, which is the server, which ends with the tests
    launch_new_instance(parent_handle=os.getppid())
