"""`medseg sweep`, and the examples."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.sweeps.plan import read_plan
from tests.sweeps.sweep_toys import TINY, grid_file, run_folders, toy_folder
from tests.sweeps.test_sweep import DIVERGING


def medseg(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


def plain(text: str) -> list[str]:
    return [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]


def test_a_sweep_from_the_command_line_and_what_is_missing_after_it(tmp_path):
    grid, store = grid_file(tmp_path, seeds=1), tmp_path / "store"
    first = medseg(grid, "--store", store, "--workers", 1)
    dry = medseg(grid_file(tmp_path, seeds=2), "--store", store, "--workers", 1, "--dry-run")
    assert [result.exit_code for result in (first, dry)] == [0, 0]
    assert "grid.toml: 1 job on 1 worker of this machine, 1 thread each, on the CPU" in first.output
    assert "1 done now, 0 were there already, 0 failed" in first.output
    assert "to do: tiny, toy, seed 1" in dry.output
    assert "0 done now, 1 were there already, 0 failed, 1 to do" in dry.output
    assert f"medseg compare --store {store} --names {grid}" in first.output.replace("\n", "")
    assert len(run_folders(store)) == 1


def test_what_fails_is_listed_with_its_file_and_the_exit_code_is_1(tmp_path):
    grid = grid_file(tmp_path, seeds=1, recipes={"bad": DIVERGING, "tiny": TINY})
    result = medseg(grid, "--store", tmp_path / "store", "--workers", 2)
    assert result.exit_code == 1
    (file,) = (tmp_path / "store" / ".failed").iterdir()
    assert f"failed: bad, toy, seed 0: {json.loads(file.read_text())['error']}" in result.output
    assert str(file) in result.output


def test_a_dry_run_tells_of_a_bad_data_set_and_the_exit_code_is_1(tmp_path):
    toy_folder(tmp_path / "few", cases=2)
    grid = grid_file(tmp_path, datasets=["few", "toy"], seeds=1)
    result = medseg(grid, "--store", tmp_path / "store", "--workers", 1, "--dry-run")
    assert result.exit_code == 1
    assert "to do: tiny, toy, seed 0" in result.output
    assert "failed: few: split: " in result.output
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.toml",), "error: none.toml: cannot be read: No such file or directory"),
        (("{grid}", "--workers", "0"), "error: workers: expected 1 or more, got 0"),
        (
            ("{grid}", "--workers", "1", "--scheduler", "tcp://x"),
            "error: workers: expected one of workers, scheduler, executor, got workers=1",
        ),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(tmp_path, arguments, said):
    grid = grid_file(tmp_path)
    result = medseg(*(text.format(grid=grid) for text in arguments), "--store", tmp_path / "store")
    assert result.exit_code == 2
    assert plain(result.stderr)[0].startswith(said)
    assert len(plain(result.stderr)) == 1


def test_the_example_grid_stands_for_what_it_says(root):
    plan = read_plan(root / "examples" / "sweep.toml")
    assert len(plan.trainings) == 5 * 3 * 2  # methods, seeds, numbers of labels
    assert len(plan.chapters) == 1
    assert plan.left_out == ()


def test_the_slurm_example_sweeps_on_local_jobs(tmp_path, root):
    pytest.importorskip("dask_jobqueue")
    grid = grid_file(tmp_path)
    script = root / "examples" / "slurm.py"
    command = [
        sys.executable,
        str(script),
        str(grid),
        "--store",
        str(tmp_path / "store"),
        "--workers",
        "2",
        "--local",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    assert "grid.toml: 2 jobs in" in done.stdout
    assert "2 done now, 0 were there already, 0 failed" in done.stdout
    assert len(run_folders(tmp_path / "store")) == 2


def test_the_slurm_example_asks_slurm_for_what_a_run_needs(tmp_path, root):
    pytest.importorskip("dask_jobqueue")
    grid = grid_file(tmp_path, gpus=1, threads=6)
    code = (
        "import argparse, pathlib, slurm\n"
        f"chosen = argparse.Namespace(grid=pathlib.Path({str(grid)!r}),\n"
        f"    store=pathlib.Path({str(tmp_path)!r}),\n"
        "    queue='long', account='lab', walltime='02:00:00', memory='16GB', interface='lo',\n"
        "    directive=['--nice=10'], local=False)\n"
        "with slurm.cluster(chosen) as cluster:\n"
        "    print(cluster.job_script())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=root / "examples",
    )
    script = done.stdout.splitlines()
    for line in (
        "-p long",
        "-A lab",
        "--cpus-per-task=6",
        "--mem=15G",
        "-t 02:00:00",
        "--gres=gpu:1",
        "--nice=10",
    ):
        assert f"#SBATCH {line}" in script, done.stdout
    (worker,) = (line for line in script if "dask_worker" in line)
    assert worker.startswith(sys.executable)
    assert "--nthreads 1 " in worker
    assert "--resources GPU=1" in worker
