"""All that is to be measured on a GPU, in one command of eight minutes.

    python benchmarks/gpu.py [--seconds 460] [--out build/gpu] [--work build/gpu-work] [--wheels FOLDER]

It reads nothing from the network. Its parts (`gpu_parts.py`), one after the other:

- machine: card, versions, precision;
- tests: those marked `gpu`;
- steps: our loop against a bare step and against the usual MONAI loop;
- layouts: channels last against contiguous memory, in 2D and 3D, with instance norm;
- graphs: a step of static shapes as a CUDA graph;
- together: 1, 2, 4, 8 trainings at once on one card;
- grid: trainings of several methods, seed after seed, for as long as there is time.

Each part has a process and a time limit of its own. One that fails, or is cut at its limit, is recorded, and
the others go on. Started again with the same folders, the script repeats what is not done and leaves the rest
alone; the grid replays finished runs and resumes others from their checkpoints.

Results: `results.json` and `report.md` in `--out` (by default `$OUT`, else `build/gpu`), and the grid's runs
as `runs-1.tar.gz`, ...: eight files at most, 16 MiB each. A run store is a folder of runs, so to take them
home is to unpack them into it (`medseg runs` then lists them):

    for file in runs-*.tar.gz; do tar -xzf $file -C "$MEDSEG_RUNS"; done

On a machine without a package index: copy the repository, and a folder of wheels that was made elsewhere,
with the same version of Python and for the same platform:

    pip wheel --wheel-dir wheels --constraint constraints.txt ".[dev]"

Every wheel in it is installed into a folder of this script's own, which comes before the interpreter's
packages. So what the machine has can be taken out of it: its own build of PyTorch, say (`torch`, `triton`,
`nvidia_*`, `cuda_*`). The library itself is this repository, and need not be installed.

`--device cpu` runs the same code on small inputs, to test the script.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHARES = {
    "machine": 0.05,
    "tests": 0.15,
    "steps": 0.15,
    "layouts": 0.08,
    "graphs": 0.08,
    "together": 0.17,
    "grid": 1.0,
}
"""Of all seconds, what a part may take at most; the last takes what is left."""
RESERVE = 10.0
"""Seconds kept for the report and the archives."""
ARCHIVES, LARGEST, ALL = 6, 16 * 2**20, 60 * 2**20
"""At most so many archives, and bytes in each and in all: with the two other results, eight files."""
DONE, TIME_IS_UP = "done", 75
"""What is kept of a part that need not be repeated; what a part returns that has more to do."""


def environment(wheels: Path | None, work: Path, device: str) -> dict[str, str]:
    """The variables of the parts' processes: where the library and the wheels are, and one thread for each.

    Raises:
        SystemExit: if there are no wheels in the folder, or pip cannot install them.
    """
    site = work / "site"
    site.mkdir(parents=True, exist_ok=True)
    if wheels is not None:
        found = sorted(wheels.glob("*.whl"))
        if not found:
            raise SystemExit(f"wheels: expected a folder with .whl files, got {wheels}")
        mark = work / "wheels.txt"
        names = "\n".join(wheel.name for wheel in found)
        if not mark.is_file() or mark.read_text(encoding="utf-8") != names:
            # --no-deps: what the folder lacks is the interpreter's, in whatever version
            options = ["--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", str(site)]
            command = [sys.executable, "-m", "pip", "install", "--quiet", *options, *map(str, found)]
            if subprocess.run(command).returncode:
                raise SystemExit("wheels: pip could not install them; see above")
            mark.write_text(names, encoding="utf-8")
    _note_library(site)
    path = [str(ROOT), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    hidden = {} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": "-1"}
    return {
        **os.environ,
        **single,
        **hidden,
        "PYTHONPATH": os.pathsep.join(path),
        "MEDSEG_PROGRESS": "0",
    }


def _note_library(site: Path) -> None:
    """A run's record holds the library's version, which is known of installed packages alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    noted = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    noted.mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (noted / "METADATA").write_text(text, encoding="utf-8")


def run_part(
    name: str, limit: float, device: str, work: Path, variables: Mapping[str, str]
) -> dict[str, Any]:
    """A part in a process of its own, with all that it starts; killed at its limit, with its rows so far."""
    rows, log = work / f"{name}.jsonl", work / f"{name}.log"
    rows.unlink(missing_ok=True)
    script = str(Path(__file__).with_name("gpu_parts.py"))
    options = ["--device", device, "--seconds", str(limit), "--work", str(work), "--rows", str(rows)]
    start = time.monotonic()
    with log.open("w", encoding="utf-8") as said:
        part = subprocess.Popen(
            [sys.executable, script, name, *options],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=variables,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            code = part.wait(limit)
        except subprocess.TimeoutExpired:
            code = TIME_IS_UP
        finally:
            _end(part)
    lines = rows.read_text(encoding="utf-8").splitlines() if rows.is_file() else []
    found: dict[str, Any] = {"state": DONE, "seconds": round(time.monotonic() - start, 1)}
    if code == TIME_IS_UP:
        found["state"] = f"not finished in {limit:.0f} s"
    elif code:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-15:]
        found |= {"state": "failed", "said": last}
    return found | {"rows": [json.loads(line) for line in lines if line.endswith("}")]}


def _end(part: "subprocess.Popen[bytes]") -> None:
    """Kill the process group of a part, whether or not its first process has ended."""
    try:
        os.killpg(part.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    part.wait()


def pack(store: Path, out: Path) -> dict[str, Any]:
    """The finished runs of a store as `runs-1.tar.gz`, ... in `out`, the oldest first; what had no room."""
    for old in out.glob("runs-*.tar.gz"):
        old.unlink()
    finished = [path.parent for path in store.glob("[!.]*/run.json")]
    archives: list[list[Path]] = []
    sizes: list[int] = []
    left_out = []
    for folder in sorted(finished, key=lambda path: (path / "run.json").stat().st_mtime):
        # an upper bound: weights hardly compress, and tar adds a header and a filling to each file
        size = sum(path.stat().st_size + 2048 for path in folder.iterdir()) + 16384
        number = next((n for n, used in enumerate(sizes) if used + size <= LARGEST), len(sizes))
        if size > LARGEST or number == ARCHIVES or sum(sizes) + size > ALL:
            left_out.append(folder.name)
            continue
        if number == len(sizes):
            archives.append([])
            sizes.append(0)
        archives[number].append(folder)
        sizes[number] += size
    for number, folders in enumerate(archives, start=1):
        with tarfile.open(out / f"runs-{number}.tar.gz", "w:gz", compresslevel=1) as archive:
            for folder in folders:
                archive.add(folder, folder.name)
    return {"runs": len(finished) - len(left_out), "archives": len(archives), "left_out": left_out}


def report(results: Mapping[str, Any]) -> str:
    """The results as Markdown: a table for each part."""
    text = [f"# Measured on {results['device']}\n"]
    if results["device"] == "cpu":
        text.append("This tests the script: inputs are small, and the numbers measure nothing.\n")
    for name in SHARES:
        if part := results["parts"].get(name):
            text.append(f"## {name}\n\n{part['state']}, {part['seconds']:.0f} s\n")
            text += ["\n".join(f"    {line}" for line in part["said"]) + "\n"] if part.get("said") else []
            text += [_table(part["rows"])] if part["rows"] else []
    packed = results.get("packed", {})
    if packed.get("runs"):
        text.append(f"## runs\n\n{packed['runs']} finished, archives: {packed['archives']}\n")
    if packed.get("left_out"):
        text.append(f"No room for {', '.join(packed['left_out'])}: they stay in the work folder.\n")
    return "\n".join(text)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(column, "")) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "/")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=460, help="for all parts together")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "build" / "gpu"))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "gpu-work", help="runs, logs, packages")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to install first")
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    out, work = args.out.resolve(), args.work.resolve()
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    state = out / "results.json"
    results: dict[str, Any] = {"device": args.device, "parts": {}}
    if state.is_file():
        results = json.loads(state.read_text(encoding="utf-8"))
        if results["device"] != args.device:
            raise SystemExit(f"{state}: expected results of {args.device}, got those of {results['device']}")
    variables = environment(args.wheels, work, args.device)

    def save() -> None:
        aside = state.with_suffix(".new")
        aside.write_text(json.dumps(results, indent=1), encoding="utf-8")
        aside.replace(state)
        (out / "report.md").write_text(report(results), encoding="utf-8")

    for name in [name for name in SHARES if name in args.only]:
        if results["parts"].get(name, {}).get("state") == DONE:
            print(f"{name}: done before", flush=True)
            continue
        left = deadline - time.monotonic() - RESERVE
        if left < 1:
            print(f"{name}: no time left; start again to go on", flush=True)
            continue
        limit = min(left, SHARES[name] * args.seconds)
        found = results["parts"][name] = run_part(name, limit, args.device, work, variables)
        print(
            f"{name}: {found['state']} after {found['seconds']:.0f} s, {len(found['rows'])} rows", flush=True
        )
        save()
    results["packed"] = pack(work / "runs", out)
    save()
    print(f"report: {out / 'report.md'}")


if __name__ == "__main__":
    main()
