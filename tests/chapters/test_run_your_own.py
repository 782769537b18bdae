"""The page "Run your own" takes a folder in the nnU-Net layout to a comparison, whatever lies in it."""

import json
import shutil
from pathlib import Path

import nbformat
import nibabel
import numpy as np
import pytest

from medseg_lab.publishing.execute import Executed, run_chapter
from medseg_lab.publishing.house import House

PAGE = "run_your_own"


def made_folder(folder: Path, shape: tuple[int, ...], channels: int) -> Path:
    """Ten cases of a bright ball in noise, three of them of one patient, laid out as nnU-Net wants them."""
    draw = np.random.default_rng(0)
    affine = np.diag([1.5, 1.5, 2.0, 1.0])
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    cases = [f"patient{number:02d}_a" for number in range(8)] + ["patient00_b", "patient00_c"]
    for case in cases:
        grid = np.indices(shape) - draw.uniform(8, 12, len(shape)).reshape(-1, *[1] * len(shape))
        inside = (grid**2).sum(axis=0) < 36
        for channel in range(channels):
            image = (inside * (1 + channel) + draw.normal(0, 0.3, shape)).astype(np.float32)
            named = folder / "imagesTr" / f"{case}_{channel:04d}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(image, affine), named)
        label = nibabel.Nifti1Image(inside.astype(np.uint8), affine)
        nibabel.save(label, folder / "labelsTr" / f"{case}.nii.gz")
    said = {
        "channel_names": {str(channel): f"contrast {channel}" for channel in range(channels)},
        "labels": {"background": 0, "ball": 1},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(said))
    return folder


def text_of(executed: Executed) -> str:
    """All that the page shows: sources, prints, and what stands for its tables and pictures."""
    cells = nbformat.read(executed.notebook, as_version=4).cells
    outputs = [out for cell in cells for out in cell.get("outputs", ())]
    said = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs]
    return "\n".join([*(cell.source for cell in cells), *said])


@pytest.fixture
def house(tmp_path: Path, root: Path) -> House:
    """A house with this page alone, so that what is executed here is not kept."""
    place = tmp_path / "house" / "notebooks" / "comparison"
    place.mkdir(parents=True)
    shutil.copy(root / "notebooks" / "comparison" / f"{PAGE}.ipynb", place)
    shutil.copy(root / "constraints.txt", tmp_path / "house")
    return House(tmp_path / "house")


@pytest.mark.chapter
@pytest.mark.parametrize(
    ("shape", "channels", "third"), [((20, 20, 12), 2, "3D U-Net"), ((24, 24, 1), 1, "U-Net++")]
)
def test_a_folder_of_ones_own_is_compared(
    house: House, tmp_path: Path, shape: tuple[int, ...], channels: int, third: str
) -> None:
    own = made_folder(tmp_path / "my images", shape, channels)
    executed = run_chapter(PAGE, {"folder": str(own)}, budget="smoke", house=house)
    text = text_of(executed)
    assert f"{third} - U-Net: " in text
    assert "FCN-8s - U-Net: " in text
    assert "10 read" in text
    assert "'patient00': 'patient00_a, patient00_b, patient00_c'" in text
    assert "VIRTUAL" not in text.partition("## Step 1")[2]

    study = own.with_name("my images-study")
    runs = [path for path in (study / "runs").iterdir() if (path / "run.json").is_file()]
    records = [json.loads((path / "run.json").read_text()) for path in runs]
    assert sorted(record["seed"] for record in records) == [0, 0, 0, 1, 1, 1]
    assert {record["cohort"]["id"] for record in records} == {"my images"}
    assert all(not record["test_opened"] for record in records), "the test part stays sealed"
    assert "mirror = []" in (own / "card.toml").read_text(), "a reader's card is left as it was drafted"
    assert executed.record.lessons[0]["trained"] == 6


@pytest.mark.chapter
def test_a_card_that_is_there_is_kept_and_runs_are_replayed(house: House, tmp_path: Path) -> None:
    """With one seed each, which has no differences to draw."""
    own = made_folder(tmp_path / "mine", (20, 20, 12), 1)
    given = {"folder": str(own), "seeds": 1}
    first = run_chapter(PAGE, given, budget="smoke", house=house)
    card = (own / "card.toml").read_text()
    second = run_chapter(PAGE, given, budget="smoke", house=house)
    assert not second.replayed, "the folder has a card now"
    assert second.reasons == (str(own),)
    assert (own / "card.toml").read_text() == card
    assert (first.record.lessons[0]["trained"], first.record.lessons[0]["replayed"]) == (3, 0)
    assert (second.record.lessons[0]["trained"], second.record.lessons[0]["replayed"]) == (0, 3)


@pytest.mark.chapter
def test_the_example_is_virtual_temporary_and_tells_nothing_of_the_machine(root: Path) -> None:
    executed = run_chapter(PAGE, budget="smoke", house=House(root))
    text = text_of(executed)
    assert "These are VIRTUAL subjects, no real data." in text
    assert "24 read" in text
    written = executed.notebook.read_text()
    for place in (str(root), str(Path.home())):
        assert place not in written
    assert not list(Path.cwd().glob("*study*"))
    assert executed.record.lessons[0]["data"] == "virtual-images"
    assert (executed.record.lessons[0]["trained"], executed.record.lessons[0]["replayed"]) == (6, 0)
    assert "What this took" in text
    assert "smoke: proves that it runs, compares nothing" in text
