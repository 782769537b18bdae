"""Several processes and sudden death: real processes, real SIGKILL."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from learning_toys import train_tiny

from medseg_lab.training.runs import Run

HERE = Path(__file__).parent
STEPS = 600
TRAIN = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.."]
from learning_toys import train_tiny
run = train_tiny(sys.argv[2], steps=int(sys.argv[3]), checkpoint_seconds=0.02)
print("replayed" if run.replayed else "trained", flush=True)
"""

TOGETHER = """
import sys
from pathlib import Path
import torch
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.."]
from learning_toys import TASK, Voxelwise, tiny_budget, tiny_cohort
from medseg_lab.data.batches import Batches
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import make_fabric
from medseg_lab.training.fit import fit
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore

fabric = make_fabric("32-true", accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
for _ in range(2):
    run = fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, store=RunStore(sys.argv[2]), fabric=fabric)
torch.manual_seed(0)
learner, batches = Voxelwise(TASK), Batches(tiny_cohort(), TASK, 8**3, 8)
checkpoints = Checkpoints(Path(sys.argv[2]) / ".apart", 1e6)
train(learner, batches, tiny_budget(), 0, fabric, checkpoints)
weights = sum(float(p.double().sum()) for p in learner.student.parameters())
drawn = float(batches.batch(fabric.global_rank).image.sum())
print("rank", run.replayed, weights, drawn, flush=True)
"""


def start(store: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRAIN, str(HERE), str(store), str(STEPS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def checkpoints(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob(".partial/*/step-*"))


def wait_for_progress(store: Path, process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Until a checkpoint newer than those there now lies in the store."""
    before, end = checkpoints(store), time.monotonic() + seconds
    while checkpoints(store) == before:
        assert process.poll() is None, "the run ended before it was to be killed"
        assert time.monotonic() < end
        time.sleep(0.01)


def finished(store: Path) -> Path:
    """The folder of the store's only run."""
    (folder,) = (path for path in store.iterdir() if not path.name.startswith("."))
    return folder


@pytest.fixture
def children():
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bits(tmp_path, children):
    chance, reached = random.Random(), []
    for _ in range(2):
        process = start(tmp_path / "killed")
        children.append(process)
        wait_for_progress(tmp_path / "killed", process)
        time.sleep(chance.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached.append(checkpoints(tmp_path / "killed")[-1])
    assert reached == sorted(set(reached))  # each went on from where the last one was cut off
    process = start(tmp_path / "killed")
    children.append(process)
    assert process.communicate(timeout=200)[0].strip().endswith("trained")
    assert not train_tiny(tmp_path / "whole", steps=STEPS, checkpoint_seconds=0.02).replayed
    one, two = (finished(tmp_path / name) for name in ("killed", "whole"))
    assert one.name == two.name
    assert (one / "weights.safetensors").read_bytes() == (two / "weights.safetensors").read_bytes()


def test_two_processes_start_the_same_run_and_one_replays(tmp_path, children):
    children += [start(tmp_path), start(tmp_path)]
    said = [process.communicate(timeout=200)[0].splitlines() for process in children]
    assert sorted(lines[-1] for lines in said) == ["replayed", "trained"]
    assert [process.returncode for process in children] == [0, 0]
    assert finished(tmp_path).is_dir()


def test_the_lock_of_a_killed_process_falls_open(tmp_path, children):
    holder = start(tmp_path)
    children.append(holder)
    wait_for_progress(tmp_path, holder)
    holder.send_signal(signal.SIGSTOP)  # it holds the lock for as long as the test needs
    waiting = start(tmp_path)
    children.append(waiting)
    assert "waiting for it" in waiting.stdout.readline()
    holder.send_signal(signal.SIGKILL)
    assert waiting.communicate(timeout=200)[0].strip().endswith("trained")


def test_two_processes_share_one_run_by_ddp(tmp_path):
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    command = [sys.executable, str(script), str(HERE), str(tmp_path / "store")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    ranks = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("rank")]
    replayed, weights, drawn = zip(*ranks, strict=True)
    assert replayed == ("True", "True")
    assert drawn[0] != drawn[1]  # other batches,
    assert weights[0] == weights[1]  # the same gradient
    record = Run(finished(tmp_path / "store")).record
    assert record.hardware.processes == 2
    assert record.batch_size == 1  # each has its share of the step's voxels
