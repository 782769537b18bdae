"""Start-up time of the library and of its commands: `python benchmarks/start_up.py`.

Each command is started in new processes, and the median is printed. The goal for `medseg --help` is 0.5 s.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

STARTS = 9
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import medseg_lab": [sys.executable, "-c", "import medseg_lab"],
    "medseg --help": [str(Path(sys.executable).with_name("medseg")), "--help"],
    "medseg chapters": [str(Path(sys.executable).with_name("medseg")), "chapters"],
    "import medseg_lab.chapter": [sys.executable, "-c", "import medseg_lab.chapter"],
}


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one start."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(f"median of {STARTS} starts, after one to fill the disk cache")
    for name, command in COMMANDS.items():
        seconds(command)
        print(f"{name:28}{median(seconds(command) for _ in range(STARTS)):.3f} s")
