"""Small data sets in every layout that a reader knows, with the arrays that were written."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from PIL import Image

from medseg_lab.data.card import Card, Preprocessing
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.reader import Reader

CARDS = {
    "acdc-h5": "acdc",
    "acdc-nifti": "acdc",
    "chase": "chase-db1",
    "lidc": "lidc-4rater",
    "nuclei": "dsb2018-nuclei",
}


@dataclass
class Made:
    """A data set that was just written: its card, its files by case and part, and what is in them."""

    card: Card
    folder: Path
    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    images: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        """Opened anew at each call."""
        return open_reader(self.card, self.folder)

    @property
    def first(self) -> str:
        """The first case."""
        return min(self.files)

    def file(self, part: str) -> Path:
        """A file of the first case."""
        return self.files[self.first][part]


def build(layout: str, root: Path, cases: int = 2, name: str = "a") -> Made:
    """Write a data set to `root`; another `name` than "a" is put into every id, patient's and file's."""
    root.mkdir(parents=True, exist_ok=True)
    card = load_card(CARDS[layout]) if layout in CARDS else toy_card(layout)
    made = Made(card if name == "a" else any_name(card), root)
    for i in range(cases):
        BUILD[layout](made, i, np.random.default_rng(i), name)
    return made


def toy_card(layout: str) -> Card:
    dims = 2 if layout == "msd-2d" else 3
    return Card(
        id="toy",
        title="toy",
        publisher="-",
        licence="-",
        citation="-",
        home="-",
        size_mb=0,
        modality=("MRI",),
        spatial_dims=dims,
        classes=("background", "front", "back", "middle"),
        patient_rule="-",
        reader="msd",
        preprocessing=Preprocessing(patch=(8,) * dims),
    )


def any_name(card: Card) -> Card:
    """The card for ids of any form: what comes before the last underscore is the patient."""
    return card.model_copy(update={"patient": "(.+)_[^_]+"})


def volume(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """An image that varies, and labels 0 to 3."""
    label = rng.integers(0, 4, shape).astype(np.uint8)
    return (rng.normal(100, 20, shape) + 30 * label).astype(np.float32), label


def save_nifti(path: Path, array: np.ndarray, spacing: tuple[float, ...] = (1.5, 1.25, 8.0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
    return path


def save_picture(path: Path, array: np.ndarray, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **how)
    return path


def save_h5(path: Path, **volumes: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in volumes.items():
            file.create_dataset(key, data=array, chunks=True, compression="gzip")
    return path


def scribbled(label: np.ndarray) -> np.ndarray:
    """The label on every other row, 4 (nobody scribbled) elsewhere."""
    marks = np.full_like(label, 4)
    marks[::2] = label[::2]
    return marks


def _acdc_nifti(made: Made, i: int, rng: np.random.Generator, name: str) -> None:
    patient = f"patient{i + 1:03d}" if name == "a" else f"{name}{i}"
    case, folder = f"{patient}_frame01", made.folder / patient
    image, label = volume(rng, (9, 8, 5))
    made.images[case], made.labels[case] = image[None], label[None]
    made.files[case] = {
        "image": save_nifti(folder / f"{case}.nii.gz", image),
        "label": save_nifti(folder / f"{case}_gt.nii.gz", label),
        "scribble": save_nifti(folder / f"{case}_scribble.nii.gz", scribbled(label)),
    }
    save_nifti(folder / f"{patient}_4d.nii.gz", np.stack([image, image], -1))


def _acdc_h5(made: Made, i: int, rng: np.random.Generator, name: str) -> None:
    case = f"patient{i + 1:03d}_frame01" if name == "a" else f"{name}{i}_frame01"
    image, label = volume(rng, (9, 8, 5))
    made.images[case], made.labels[case] = image[None], label[None]
    scribble = scribbled(label).astype(np.uint16)
    path = save_h5(made.folder / f"{case}.h5", image=image.T, label=label.T, scribble=scribble.T)
    made.files[case] = dict.fromkeys(("image", "label", "scribble"), path)


def _lidc(made: Made, i: int, rng: np.random.Generator, name: str) -> None:
    patient = f"LIDC-IDRI-{i + 1:04d}" if name == "a" else f"{name}{i}"
    case, folder = f"{patient}_nodule-0_slice-4", made.folder / patient / "nodule-0"
    image = rng.integers(0, 256, (16, 12)).astype(np.uint8)
    masks = rng.integers(0, 2, (4, 16, 12)).astype(np.uint8)
    made.images[case], made.labels[case] = image[None].astype(np.float32), masks
    made.files[case] = {"image": save_picture(folder / "images" / "slice-4.png", image)}
    for rater, mask in enumerate(masks):
        path = save_picture(folder / f"mask-{rater}" / "slice-4.png", mask * 255)
        made.files[case][f"mask {rater}"] = path
    made.files[case]["label"] = made.files[case]["mask 0"]


def _chase(made: Made, i: int, rng: np.random.Generator, name: str) -> None:
    case = f"Image_{i + 1:02d}L" if name == "a" else f"{name}{i}_L"
    smooth = np.linspace(0, 200, 16 * 12).reshape(16, 12) + rng.uniform(0, 50, (16, 12))
    colours = np.stack([smooth, smooth[::-1], smooth[:, ::-1]], -1).astype(np.uint8)
    masks = rng.integers(0, 2, (2, 16, 12)).astype(bool)
    made.files[case] = {"image": save_picture(made.folder / f"{case}.jpg", colours, quality=95)}
    for end, mask in zip(("1stHO", "2ndHO"), masks, strict=True):
        made.files[case][end] = save_picture(made.folder / f"{case}_{end}.png", mask)
    made.files[case]["label"] = made.files[case]["1stHO"]
    decoded = np.asarray(Image.open(made.files[case]["image"]))
    made.images[case] = np.moveaxis(decoded, -1, 0).astype(np.float32)
    made.labels[case] = masks.astype(np.uint8)


def _nuclei(made: Made, i: int, rng: np.random.Generator, name: str) -> None:
    case = f"{name}{i}_x"
    image = rng.integers(0, 256, (16, 12)).astype(np.uint8)
    numbers = rng.integers(0, 400, (16, 12)).astype(np.uint16) * rng.integers(0, 2, (16, 12)).astype(
        np.uint16
    )
    made.images[case], made.labels[case] = (
        image[None].astype(np.float32),
        (numbers > 0)[None].astype(np.uint8),
    )
    made.files[case] = {
        "image": save_picture(made.folder / "images" / f"{case}.png", image),
        "label": save_picture(made.folder / "labels" / f"{case}.png", numbers),
    }


def _msd(made: Made, i: int, rng: np.random.Generator, name: str) -> None:
    case = f"{name}{i}_x"
    flat = made.card.spatial_dims == 2
    image, label = volume(rng, (9, 8, 1) if flat else (9, 8, 5))
    made.images[case], made.labels[case] = (a[None, ..., 0] if flat else a[None] for a in (image, label))
    made.files[case] = {
        "image": save_nifti(made.folder / "imagesTr" / f"{case}.nii.gz", image),
        "label": save_nifti(made.folder / "labelsTr" / f"{case}.nii.gz", label),
    }
    labels = {name: value for value, name in enumerate(made.card.classes)}
    said = {"channel_names": {"0": "MRI"}, "labels": labels, "file_ending": ".nii.gz"}
    (made.folder / "dataset.json").write_text(json.dumps(said))


BUILD = {
    "acdc-h5": _acdc_h5,
    "acdc-nifti": _acdc_nifti,
    "chase": _chase,
    "lidc": _lidc,
    "msd-2d": _msd,
    "msd-3d": _msd,
    "nuclei": _nuclei,
}
LAYOUTS = tuple(BUILD)
