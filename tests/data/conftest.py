import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.data.readers.layouts import Made, build


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> Path:
    """No test reads or fills the user's cache; the folder is shared so that templates are built once."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("MEDSEG_DATA", raising=False)
    return folder


def save(path: Path, array: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([*spacing, 1.0])), path)


@pytest.fixture
def msd_folder(tmp_path) -> Callable[..., Path]:
    """Builds a small data set: `build(n, nnunet=False, channels=1)` gives its folder."""

    def build(n: int = 10, nnunet: bool = False, channels: int = 1, name: str = "Task99_Toy") -> Path:
        root, rng = tmp_path / name, np.random.default_rng(0)
        for i in range(n):
            image = rng.normal(100, 20, (9 + i % 3, 10, 11, channels)).astype(np.float32)
            label = np.zeros(image.shape[:3], np.uint8)
            label[2:5, 3:6, 3:6], label[5:7, 3:6, 3:6] = 1, 2
            save(root / "labelsTr" / f"toy_{i:03d}.nii.gz", label)
            if nnunet:
                for c in range(channels):
                    save(root / "imagesTr" / f"toy_{i:03d}_{c:04d}.nii.gz", image[..., c])
            else:
                save(root / "imagesTr" / f"toy_{i:03d}.nii.gz", image if channels > 1 else image[..., 0])
        names = ["background", "front", "back"]
        contrasts = {str(c): f"contrast {c}" for c in range(channels)}
        if nnunet:
            said = {"channel_names": contrasts, "labels": {n: v for v, n in enumerate(names)}}
            said |= {"numTraining": n, "file_ending": ".nii.gz"}
        else:
            said = {"name": "Toy", "modality": contrasts, "labels": {str(v): n for v, n in enumerate(names)}}
            said["training"] = [
                {"image": f"./imagesTr/toy_{i:03d}.nii.gz", "label": f"./labelsTr/toy_{i:03d}.nii.gz"}
                for i in range(n)
            ]
        (root / "dataset.json").write_text(json.dumps(said))
        return root

    return build


@pytest.fixture
def make(tmp_path) -> Callable[..., Made]:
    """`make(layout, folder="set", cases=2, name="a")` writes a small data set in any layout."""

    def made(layout: str, folder: str = "set", cases: int = 2, name: str = "a") -> Made:
        return build(layout, tmp_path / folder, cases, name)

    return made
