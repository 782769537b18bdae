"""Virtual subjects as a data set, kept in the user cache once generated."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.locate import cache_folder
from medseg_lab.data.prepared import source_digest
from medseg_lab.data.readers.checks import require_annotation
from medseg_lab.data.readers.reader import Raw
from medseg_lab.data.virtual import store, subject
from medseg_lab.data.virtual.settings import VirtualSettings, read_settings
from medseg_lab.data.virtual.templates import BOX_MM

GENERATOR = ("torch", "numpy", "scipy", "scikit-image", "nilearn")
"""Packages whose version may change a subject."""


@dataclass(frozen=True)
class VirtualReader:
    """The population of a card with `reader = "virtual"`.

    Args:
        subjects: how many.
        seed: of the population.
        settings: of the generator.
        keep: whether subjects stay in the cache; without, a cohort may be larger than the disk.
    """

    subjects: int
    seed: int
    settings: VirtualSettings
    keep: bool = True

    @classmethod
    def open(cls, card: Card, keep: bool = True) -> "VirtualReader":
        """The reader of this card.

        Raises:
            ValueError: if a setting is unknown or of a wrong type, or the card states other channels, classes
                or raters than its settings give.
        """
        if card.virtual is None:
            raise ValueError(f"card {card.id}: the table [virtual] is missing")
        if not 0 <= card.virtual.seed < 2**32:
            raise ValueError(f"card {card.id}: expected a seed of 0 to 2^32 - 1, got {card.virtual.seed}")
        settings = read_settings(card.virtual.settings, f"card {card.id}")
        reader = cls(card.virtual.subjects, card.virtual.seed, settings, keep)
        given = (reader.channels, reader.classes, reader.raters)
        stated = (len(card.modality), card.classes, card.raters)
        if stated != given:
            raise ValueError(
                f"card {card.id}: expected {given} as channels, classes and raters, got {stated}"
            )
        return reader

    @property
    def channels(self) -> int:
        """One simulated contrast, or four with tumours."""
        return subject.channels(self.settings)

    @property
    def classes(self) -> tuple[str, ...]:
        """Tissues, or the parts of a tumour."""
        return subject.classes(self.settings)

    @property
    def raters(self) -> int:
        """R, the readings of every subject."""
        return 1 if self.settings.raters is None else self.settings.raters.number

    def patients(self) -> dict[str, str]:
        """Subjects 0 to n - 1, each a patient."""
        return {name: name for name in map(_name, range(self.subjects))}

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """The subject from the cache, or generated and kept there: the same bits either way.

        Raises:
            ValueError: if the cached file is damaged, or there is no such case or annotation.
            RuntimeError: if the cache cannot be written.
        """
        require_annotation(annotation, ("dense",), case)
        path = cache_folder("virtual") / f"{self.digest(case)[:32]}.npz"
        if path.exists():
            arrays = store.load(path, self._stored())
        else:
            arrays = self._generated(case)
            if self.keep:
                store.save(path, arrays)
        spacing = (float(self.settings.resolution),) * 3
        return Raw(case, case, arrays["image"], arrays["labels"], spacing, arrays.get("distribution"))

    def digest(self, case: str) -> str:
        """Hash of the generator's source, its settings, the population's seed and the subject's index."""
        content = {
            "source": generator_source(),
            "settings": self.settings.model_dump(mode="json"),
            "seed": self.seed,
            "index": self._index(case),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _generated(self, case: str) -> dict[str, np.ndarray]:
        made = subject.subject(self.seed, self._index(case), self.settings)
        arrays = {"image": made.image.numpy(), "labels": made.labels.numpy()}
        return arrays if made.distribution is None else {**arrays, "distribution": made.distribution.numpy()}

    def _stored(self) -> dict[str, tuple[tuple[int, ...], Any]]:
        """Shape and type of each array of a subject."""
        shape = tuple(edge // self.settings.resolution for edge in BOX_MM)
        arrays: dict[str, tuple[tuple[int, ...], Any]] = {
            "image": ((self.channels, *shape), np.float32),
            "labels": ((self.raters, *shape), np.uint8),
        }
        if self.settings.raters is not None:
            arrays["distribution"] = ((len(self.classes), *shape), np.float32)
        return arrays

    def _index(self, case: str) -> int:
        digits = case.removeprefix("subject-")
        index = int(digits) if digits.isdecimal() else -1
        if not 0 <= index < self.subjects or case != _name(index):
            raise ValueError(f"case: expected {_name(0)} to {_name(self.subjects - 1)}, got {case!r}")
        return index


def _name(index: int) -> str:
    return f"subject-{index:04d}"


@cache
def generator_source() -> str:
    """Hash of all that turns (seed, index, settings) into a subject, with the versions that it uses."""
    versions = {name: version(name) for name in GENERATOR}
    return hashlib.sha256((source_digest("virtual") + json.dumps(versions)).encode()).hexdigest()
