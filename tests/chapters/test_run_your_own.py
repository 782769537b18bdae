"""The page "Run your own" takes a folder in the nnU-Net layout to a comparison, whatever lies in it."""

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import nibabel
import numpy as np
import pytest

from medseg_lab.publishing.execute import Executed, run_chapter
from medseg_lab.publishing.house import House
from tests.chapters.warm import warm_kernels

PAGE = "run_your_own"


def made_folder(folder: Path, shape: tuple[int, ...], channels: int) -> Path:
    """Ten cases of a bright ball in noise, three of them of one patient, laid out as nnU-Net wants them."""
    draw = np.random.default_rng(0)
    affine = np.diag([1.5, 1.5, 2.0, 1.0])
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    cases = [f"patient{number:02d}_a" for number in range(8)] + ["patient00_b", "patient00_c"]
    for case in cases:
        centre = np.array([draw.uniform(8, 12) if edge > 1 else 0 for edge in shape])
        grid = np.indices(shape) - centre.reshape(-1, *[1] * len(shape))
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


def records_of(study: Path) -> list[dict[str, Any]]:
    """The records of all runs of a study."""
    return [json.loads(path.read_text()) for path in study.glob("runs/*/run.json")]


@pytest.fixture(autouse=True)
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    warm_kernels(monkeypatch)


@pytest.fixture
def house(tmp_path: Path, root: Path) -> House:
    """A house with this page alone, so that what is executed here is not kept."""
    place = tmp_path / "house" / "notebooks" / "comparison"
    place.mkdir(parents=True)
    shutil.copy(root / "notebooks" / "comparison" / f"{PAGE}.ipynb", place)
    shutil.copy(root / "constraints.txt", tmp_path / "house")
    return House(tmp_path / "house")


@pytest.mark.chapter
def test_a_folder_of_ones_own_is_compared_and_replayed_with_its_card(house: House, tmp_path: Path) -> None:
    own = made_folder(tmp_path / "my images", (20, 20, 12), channels=2)
    given = {"folder": str(own), "budget": "smoke"}
    executed = run_chapter(PAGE, given, house=house)
    text = text_of(executed)
    assert "3D U-Net - U-Net: " in text
    assert "FCN-8s - U-Net: " in text
    assert "10 read" in text
    assert "'patient00': 'patient00_a, patient00_b, patient00_c'" in text
    assert "VIRTUAL" not in text.partition("## Step 1")[2]
    records = records_of(own.with_name("my images-study"))
    assert sorted(record["seed"] for record in records) == [0, 0, 0, 1, 1, 1]
    assert {record["cohort"]["id"] for record in records} == {"my images"}
    assert all(not record["test_opened"] for record in records), "the test part stays sealed"
    card = (own / "card.toml").read_text()
    assert "mirror = []" in card, "a reader's card is left as it was drafted"
    assert (executed.record.lessons[0]["trained"], executed.record.lessons[0]["replayed"]) == (6, 0)

    grid = own.with_name("my images-study") / "grid.toml"
    mine = f"# mine\n{grid.read_text()}"
    grid.write_text(mine)
    again = run_chapter(PAGE, given, house=house)
    assert grid.read_text() == mine
    assert "grid.toml is there already: it is used as it is." in text_of(again)
    assert not again.replayed, "the folder has a card now"
    assert again.reasons == (str(own),)
    assert (own / "card.toml").read_text() == card
    assert (again.record.lessons[0]["trained"], again.record.lessons[0]["replayed"]) == (0, 6)


@pytest.mark.chapter
def test_slices_are_compared_with_one_seed_and_nothing_is_written_among_the_images(
    house: House, tmp_path: Path
) -> None:
    own, study = made_folder(tmp_path / "mine", (24, 24, 1), channels=1), tmp_path / "elsewhere" / "study"
    before = sorted(tmp_path.rglob("*"))
    given = {"folder": str(own), "output": str(study), "budget": "smoke", "seeds": 1}
    executed = run_chapter(PAGE, given, house=house)
    text = text_of(executed)
    assert sorted(path for path in own.parent.rglob("*") if path in before or own in path.parents) == before
    assert f'folder = "{own}"' in (study / "mine" / "card.toml").read_text()
    assert '["FCN-8s", "U-Net", "U-Net++"]' in text
    assert "U-Net++ - U-Net: " not in text
    assert [record["seed"] for record in records_of(study)] == [0, 0, 0]
    assert {record["cohort"]["id"] for record in records_of(study)} == {"mine"}


@pytest.mark.chapter
def test_the_example_is_virtual_temporary_and_tells_nothing_of_the_machine(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDSEG_RECORD")  # as where all chapters are executed, which finds this execution
    executed = run_chapter(PAGE, {"budget": "smoke"}, house=House(root))
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
