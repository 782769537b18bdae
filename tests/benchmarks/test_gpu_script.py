"""The script for a GPU runs as a whole, so that the minutes on one are not spent on its mistakes."""

import json
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import gpu
import gpu_parts
import pytest

from medseg_lab.training.runs import RunStore


@pytest.mark.parametrize(
    ("part", "columns"),
    [
        ("machine", {"computes on", "torch"}),
        ("steps", {"bare (ms)", "ours (ms)", "usual, 2 workers (ms)", "usual / ours"}),
        ("layouts", {"contiguous / channels last"}),
        ("graphs", {"deterministic", "eager (ms)"}),
        ("together", {"trainings", "steps/s together", "times the first"}),
    ],
)
def test_part_gives_its_rows(part: str, columns: set[str], tmp_path: Path) -> None:
    machine = gpu_parts.Machine("cpu", time.monotonic() + 60, tmp_path)
    rows = list(gpu_parts.PARTS[part](machine))
    assert rows
    assert all(columns <= row.keys() and "error" not in row for row in rows)


def script(folder: Path, *only: str) -> str:
    folders = ["--out", folder / "out", "--work", folder / "work"]
    command = [sys.executable, gpu.__file__, "--device", "cpu", "--seconds", "400", *folders, "--only", *only]
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def test_runs_come_home_and_a_second_start_does_what_is_missing(tmp_path: Path) -> None:
    assert "grid: done after" in script(tmp_path, "grid")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["state"] for row in results["parts"]["grid"]["rows"]] == ["trained", "trained"]
    assert "| virtual-brain | FCN-8s | 1 | trained |" in (tmp_path / "out" / "report.md").read_text()
    assert results["packed"] == {"runs": 2, "archives": 1, "left_out": []}

    with tarfile.open(tmp_path / "out" / "runs-1.tar.gz") as archive:
        archive.extractall(tmp_path / "home", filter="data")
    assert len(RunStore(tmp_path / "home").runs()) == 2

    assert "grid: done before" in script(tmp_path, "grid")


def test_part_that_fails_or_takes_too_long_is_recorded(tmp_path: Path) -> None:
    variables = gpu.environment(None, tmp_path, "cpu")
    failed = gpu.run_part("machine", 60, "cuda", tmp_path, variables)  # where there is no card
    assert failed["state"] == "failed"
    assert "expected a CUDA card, got none" in failed["said"][-1]
    cut = gpu.run_part("machine", 0.1, "cpu", tmp_path, variables)
    assert cut["state"].startswith("not finished in")
    text = gpu.report({"device": "cpu", "parts": {"machine": failed, "steps": cut}})
    assert "## machine\n\nfailed" in text
    assert "## steps\n\nnot finished" in text


def test_archives_keep_to_their_limits_and_name_what_has_no_room(tmp_path: Path, monkeypatch) -> None:
    for number in range(5):
        folder = tmp_path / "runs" / f"run-{number}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        (folder / "weights").write_bytes(bytes(100_000 if number < 4 else 900_000))
    monkeypatch.setattr(gpu, "LARGEST", 260_000)
    monkeypatch.setattr(gpu, "ALL", 400_000)
    assert gpu.pack(tmp_path / "runs", tmp_path) == {
        "runs": 3,
        "archives": 2,
        "left_out": ["run-3", "run-4"],
    }


def test_wheels_of_a_folder_come_before_the_interpreters_packages(tmp_path: Path) -> None:
    info = "tqdm-99.0.dist-info"
    with zipfile.ZipFile(tmp_path / "tqdm-99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tqdm/__init__.py", "here = True\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tqdm\nVersion: 99.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    variables = gpu.environment(tmp_path, tmp_path / "work", "cpu")
    code = "import tqdm; from importlib.metadata import version; print(tqdm.here, version('medseg-lab'))"
    said = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert said.stdout == "True 0.1.0\n", said.stderr
    with pytest.raises(SystemExit, match="expected a folder with"):
        gpu.environment(tmp_path / "work", tmp_path / "work", "cpu")
