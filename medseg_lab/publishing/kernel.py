"""The kernel that runs a chapter: this very interpreter, whatever kernels are installed."""

import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LOG = "kernel.log"


def this_interpreter(scratch: Path, **environment: str) -> type[AsyncKernelManager]:
    """A kernel manager that ignores the installed kernels, a user's own `python3` among them.

    The kernel reads an empty IPython profile in `scratch`, hashes strings the same each time, and draws no
    progress bars; `environment` has further variables of it. What the process itself complains of, its cells
    apart, is in `scratch/kernel.log`.
    """
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        env={
            "PYTHONHASHSEED": "0",
            "MEDSEG_PROGRESS": "0",
            "IPYTHONDIR": str(scratch / "ipython"),
            **environment,
        },
        display_name=KERNELSPEC["display_name"],
        language=KERNELSPEC["language"],
        metadata={"supported_encryption": ["curve"]},
    )

    class ThisInterpreter(AsyncKernelManager):
        @default("transport_encryption")
        def _encrypted(self) -> str:
            return "auto"

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            with (scratch / LOG).open("w", encoding="utf-8") as log:
                await super().start_kernel(stderr=log, **options)

        @property
        def kernel_spec(self) -> KernelSpec:
            return spec

    return ThisInterpreter
