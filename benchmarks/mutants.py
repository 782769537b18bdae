"""Damaged files: real files are changed at random, and every reader is given thousands of them.

    python benchmarks/mutants.py --mutants 10000

Each must be read as before, read with other values where the format has no checksum, or refused in one line
that names it; within 10 s, with less than 1 GB. Prints a row for each reader; ends with 1 if one did not.
"""

import argparse
import hashlib
import json
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "training")]

SECONDS, MEGABYTES = 10, 1000
"""What one file may take at most."""
LONGEST = 6000
"""Characters of a refusal: those that list all methods have some thousand."""
Harm = Callable[[bytes, random.Random], bytes]


@dataclass
class Subject:
    """A file and who reads it.

    Args:
        path: the file.
        read: reads it, and gives whatever was read.
        harm: changes its content.
        names: of which a refusal has one.
        write: puts other content in its place; None writes to `path`.
    """

    path: Path
    read: Callable[[], Any]
    harm: Harm
    names: tuple[str, ...]
    write: Callable[[bytes], None] | None = None


def in_head(head: int) -> Harm:
    """Bytes changed, half of them in the first ones."""
    from tests.data.readers.damage import damaged

    return lambda content, rng: damaged(content, rng, head)


def digest(*found: Any) -> str:
    """Of arrays, tables and plain data."""
    import numpy as np

    made = hashlib.sha256()
    for one in found:
        if isinstance(one, np.ndarray):
            made.update(f"{one.shape} {one.dtype}".encode() + np.ascontiguousarray(one).tobytes())
        else:
            made.update((one if isinstance(one, str) else repr(one)).encode("utf-8", "surrogatepass"))
    return made.hexdigest()


def of_layout(layout: str, part: str, harm: Harm) -> Callable[[Path], Subject]:
    """A case's file in one of the layouts that the tests write, or real files where they are at hand."""

    def made(folder: Path) -> Subject:
        from tests.data.readers.layouts import build
        from tests.data.readers.test_fuzz import real

        its = real(layout, ROOT, folder) or build(layout, folder)

        def read() -> str:
            raw = its.reader.read(its.first, part if part == "scribble" else "dense")
            return digest(raw.image, raw.labels, raw.spacing)

        return Subject(its.file(part), read, harm, tuple(str(path) for path in its.files[its.first].values()))

    return made


def picture(ending: str, mask: bool = False) -> Callable[[Path], Subject]:
    """A picture, or a stack of them, as a volume or as a mask."""

    def made(folder: Path) -> Subject:
        import numpy as np
        import tifffile
        from PIL import Image

        from medseg_lab.data.readers.decode.volume import read_grid, read_mask, read_volume

        rng, path = np.random.default_rng(0), folder / f"a{ending}"
        pixels = rng.integers(0, 4 if mask else 256, (5, 24, 20) if ending == ".tif" else (24, 20), np.uint8)
        if ending == ".tif":
            tifffile.imwrite(
                path, pixels, metadata={"axes": "ZYX", "spacing": 2.0, "unit": "mm"}, imagej=True
            )
        elif ending == ".tiff":
            tifffile.imwrite(path, pixels.astype(np.uint16), compression="zlib")
        elif ending == ".palette.png":
            image = Image.fromarray(pixels % 4).convert("P")
            image.save(path)
        else:
            Image.fromarray(pixels).save(path)

        def read() -> str:
            grid, found = read_grid(path), (read_mask if mask else read_volume)(path)
            return digest(found.voxels, repr(grid))

        return Subject(path, read, in_head(200), (str(path),))

    return made


def dicom(folder: Path) -> Subject:
    """One file of a series."""
    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    from medseg_lab.data.readers.decode.volume import read_volume

    (folder / "series").mkdir()
    series, study = generate_uid(), generate_uid()
    for number in range(4):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        said = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        said.SOPClassUID, said.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        said.SeriesInstanceUID, said.StudyInstanceUID, said.Modality = series, study, "CT"
        said.Rows, said.Columns, said.BitsAllocated, said.BitsStored, said.HighBit = 12, 10, 16, 16, 15
        said.SamplesPerPixel, said.PhotometricInterpretation, said.PixelRepresentation = 1, "MONOCHROME2", 1
        said.PixelSpacing, said.SliceThickness = [0.5, 0.5], 2.0
        said.ImagePositionPatient, said.InstanceNumber = [0.0, 0.0, 2.0 * number], number + 1
        said.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        said.RescaleSlope, said.RescaleIntercept = 1, -1000
        said.PixelData = np.random.default_rng(number).integers(0, 2000, (12, 10), np.int16).tobytes()
        said.save_as(folder / "series" / f"{number}.dcm", enforce_file_format=True)

    def read() -> str:
        found = read_volume(folder / "series")
        return digest(found.voxels, repr(found))

    return Subject(folder / "series" / "2.dcm", read, in_head(600), (str(folder / "series"),))


def listing(layout: str) -> Callable[[Path], Subject]:
    """The `dataset.json` of a folder."""

    def made(folder: Path) -> Subject:
        from medseg_lab.data.readers.folder import folder_card
        from medseg_lab.data.readers.open import open_reader
        from tests.data.readers.damage import odd_text
        from tests.data.readers.layouts import build
        from tests.data.readers.test_fuzz import real

        _ = real(layout, ROOT, folder) or build(layout, folder)

        def read() -> str:
            card = folder_card(folder)
            return digest(card, sorted(open_reader(card, folder).patients().items()))

        return Subject(folder / "dataset.json", read, odd_text, (str(folder),))

    return made


def card(folder: Path) -> Subject:
    """The `card.toml` of a folder."""
    from medseg_lab.cli.app import app

    made = listing("msd-3d")(folder)
    app(["data", "add", str(folder)], standalone_mode=False)
    return replace(made, path=folder / "card.toml")


def grid(folder: Path) -> Subject:
    """A sweep's grid."""
    from medseg_lab.data.example import write_example
    from medseg_lab.sweeps.plan import read_plan
    from tests.data.readers.damage import odd_text

    write_example(folder / "data", 4)
    (folder / "grid.toml").write_text(
        'datasets = ["data"]\nseeds = 2\nlabelled = ["all", 2]\nparts = ["validation"]\nthreads = 1\n'
        'methods = ["U-Net", "FCN-8s"]\nbudget = {steps = 3, voxels = 256, patch = 8, seeds = 2}\n'
        '[recipes]\ntiny = "Supervised(network=UNet(features=[4, 8], dropout=0.1), spatial_dims=2)"\n'
        '[[chapters]]\nsection = "2.2"\nbudget = "smoke"\n',
        encoding="utf-8",
    )

    def read() -> str:
        plan = read_plan(folder / "grid.toml")
        return digest([(job.id, job.title) for job in plan.jobs], plan.left_out)

    return Subject(folder / "grid.toml", read, odd_text, (str(folder / "grid.toml"),))


def stored(folder: Path, whole: bool = False) -> Any:
    """A run, and its cohort; its files are not vouched for, unless it is whole."""
    from toys import SMALL, tiny_cohort

    from medseg_lab.evaluation.judge import Judge
    from medseg_lab.training.budget import Budget
    from medseg_lab.training.fit import fit
    from medseg_lab.training.recipe import recipe
    from medseg_lab.training.runs import RunStore
    from medseg_lab.training.supervised import Supervised

    cohort = replace(tiny_cohort(2), unlabelled=())
    spent = Budget(steps=300, voxels=200, patch=8)
    store, judge = RunStore(folder / "runs"), recipe(Judge, parts=["validation"])
    run = fit(recipe(Supervised, network=SMALL), cohort, spent, 0, store=store, judge=judge, progress=False)
    if not whole:
        facts = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
        (run.folder / "run.json").write_text(json.dumps(facts | {"files": {}}, indent=1), encoding="utf-8")
    return type(run)(run.folder), cohort


def run_file(
    name: str, use: Callable[[Any, Any], Any], harm: str, head: int = 200
) -> Callable[[Path], Subject]:
    """A file of a run that is read by `use(run, cohort)`."""

    def made(folder: Path) -> Subject:
        from tests.data.readers import damage

        run, cohort = stored(folder)
        harms = in_head(head) if harm == "damaged" else getattr(damage, harm)

        def read() -> str:
            return digest(use(type(run)(run.folder), cohort))

        return Subject(run.folder / name, read, harms, (run.folder.name,))

    return made


def _facts(run: Any, cohort: Any) -> list[Any]:
    from medseg_lab.evaluation.ledger import ledger_of
    from medseg_lab.training.runs import RunStore

    whole = next(iter(RunStore(run.folder.parent).runs()), None)
    if whole is None:
        return []
    ledger = ledger_of([whole], run.folder.parent)
    return [whole.summary(), ledger.table.to_csv(), whole.record, str(whole.learner().precision)]


def _cases(run: Any, cohort: Any) -> list[Any]:
    from medseg_lab.evaluation.ledger import read_ledger

    return [run.cases.to_csv(), read_ledger(run.folder.parent).table.to_csv()]


def _weights(run: Any, cohort: Any) -> list[Any]:
    return [digest(*(value.numpy() for value in run.learner().state_dict().values()))]


def _segmentations(run: Any, cohort: Any) -> list[Any]:
    return [digest(name, label) for name, label in run.segmentations(cohort.validation).items()]


def whole_run(folder: Path) -> Subject:
    """Any file of a run that vouches for its files but for `run.json`."""
    run, cohort = stored(folder, whole=True)

    def read() -> str:
        return digest(_weights(type(run)(run.folder), cohort))

    return Subject(run.folder / "weights.safetensors", read, in_head(400), (run.folder.name,))


def checkpoint(name: str) -> Callable[[Path], Subject]:
    """A file of an unfinished training: a damaged one is a warning, and the training begins anew."""

    def made(folder: Path) -> Subject:
        import torch
        import toys

        from medseg_lab.training.loop import optimiser_of, parameter_groups
        from medseg_lab.training.recipe import recipe
        from medseg_lab.training.supervised import Supervised
        from medseg_lab.training.unfinished import SafeCheckpoints

        toys.Checkpoints = SafeCheckpoints
        method, cohort = recipe(Supervised, network=toys.SMALL), toys.tiny_cohort(2, unlabelled=0)
        with suppress(KeyboardInterrupt):
            toys.trained(method, cohort, folder / "cut", stop=2, checkpoint_seconds=0)
        shutil.copytree(folder / "cut", folder / "kept")

        def read() -> str:
            torch.manual_seed(0)
            learner = method.build(cohort.task)
            learner.prepare(4, [], [(10, 9)])
            optimisers = [optimiser_of(learner, groups) for groups in parameter_groups(learner.phases())]
            curves = SafeCheckpoints(folder / "cut", 1e6).restore(learner, optimisers)
            state = [value.numpy() for value in learner.state_dict().values()]
            return digest(*state, [o.state_dict() for o in optimisers], curves.rows)

        def write(content: bytes) -> None:
            shutil.rmtree(folder / "cut", ignore_errors=True)
            shutil.copytree(folder / "kept", folder / "cut")
            (folder / "cut" / "step-00000002" / name).write_bytes(content)

        return Subject(folder / "kept" / "step-00000002" / name, read, harms[name], ("step-00000002",), write)

    from tests.data.readers import damage

    harms = {
        "weights.safetensors": damage.inside_safetensors,
        "optimisers.pt": in_head(400),
        "curves.json": damage.odd_text,
    }
    return made


def pack(folder: Path) -> Subject:
    """A pack of the record, its name right for its content."""
    from medseg_lab.record.export import exported
    from medseg_lab.record.listing import listed
    from medseg_lab.record.pack import SUFFIX, _digest
    from medseg_lab.record.store import SHIPPED, read_entries, read_record
    from tests.data.readers.damage import inside_xz

    shipped = min(SHIPPED.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_size)
    content = shipped.read_bytes()
    (folder / "record").mkdir()

    def write(content: bytes) -> None:
        for path in (folder / "record").iterdir():
            path.unlink()
        (folder / "record" / f"2026-11-28-{_digest(content)}{SUFFIX}").write_bytes(content)

    def read() -> str:
        entries = read_entries(folder / "record")
        ledger = read_record(folder / "record")
        groups = [(one.section, one.method, one.seeds) for one in listed(entries)]
        return digest(ledger.table.to_csv(), exported(entries).to_csv() if entries else "", groups)

    (folder / "pack").write_bytes(content)
    return Subject(folder / "pack", read, inside_xz, (SUFFIX,), write)


def notebook(folder: Path) -> Subject:
    """A chapter: its title, and its parameters."""
    from medseg_lab.publishing.house import House
    from medseg_lab.publishing.parameters import checked
    from tests.data.readers.damage import odd_text

    path = folder / "notebooks" / "2_a" / "2.2_losses.ipynb"
    path.parent.mkdir(parents=True)
    cells = json.loads(next((ROOT / "notebooks").glob("**/2.2_*.ipynb")).read_text(encoding="utf-8"))["cells"]
    few = [cell for cell in cells[1:] if "parameters" in cell["metadata"].get("tags", ())][:1]
    few = [cells[0], *few] if few else cells[:1]
    path.write_text(json.dumps({"cells": few, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1))

    def read() -> str:
        chapter = House(folder).chapter("2.2")
        return digest(chapter.heading, sorted(checked(chapter, {"budget": "smoke"}).items()))

    return Subject(path, read, odd_text, (path.name, "chapter 2.2"))


def readers() -> dict[str, tuple[float, Callable[[Path], Subject]]]:
    """By name, the share of the mutants and what makes the subject."""
    from tests.data.readers.damage import inside_gzip, inside_png

    return {
        "h5 (ACDC)": (8, of_layout("acdc-h5", "image", in_head(8192))),
        "NIfTI, packed bytes": (3, of_layout("msd-3d", "image", in_head(64))),
        "NIfTI image": (6, of_layout("msd-3d", "image", inside_gzip)),
        "NIfTI label": (5, of_layout("msd-3d", "label", inside_gzip)),
        "NIfTI label, 2D": (4, of_layout("msd-2d", "label", inside_gzip)),
        "NIfTI scribble": (3, of_layout("acdc-nifti", "scribble", inside_gzip)),
        "JPEG (CHASE)": (4, of_layout("chase", "image", in_head(700))),
        "PNG label, bytes": (2, of_layout("chase", "label", in_head(64))),
        "PNG label (LIDC)": (4, of_layout("lidc", "label", inside_png)),
        "PNG image (nuclei)": (4, of_layout("nuclei", "image", inside_png)),
        "PNG label, 16 bit": (4, of_layout("nuclei", "label", inside_png)),
        "BMP": (3, picture(".bmp")),
        "BMP mask": (2, picture(".bmp", mask=True)),
        "palette mask": (2, picture(".palette.png", mask=True)),
        "JPEG volume": (2, picture(".jpg")),
        "TIFF stack": (4, picture(".tif")),
        "TIFF stack as a mask": (3, picture(".tif", mask=True)),
        "TIFF, 16 bit": (3, picture(".tiff")),
        "DICOM series": (4, dicom),
        "dataset.json": (5, listing("msd-3d")),
        "dataset.json, 2D": (3, listing("msd-2d")),
        "card.toml": (5, card),
        "grid.toml": (5, grid),
        "run.json": (6, run_file("run.json", _facts, "odd_text")),
        "cases.csv": (4, run_file("cases.csv", _cases, "odd_text")),
        "curves.csv": (3, run_file("curves.csv", lambda run, _: run.curves.to_csv(), "odd_text")),
        "weights": (4, run_file("weights.safetensors", _weights, "inside_safetensors")),
        "weights, vouched for": (1, whole_run),
        "segmentations": (4, run_file("segmentations.npz", _segmentations, "inside_npz")),
        "checkpoint: weights": (3, checkpoint("weights.safetensors")),
        "checkpoint: optimisers": (3, checkpoint("optimisers.pt")),
        "checkpoint: curves": (2, checkpoint("curves.json")),
        "record pack": (5, pack),
        "notebook": (4, notebook),
    }


@dataclass
class Row:
    """What became of a reader's mutants."""

    reader: str
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: float = 0.0
    faults: list[str] = field(default_factory=list)


def outcome(subject: Subject, good: str) -> str:
    """ "refused", "as before" or "other values"; anything else is a fault, in words."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = subject.read()
        except (ValueError, RuntimeError) as error:
            if isinstance(error, RecursionError):
                return "fault: RecursionError: " + _where(error)
            return _refusal(str(error), subject, error)
        except BaseException as error:
            return f"fault: {type(error).__name__}: {str(error)[:200]}; {_where(error)}"
    texts = [str(one.message) for one in said if one.category is UserWarning]
    if refusal := next((text for text in texts if any(name in text for name in subject.names)), ""):
        return _refusal(refusal, subject)
    return "as before" if found == good else "other values"


def _refusal(said: str, subject: Subject, error: BaseException | None = None) -> str:
    where = _where(error) if error else "warning"
    if "\n" in said.strip():
        return f"fault: several lines: {said[:200]!r}; {where}"
    if len(said) > LONGEST:
        return f"fault: {len(said)} characters: {said[:100]!r}; {where}"
    if not any(name in said for name in subject.names):
        return f"fault: unnamed: {said[:200]!r}; {where}"
    return "refused"


def _where(error: BaseException) -> str:
    last = list(traceback.extract_tb(error.__traceback__))
    inside = [frame for frame in last if "medseg_lab" in frame.filename]
    return ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in [*inside[-2:], *last[-1:]])


def _memory(name: str) -> float:
    """`VmHWM` or `VmRSS` of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1000
    return 0.0


def serve(connection: Connection, reader: str, folder: str, seed: int) -> None:
    """Read one mutant after the other, and tell what came of it."""
    made = readers()[reader][1]
    subject = made(Path(folder))
    write = subject.write or subject.path.write_bytes
    whole = subject.path.read_bytes()
    write(whole)
    good = subject.read()
    write(whole)
    assert subject.read() == good, f"{reader}: not the same twice"
    limit = int(_memory("VmSize") * 1000_000) + 6_000_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send("ready")
    while (number := connection.recv()) is not None:
        content = subject.harm(whole, random.Random(f"{seed} {reader} {number}"))
        write(content)
        Path("/proc/self/clear_refs").write_text("5")
        before, begin = _memory("VmRSS"), time.monotonic()
        try:
            said = outcome(subject, good)
        except BaseException as error:
            said = f"fault: {type(error).__name__} outside"
        connection.send((said, time.monotonic() - begin, _memory("VmHWM") - before))
        if said.startswith("fault") or content == whole:
            write(whole)
    write(whole)
    connection.send(outcome(subject, good))


def measured(reader: str, mutants: int, folder: Path, seed: int) -> Row:
    """The row of a reader; a process that hangs or dies is replaced by another."""
    context, row, number = multiprocessing.get_context("spawn"), Row(reader), 0
    while number < mutants:
        place = folder / f"{len(list(folder.iterdir()))}"
        place.mkdir()
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, reader, str(place), seed))
        process.start()
        theirs.close()
        try:
            if not ours.poll(300) or ours.recv() != "ready":
                raise RuntimeError(f"{reader}: not ready")
        except (EOFError, RuntimeError):
            row.faults.append("the whole file cannot be read")
            process.kill()
            return row
        try:
            while number < mutants:
                ours.send(number)
                number += 1
                if not ours.poll(3 * SECONDS):
                    row.faults.append(f"mutant {number - 1}: hangs")
                    break
                said, seconds, size = ours.recv()
                row.slowest, row.largest = max(row.slowest, seconds), max(row.largest, size)
                row.outcomes[said if not said.startswith("fault") else "fault"] += 1
                if said.startswith("fault"):
                    row.faults.append(f"mutant {number - 1}: {said}")
                if seconds > SECONDS or size > MEGABYTES:
                    row.faults.append(f"mutant {number - 1}: {said}, {seconds:.1f} s, {size:.0f} MB")
            else:
                ours.send(None)
                if (last := ours.recv()) != "as before":
                    row.faults.append(f"the whole file, at the end: {last}")
        except EOFError:
            row.faults.append(f"mutant {number - 1}: the process died")
        finally:
            process.kill()
            process.join()
    return row


def sample(reader: str, numbers: range, folder: Path, seed: int = 0) -> Row:
    """The row of a few mutants, in this process."""
    subject, row = readers()[reader][1](folder), Row(reader)
    write, whole = subject.write or subject.path.write_bytes, subject.path.read_bytes()
    write(whole)
    good = subject.read()
    for number in numbers:
        write(subject.harm(whole, random.Random(f"{seed} {reader} {number}")))
        begin = time.monotonic()
        said = outcome(subject, good)
        row.slowest = max(row.slowest, time.monotonic() - begin)
        row.outcomes[said.partition(":")[0]] += 1
        if said.startswith("fault"):
            row.faults.append(f"mutant {number}: {said}")
            write(whole)
    write(whole)
    if outcome(subject, good) != "as before":
        row.faults.append("the whole file is not read as before")
    return row


def rows(mutants: int, only: list[str] | None, seed: int) -> Iterator[Row]:
    """Each reader's share of the mutants."""
    chosen = {name: one for name, one in readers().items() if not only or name.startswith(tuple(only))}
    shares = sum(share for share, _ in chosen.values())
    for name, (share, _) in chosen.items():
        with tempfile.TemporaryDirectory(prefix="medseg-mutants-") as folder:
            yield measured(name, max(2, round(mutants * share / shares)), Path(folder), seed)


def main() -> None:
    """Damage, read, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="readers, by the beginning of their names")
    asked = parser.parse_args()
    columns = ("reader", "mutants", "refused", "as before", "other values", "slowest", "largest")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    total, faults = Counter[str](), []
    for row in rows(asked.mutants, asked.only, asked.seed):
        counts = row.outcomes
        cells = [counts[name] for name in columns[2:5]]
        print(
            f"| {row.reader} | {counts.total()} | {' | '.join(map(str, cells))} | {row.slowest:.2f} s | "
            f"{row.largest:.0f} MB |",
            flush=True,
        )
        total += counts
        for fault in row.faults:
            print(f"<!-- {row.reader}: {fault} -->", flush=True)
        faults += row.faults
    print(f"| all | {total.total()} | {' | '.join(str(total[name]) for name in columns[2:5])} | | |")
    print(f"\n{len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
