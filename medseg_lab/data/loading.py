"""From a reader's files to prepared cases: in memory, or on disk where the cohort is larger than that."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tqdm import tqdm

from medseg_lab.data import mapped, prepared, preprocess
from medseg_lab.data.about import about
from medseg_lab.data.card import Card
from medseg_lab.data.case import Case
from medseg_lab.data.fingerprint import CaseDigest, case_digest
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.memory import give_back, physical_memory
from medseg_lab.data.readers.reader import Reader
from medseg_lab.data.readers.virtual import VirtualReader

WORKERS = 4
SHARE = 1 / 4
"""Of the memory that cases may take: slices need them a second time, and training needs memory, too."""

SOURCES = ("readers", "preprocess", "anchors", "fingerprint", "mapped", "prepared")
"""The code that decides what an entry on disk holds; an edit prepares it again, and is no new cohort."""

Loaded = list[tuple[Case, CaseDigest]]
"""Prepared cases, each with its digest."""


@dataclass(frozen=True)
class Loader:
    """Reads and prepares the cases of one data set.

    Args:
        patients: by case id, from the reader.
        on_disk: whether cases are kept on disk once prepared, and mapped from there (`MappedCase`).
    """

    card: Card
    reader: Reader
    patients: dict[str, str]
    on_disk: bool = False

    def exceeds_memory(self, names: list[str]) -> bool:
        """Whether these cases, if all were as large as the first, would take more than `SHARE` of memory."""
        case = self._read(names[0], "dense")
        arrays = [case.image, case.labels, *([] if case.distribution is None else [case.distribution])]
        return sum(array.nbytes for array in arrays) * len(names) > SHARE * physical_memory()

    def onto_disk(self) -> "Loader":
        """This loader, but cases are kept on disk; simulated ones only once they are prepared."""
        reader = replace(self.reader, keep=False) if isinstance(self.reader, VirtualReader) else self.reader
        return replace(self, reader=reader, on_disk=True)

    def load(self, names: list[str], annotation: str = "dense", withheld: bool = False) -> Loaded:
        """The cases of these names, with the labels of this annotation, or none if they are `withheld`.

        Raises:
            ValueError: naming the first case that cannot be read or prepared, and why.
        """
        if self.on_disk:
            # One at a time: such cases are many or large, and to prepare one takes several times its size.
            kept = (self._mapped(name, annotation, withheld) for name in names)
            # disable=None: a bar on a terminal, nothing in a file
            cases = list(tqdm(kept, "preparing on disk", len(names), leave=False, disable=None))
            return [(case, case.digest) for case in cases]
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(lambda name: self._in_memory(name, annotation, withheld), names))

    def _read(self, name: str, annotation: str) -> Case:
        with about(f"case {name}"):
            return preprocess.prepare(self.reader.read(name, annotation), self.card.preprocessing)

    def _in_memory(self, name: str, annotation: str, withheld: bool) -> tuple[Case, CaseDigest]:
        case = self._read(name, annotation)
        case = replace(case, labels=case.labels[:0].clone(), distribution=None) if withheld else case
        return case, case_digest(case)

    def _mapped(self, name: str, annotation: str, withheld: bool) -> MappedCase:
        front = self.card.preprocessing.slice_axis if self.card.spatial_dims == 3 else 0
        with about(f"case {name}"):
            files = self.reader.digest(name)
        image = prepared.folder() / self._key(name, files, "image")
        readings = None if withheld else prepared.folder() / self._key(name, files, f"labels: {annotation}")
        if not all(entry.is_dir() for entry in (image, readings) if entry):
            case = self._read(name, annotation)
            prepared.write(image.name, mapped.image_arrays(case, front))
            if readings:
                prepared.write(readings.name, mapped.readings_arrays(case, front))
            del case
            give_back()
        return MappedCase(name, self.patients[name], image, readings, front)

    def _key(self, name: str, files: str, what: str) -> str:
        """The entry's name: a hash of all that its content depends on."""
        card = self.card
        stated = {name: getattr(card, name) for name in ("values", "unknown", "voxel_mm")}
        stated = {name: value for name, value in stated.items() if value not in ((), None)}
        parts = {
            "case": [name, what, files, card.reader],
            "task": [card.modality, card.classes, card.spatial_dims],
            "preprocessing": card.preprocessing.model_dump(
                mode="json", exclude={"patch", "slice_patch", "mirror"}
            ),
            **stated,
            "code": prepared.source_digest(*SOURCES),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
