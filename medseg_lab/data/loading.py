"""From a reader's files to prepared cases: in memory, or on disk where the cohort is larger than that."""

import hashlib
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType

from tqdm import tqdm

from medseg_lab.data import anchors, mapped, prepared, preprocess
from medseg_lab.data.card import Card
from medseg_lab.data.case import Case
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.memory import give_back, physical_memory
from medseg_lab.data.readers.open import MODULES
from medseg_lab.data.readers.reader import Reader
from medseg_lab.data.readers.virtual import VirtualReader

WORKERS = 4
SHARE = 1 / 4
"""Of the memory, which the cases may take: slices want them a second time, and training wants memory, too."""


@dataclass(frozen=True)
class Loader:
    """Reads and prepares the cases of one data set.

    Args:
        patients, digests: by case id, from the reader; the digests of those cases only that are used.
        on_disk: whether cases are kept on disk once prepared, and mapped from there (`MappedCase`).
    """

    card: Card
    reader: Reader
    patients: dict[str, str]
    digests: dict[str, str]
    on_disk: bool = False

    def exceeds_memory(self) -> bool:
        """Whether all cases, were they as large as the first, want more than `SHARE` of the memory."""
        case = preprocess.prepare(self.reader.read(next(iter(self.digests))), self.card.preprocessing)
        held = [case.image, case.labels, *([] if case.distribution is None else [case.distribution])]
        return sum(array.nbytes for array in held) * len(self.digests) > SHARE * physical_memory()

    def onto_disk(self) -> "Loader":
        """This loader, but cases are kept on disk; simulated ones only once they are prepared."""
        reader = replace(self.reader, keep=False) if isinstance(self.reader, VirtualReader) else self.reader
        return replace(self, reader=reader, on_disk=True)

    def load(self, names: list[str], annotation: str = "dense", withheld: bool = False) -> tuple[Case, ...]:
        """The cases of these names, with the labels of this annotation, or none if they are `withheld`."""
        if self.on_disk:
            # One at a time: such cases are many or large, and to prepare one takes several times its size.
            kept = (self._kept(name, annotation, withheld) for name in names)
            # disable=None: a bar on a terminal, nothing in a file
            return tuple(tqdm(kept, "preparing on disk", len(names), leave=False, disable=None))
        with ThreadPoolExecutor(WORKERS) as pool:
            return tuple(pool.map(lambda name: self._held(name, annotation, withheld), names))

    def _held(self, name: str, annotation: str, withheld: bool) -> Case:
        case = preprocess.prepare(self.reader.read(name, annotation), self.card.preprocessing)
        return replace(case, labels=case.labels[:0].clone(), distribution=None) if withheld else case

    def _kept(self, name: str, annotation: str, withheld: bool) -> Case:
        front = self.card.preprocessing.slice_axis if self.card.spatial_dims == 3 else 0
        image = prepared.folder() / self._key(name, "image")
        readings = None if withheld else prepared.folder() / self._key(name, f"labels: {annotation}")
        if not all(entry.is_dir() for entry in (image, readings) if entry):
            case = self._held(name, annotation, withheld)
            prepared.write(image.name, mapped.image_arrays(case, front))
            if readings:
                prepared.write(readings.name, mapped.readings_arrays(case, front))
            del case
            give_back()
        return MappedCase(name, self.patients[name], image, readings, front)

    def _key(self, name: str, what: str) -> str:
        """The entry's name: a hash of all that its content depends on."""
        card = self.card
        said = {
            "case": [name, what, self.digests[name]],
            "task": [card.modality, card.classes, card.spatial_dims],
            "preprocessing": card.preprocessing.model_dump(
                mode="json", exclude={"patch", "slice_patch", "mirror"}
            ),
            "code": code(preprocess, anchors, mapped, prepared, *MODULES[card.reader]),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


@cache
def code(*modules: ModuleType) -> list[str]:
    """SHA-256 of the source of each."""
    return [hashlib.sha256(inspect.getsource(module).encode()).hexdigest() for module in modules]
