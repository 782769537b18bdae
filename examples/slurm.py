"""A sweep on a Slurm cluster: every worker is a Slurm job, made by dask-jobqueue.

    python examples/slurm.py examples/sweep.toml --store /shared/runs --workers 16 --queue gpu

Run it on the login node (in tmux, say): it is the sweep's scheduler, and the jobs end with it. The store must
lie on a file system that all nodes see, and so must `$MEDSEG_DATA` and this environment's python. Called
again, it does only what is missing. A job that Slurm ends at its wall time costs nothing but time: its
training goes on, from its last checkpoint, in another.

`--local` starts the same jobs as plain processes of this machine: to try a grid before it waits in a queue.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from dask_jobqueue import SLURMCluster
from dask_jobqueue.core import JobQueueCluster
from dask_jobqueue.local import LocalCluster

from medseg_lab.sweeps.grid import read_grid
from medseg_lab.sweeps.sweep import sweep


def main() -> int:
    """Sweep, and say what became of it; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("grid", type=Path)
    parser.add_argument("--store", type=Path, required=True, help="folder of the runs, seen by all nodes")
    parser.add_argument("--workers", type=int, default=4, help="Slurm jobs, a run at a time each")
    parser.add_argument("--queue", help="Slurm's partition")
    parser.add_argument("--account", help="Slurm's account")
    parser.add_argument("--walltime", default="04:00:00", help="of each job")
    parser.add_argument("--memory", default="8GB", help="of each job")
    parser.add_argument("--interface", help="network interface that nodes share, such as ib0")
    parser.add_argument("--directive", action="append", default=[], help="another #SBATCH line, as --nice=10")
    parser.add_argument("--local", action="store_true", help="processes of this machine in place of jobs")
    chosen = parser.parse_args()
    with cluster(chosen) as workers:
        workers.scale(jobs=chosen.workers)
        summary = sweep(chosen.grid, scheduler=workers.scheduler_address, store=chosen.store)
    print(summary.describe())
    return 1 if summary.failures else 0


def cluster(chosen: argparse.Namespace) -> JobQueueCluster:
    """The cluster, with no jobs yet."""
    grid = read_grid(chosen.grid)
    said: dict[str, Any] = {
        "cores": 1,  # Dask's own threads: one run at a time in each process
        "processes": 1,
        "memory": chosen.memory,
        "python": sys.executable,
        "interface": chosen.interface,
    }
    if grid.gpus:
        said["worker_extra_args"] = ["--resources", "GPU=1"]
    if chosen.local:
        return LocalCluster(**said, scheduler_options={"host": "127.0.0.1"})
    return SLURMCluster(
        **said,
        queue=chosen.queue,
        account=chosen.account,
        walltime=chosen.walltime,
        job_cpu=grid.threads,  # PyTorch's threads
        job_extra_directives=[*(["--gres=gpu:1"] if grid.gpus else []), *chosen.directive],
        log_directory=str(chosen.store / ".slurm"),
    )


if __name__ == "__main__":
    sys.exit(main())
