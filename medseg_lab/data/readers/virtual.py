"""Virtual subjects as a data set, kept in the user cache once generated."""

import hashlib
import inspect
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from medseg_lab.data import templates, virtual
from medseg_lab.data.card import Card
from medseg_lab.data.card import Virtual as Population
from medseg_lab.data.locate import cache_folder
from medseg_lab.data.readers.reader import Raw


@dataclass(frozen=True)
class VirtualReader:
    """The population of a card with `reader = "virtual"`."""

    population: Population

    @classmethod
    def open(cls, card: Card) -> "VirtualReader":
        """The reader of this card; its settings are checked by naming them."""
        if card.virtual is None:
            raise ValueError(f"card {card.id}: got no table [virtual], wanted one")
        reader = cls(card.virtual)
        if not set(card.virtual.settings) <= set(asdict(virtual.VirtualSettings())):
            raise ValueError(
                f"card {card.id}: got settings {sorted(card.virtual.settings)}, "
                f"wanted some of {sorted(asdict(virtual.VirtualSettings()))}"
            )
        return reader

    @property
    def channels(self) -> int:
        """One simulated contrast."""
        return 1

    @property
    def settings(self) -> virtual.VirtualSettings:
        """The card's settings over the defaults."""
        return virtual.VirtualSettings(**{k: _tuple(v) for k, v in self.population.settings.items()})

    def patients(self) -> dict[str, str]:
        """Subjects 0 to n-1, each their own patient."""
        return {name: name for name in (f"subject-{i:04d}" for i in range(self.population.subjects))}

    def read(self, case: str, annotation: str = "dense") -> Raw:
        """The subject from the cache, or generated and left there: the same bits either way."""
        path = cache_folder("virtual") / self.digest(case)[:32]
        image_path, label_path = path.with_suffix(".image.npy"), path.with_suffix(".label.npy")
        if not (image_path.exists() and label_path.exists()):
            image, label = virtual.subject(self.population.seed, self._index(case), self.settings)
            templates.save_whole(image_path, image.numpy())
            templates.save_whole(label_path, label.numpy())
        image_array = np.load(image_path, allow_pickle=False)
        labels = np.load(label_path, allow_pickle=False)
        return Raw(case, case, image_array[None], labels[None], (float(self.settings.resolution),) * 3)

    def digest(self, case: str) -> str:
        """Hash of the generator's source, its settings, the population's seed and the subject's index."""
        said = {
            "source": generator_source(),
            "settings": asdict(self.settings),
            "seed": self.population.seed,
            "index": self._index(case),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def _index(self, case: str) -> int:
        return int(case.removeprefix("subject-"))


def _tuple(value: Any) -> Any:
    """Lists of a TOML file as tuples, nested ones too."""
    return tuple(_tuple(v) for v in value) if isinstance(value, list) else value


@cache
def generator_source() -> str:
    """Hash of all that turns (seed, index, settings) into a subject, with the versions it leans on."""
    from importlib.metadata import version

    text = "".join(inspect.getsource(module) for module in (virtual, templates))
    versions = {name: version(name) for name in ("torch", "numpy", "scipy", "nilearn")}
    return hashlib.sha256((text + json.dumps(versions, sort_keys=True)).encode()).hexdigest()
