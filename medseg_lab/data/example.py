"""A small data set in the nnU-Net layout, to try out what can be done with a folder of your own."""

import json
from pathlib import Path

from medseg_lab.data.virtual.settings import VirtualSettings
from medseg_lab.data.virtual.subject import CLASSES, subject

RESOLUTION = 4
"""Voxel edge in mm: coarse, so that a training takes seconds."""
POPULATION = 1
"""Other subjects than those of `virtual-brain`."""


def write_example(folder: Path, subjects: int = 24) -> None:
    """Write virtual subjects into `folder` in nnU-Net's layout: `dataset.json`, `imagesTr`, `labelsTr`.

    They are simulated, and `dataset.json` says so. An image has one channel, of whole numbers.

    Args:
        folder: created if it does not exist.
        subjects: how many.

    Raises:
        ValueError: if the folder holds a data set already.
    """
    if (folder / "dataset.json").exists():
        raise ValueError(f"{folder}: holds a dataset.json already; choose another folder")
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = VirtualSettings(resolution=RESOLUTION)
    for index in range(subjects):
        _write(folder, f"brain_{index:03d}", index, settings)
    (folder / "dataset.json").write_text(json.dumps(_listing(subjects), indent=2) + "\n", encoding="utf-8")


def _write(folder: Path, case: str, index: int, settings: VirtualSettings) -> None:
    import nibabel
    import numpy as np

    made = subject(POPULATION, index, settings)
    affine = np.diag([RESOLUTION, RESOLUTION, RESOLUTION, 1.0])
    image = (1000 * made.image[0].numpy()).round().astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(image, affine), folder / "imagesTr" / f"{case}_0000.nii.gz")
    labels = nibabel.Nifti1Image(made.labels[0].numpy(), affine)
    nibabel.save(labels, folder / "labelsTr" / f"{case}.nii.gz")


def _listing(subjects: int) -> dict[str, object]:
    return {
        "name": "VIRTUAL subjects, one anatomy: simulated T1 scans, no real data",
        "licence": "simulated from the ICBM152 templates: (c) 1993-2009 Louis Collins, MNI, McGill",
        "channel_names": {"0": "simulated T1 MRI"},
        "labels": {name: value for value, name in enumerate(CLASSES)},
        "numTraining": subjects,
        "file_ending": ".nii.gz",
    }
