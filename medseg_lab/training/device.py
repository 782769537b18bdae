"""Where a run computes, in which precision, and how it is made to repeat itself."""

import logging
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from medseg_lab.training.hardware import Hardware

HIGH_WATER = Path("/proc/self/status")
Precision = Literal["auto", "32-true", "bf16-mixed"]
Module = TypeVar("Module", bound=nn.Module)


def make_fabric(precision: Precision = "auto", **options: Any) -> Fabric:
    """Lightning Fabric on one CUDA card if there is one, else on the CPU.

    Args:
        precision: `auto` takes bfloat16 where the device computes in it (`fast_bfloat16`), else float32.
        options: Fabric's own, for other machines: `accelerator="mps"`, `devices=4, strategy="ddp"`,
            `num_nodes=2`. With several processes the caller runs `fabric.launch()`.
    """
    # its "Using bfloat16 ..." on stderr; the precision is in the line that `fit` prints
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    accelerator = options.pop("accelerator", "cuda" if torch.cuda.is_available() else "cpu")
    if precision == "auto":
        precision = "bf16-mixed" if fast_bfloat16(accelerator) else "32-true"
    return Fabric(accelerator=accelerator, devices=options.pop("devices", 1), precision=precision, **options)


def fast_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu" and torch.backends.mkldnn.is_available():
        # private names: PyTorch has no public test for these instructions, so an absent one counts as a no
        return any(
            getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in ("avx512_bf16", "amx_tile")
        )
    return False


def hardware(fabric: Fabric, threads: int = 1) -> Hardware:
    """What `fabric` computes on, with so many threads where that is the CPU."""
    device = fabric.device.type
    return Hardware(
        device=device,
        name=torch.cuda.get_device_name(fabric.device) if device == "cuda" else _processor(),
        precision=str(fabric.strategy.precision.precision),
        threads=threads if device == "cpu" else 0,
        processes=fabric.world_size,
    )


@contextmanager
def reproducible(device: torch.device, threads: int = 1) -> Iterator[None]:
    """Inside: deterministic algorithms where PyTorch has them, and so many threads; after: all as it was.

    Also the caller's random generators are as they were.

    On the CPU PyTorch's sums are already ordered, given the number of threads. A few CUDA kernels (the
    backward pass of 3D max pooling) have no deterministic form; PyTorch then warns.
    """
    cuda = device.type == "cuda"
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    with torch.random.fork_rng(devices=[device] if cuda else [], device_type="cuda"):
        try:
            if cuda:
                os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS repeats nothing
                torch.use_deterministic_algorithms(True, warn_only=True)
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            torch.set_num_threads(threads_before)


def memory_format(device: str, spatial_dims: int) -> torch.memory_format:
    """How images and convolution weights lie in memory: the layout that is fastest on a device.

    The channels are innermost, but for volumes on a CUDA card: PyTorch's instance norm would copy them to the
    plain layout and back.

    Args:
        device: its type, such as `cpu`.
        spatial_dims: 2 or 3.
    """
    if spatial_dims == 2:
        return torch.channels_last
    return torch.contiguous_format if device == "cuda" else torch.channels_last_3d


def lay_out(module: Module) -> Module:
    """Lay convolution weights out by `memory_format`, in place; the module is to be on its device."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.ndim in (4, 5):
            tensor.data = laid_out(tensor.data)
    return module


def laid_out(tensor: Tensor) -> Tensor:
    """`(N, C, *S)` with the same values, laid out by `memory_format` of its device."""
    dims = tensor.ndim - 2
    return (
        tensor.contiguous(memory_format=memory_format(tensor.device.type, dims)) if dims in (2, 3) else tensor
    )


def peak_memory_mb(device: torch.device) -> float:
    """The most memory so far in MB (1e6): PyTorch's on a CUDA card, else the process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if HIGH_WATER.is_file():  # `getrusage` counts what the parent took when it started this process, too
        found = re.search(r"VmHWM:\s+(\d+) kB", HIGH_WATER.read_text(encoding="ascii", errors="replace"))
        if found:
            return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes, Linux in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _processor() -> str:
    """The CPU's model name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
