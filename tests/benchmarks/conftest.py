"""Benchmarks are scripts beside each other: their folder is the last that modules are looked for in."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
