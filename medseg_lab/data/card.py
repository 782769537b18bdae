"""A data card: what a data set is, whose, and how this library prepares it.

A card is `cards/<id>.toml`; its fields are the keys of that file. A folder of one's own gets its card from
its `dataset.json` (`readers.msd.folder_card`).
"""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocessing(_Part):
    """How a volume becomes a tensor.

    Attributes:
        spacing: mm a voxel along each axis after resampling; None keeps the file's grid.
        normalise: `zscore`: each image to mean 0 and standard deviation 1, channel by channel.
        patch: the largest patch that training may take, in voxels.
        slice_patch: the same for slices drawn from volumes; the patch without the slice axis if absent.
        slice_axis: the axis across which a volume is cut into slices.
        mirror: axes along which a mirrored image is still a plausible one.
    """

    spacing: tuple[PositiveFloat, ...] | None = None
    normalise: Literal["zscore"] = "zscore"
    patch: tuple[PositiveInt, ...]
    slice_patch: tuple[PositiveInt, ...] | None = None
    slice_axis: int = 2
    mirror: tuple[int, ...] = ()


class Parts(_Part):
    """The shares of the patients that are held out; the rest is for training."""

    test: Share = 0.2
    validation: Share = 0.1

    @model_validator(mode="after")
    def _leave_some(self) -> "Parts":
        if self.test + self.validation >= 1:
            raise ValueError(
                f"parts: got test + validation = {self.test + self.validation}, wanted less than 1"
            )
        return self


class Virtual(_Part):
    """The population of a simulated data set; `settings` override those of `virtual.VirtualSettings`."""

    subjects: PositiveInt
    seed: int = 0
    settings: dict[str, Any] = {}


class Card(_Part):
    """One data set.

    Attributes:
        classes: names of the label values 0, 1, ...: background first.
        regions: named unions of classes, for sets whose structures lie in one another.
        raters: readings per image.
        patient_rule: how a case's patient is told from its id, in words.
        folder: the publisher's own name for the folder.
        obtain: how to get it, one or two sentences.
        defects: what is wrong with the files as published, and what we do about it.
    """

    id: str
    title: str
    publisher: str
    licence: str
    citation: str
    home: str
    size_mb: float
    modality: tuple[str, ...]
    spatial_dims: Literal[2, 3]
    classes: tuple[str, ...] = Field(min_length=2)
    regions: dict[str, tuple[str, ...]] = {}
    raters: PositiveInt = 1
    patient_rule: str
    folder: str = ""
    obtain: str = ""
    defects: tuple[str, ...] = ()
    reader: Literal["virtual", "msd"]
    preprocessing: Preprocessing
    parts: Parts = Parts()
    virtual: Virtual | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Card":
        axes = set(range(self.spatial_dims))
        work = self.preprocessing
        if len(work.patch) != self.spatial_dims:
            raise ValueError(f"patch: got {work.patch}, wanted {self.spatial_dims} edges")
        if not set(work.mirror) <= axes or (self.spatial_dims == 3 and work.slice_axis not in axes):
            raise ValueError(
                f"axes: got mirror {work.mirror}, slice {work.slice_axis}, wanted some of {axes}"
            )
        unknown = {c for region in self.regions.values() for c in region} - set(self.classes)
        if unknown:
            raise ValueError(f"regions: got {sorted(unknown)}, wanted some of {self.classes}")
        if (self.reader == "virtual") != (self.virtual is not None):
            raise ValueError(
                f"reader {self.reader!r}: the table [virtual] goes with the reader 'virtual' only"
            )
        return self


def known_cards() -> tuple[str, ...]:
    """The ids of the cards that come with the library, sorted."""
    return tuple(
        sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))
    )


def load_card(dataset: str) -> Card:
    """The card of the data set with this id.

    Raises:
        ValueError: naming the known ids.
    """
    if dataset not in known_cards():
        raise ValueError(f"data set: got {dataset!r}, wanted one of {', '.join(known_cards())}")
    return Card.model_validate(tomllib.loads((_folder() / f"{dataset}.toml").read_text(encoding="utf-8")))


def _folder() -> Traversable:
    return resources.files("medseg_lab.data") / "cards"
