"""Grids that are swept in seconds, and the waiting for other processes that their tests need."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

TINY = "Supervised(network=UNet(features=[4, 8]), spatial_dims=2)"
BUDGET = {"steps": 3, "voxels": 256, "patch": 8, "cases": 8}


def toy_folder(folder: Path, dims: int = 3, cases: int = 8) -> Path:
    """A data set of bright balls (discs in two dimensions) in the layout of the decathlon."""
    shape = (12, 10, 9)[:dims]
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    for number in range(cases):
        rng = np.random.default_rng(number)
        label = (sum(axis**2 for axis in axes) < 0.4 + 0.05 * number).astype(np.uint8)
        image = (label + 0.2 * rng.normal(size=shape)).astype(np.float32)
        for name, array in (("imagesTr", image), ("labelsTr", label)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            whole = array if dims == 3 else array[..., None]
            nib.save(nib.Nifti1Image(whole, np.eye(4)), folder / name / f"toy_{number:03}.nii.gz")
    listed = [
        {"image": f"./imagesTr/toy_{n:03}.nii.gz", "label": f"./labelsTr/toy_{n:03}.nii.gz"}
        for n in range(cases)
    ]
    said = {
        "name": "toy",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "ball"},
        "training": listed,
    }
    (folder / "dataset.json").write_text(json.dumps(said))
    return folder


def grid_file(
    folder: Path, name: str = "grid.toml", budget: dict[str, Any] | str | None = None, **said: Any
) -> Path:
    """A grid on the toy data set beside it, which is written too; by default a tiny method, two seeds."""
    if not (folder / "toy").is_dir():
        toy_folder(folder / "toy")
    table = {"datasets": ["toy"], "seeds": 2, "recipes": {"tiny": TINY}} | said
    table["budget"] = budget if isinstance(budget, str) else BUDGET | (budget or {})
    path = folder / name
    path.write_text("\n".join(f"{key} = {inline(value)}" for key, value in table.items()))
    return path


def inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


class AtOnce(Executor):
    """Calls in this very process, as they are submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def run_folders(store: Path) -> list[Path]:
    """The finished runs of a store."""
    return sorted(path for path in store.iterdir() if not path.name.startswith("."))


def bits(store: Path) -> dict[str, tuple[bytes, bytes]]:
    """Weights and per-case results, byte by byte, by run."""
    return {
        run.name: tuple((run / name).read_bytes() for name in ("weights.safetensors", "cases.csv"))
        for run in run_folders(store)
    }


def until(seen: Callable[[], Any], seconds: float = 120) -> Any:
    """What `seen` gives once it is true; fails after a time that no machine needs."""
    end = time.monotonic() + seconds
    while not (value := seen()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return value
