"""A data card: what a data set is, whose, and how this library prepares it.

A card is `cards/<id>.toml` (`catalogue.load_card`); its fields are the keys of that file. A folder of one's
own gets its card from its `card.toml` or its `dataset.json` (`readers.folder.folder_card`).
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Share = Annotated[float, Field(gt=0, lt=1)]
ReaderName = Literal["virtual", "msd", "acdc", "lidc", "chase", "nuclei"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocessing(_Part):
    """How a volume becomes a tensor.

    Attributes:
        spacing: mm a voxel along each axis after resampling; None keeps the file's grid.
        crop: the middle of the image that is kept, in voxels after resampling; None keeps all.
        normalise: `zscore`: each image to mean 0 and standard deviation 1, channel by channel.
        patch: the largest patch that training may take, in voxels.
        slice_patch: the same for slices drawn from volumes; the patch without the slice axis if absent.
        slice_axis: the axis across which a volume is cut into slices.
        mirror: axes along which a mirrored image is still a plausible one.
    """

    spacing: tuple[PositiveFloat, ...] | None = None
    crop: tuple[PositiveInt, ...] | None = None
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
    """The population of a simulated data set; `settings` override those of the generator."""

    subjects: PositiveInt
    seed: int = 0
    settings: dict[str, Any] = {}


class Archive(_Part):
    """A file to fetch: its address, its size in MB (10^6 bytes), and what it is called when it is kept."""

    url: str
    name: str
    size_mb: PositiveFloat


class Download(_Part):
    """How the files come from their publisher (`data.obtain`).

    Attributes:
        archives: what can be fetched without asking anyone; empty where the publisher wants registration.
        by_hand: what a person does where it does.
        confirmed: the date on which the addresses were last seen to work, or "not yet".
        keep: patterns of the files that are kept, relative to the data set's folder.
        compare: whether checksums are of the files' bytes, or, where this library wrote the pictures anew, of
            their pixels.
    """

    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    confirmed: str = "not yet"
    keep: tuple[str, ...]
    compare: Literal["bytes", "pixels"] = "bytes"

    @model_validator(mode="after")
    def _some_way(self) -> "Download":
        if bool(self.archives) == bool(self.by_hand):
            raise ValueError("download: wanted either archives or, where there are none, by_hand")
        return self


class Measured(_Part):
    """What was counted in the files (`data.facts`).

    Attributes:
        cases, patients: how many.
        shape: the smallest, the median and the largest number of voxels along each axis.
        spacing: the same in mm; None where the files do not say.
        shares: the mean share of the voxels that have each class, by class name.
        sources: on which copy of the data set.
    """

    cases: PositiveInt
    patients: PositiveInt
    shape: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    spacing: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]] | None = None
    shares: dict[str, float]
    sources: str = ""


class Card(_Part):
    """One data set.

    Attributes:
        id: its name; `+variant` is appended for each variant chosen.
        about: what is seen in the images and what is to be found in them, in a sentence or two.
        classes: names of the label values 0, 1, ...: background first.
        regions: named unions of classes, from the largest to the smallest where they lie in one another.
        raters: readings per image.
        annotation: which of the set's annotations the labelled training cases carry; validation and test
            always carry the dense one.
        patient: a regular expression that matches a case's id whole; its first group is the patient.
        patient_rule: the same in words.
        folders: the publisher's own names for the data set's folder.
        markers: patterns of files or folders; where one is found, the data set is.
        obtain: how to get it, in a sentence or two.
        defects: what is wrong with the files as published, and what we do about it.
        variants: changes to this card, by name, that `<id>+<name>` asks for.
    """

    id: str
    title: str
    about: str = ""
    publisher: str
    licence: str
    citation: str
    home: str
    size_mb: NonNegativeFloat
    modality: tuple[str, ...]
    spatial_dims: Literal[2, 3]
    classes: tuple[str, ...] = Field(min_length=2, max_length=255)
    regions: dict[str, tuple[str, ...]] = {}
    raters: PositiveInt = 1
    annotation: str = "dense"
    patient: str = "(.+)"
    patient_rule: str
    folders: tuple[str, ...] = ()
    markers: tuple[str, ...] = ("dataset.json",)
    obtain: str = ""
    defects: tuple[str, ...] = ()
    reader: ReaderName
    preprocessing: Preprocessing
    parts: Parts = Parts()
    virtual: Virtual | None = None
    download: Download | None = None
    measured: Measured | None = None
    variants: dict[str, dict[str, Any]] = {}

    @property
    def base(self) -> str:
        """The id without its variants: what the files are found by."""
        return self.id.partition("+")[0]

    @model_validator(mode="after")
    def _consistent(self) -> "Card":
        axes = set(range(self.spatial_dims))
        work = self.preprocessing
        if len(work.patch) != self.spatial_dims:
            raise ValueError(f"patch: got {work.patch}, wanted {self.spatial_dims} edges")
        if work.crop is not None and len(work.crop) != self.spatial_dims:
            raise ValueError(f"crop: got {work.crop}, wanted {self.spatial_dims} edges")
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
        if re.compile(self.patient).groups < 1:
            raise ValueError(f"patient: got {self.patient!r}, wanted an expression with one group")
        return self
