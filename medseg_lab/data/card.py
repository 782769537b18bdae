"""A data card: what a data set is, whose, and how this library prepares it.

A card is `cards/<id>.toml` (`catalogue.load_card`); its fields are the keys of that file. A folder of your
own has its card in `card.toml`, or gets one from `dataset.json` (`readers.folder.folder_card`).
"""

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Share = Annotated[float, Field(gt=0, lt=1)]
ReaderName = Literal["virtual", "msd", "folders", "acdc", "lidc", "chase", "nuclei", "nuclei-apart"]


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
        slice_axis: the axis across which a volume is cut into slices. In a folder of your own, axes are
            counted as volumes are read: x, y, z (`readers.geometry`).
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
            both = self.test + self.validation
            raise ValueError(f"expected test + validation below 1, got {both}")
        return self


class Virtual(_Part):
    """The population of a simulated data set; `settings` override those of the generator."""

    subjects: PositiveInt
    seed: int = 0
    settings: dict[str, Any] = {}


class Archive(_Part):
    """A file to fetch: its address, its size in MB (10^6 bytes), and its name once fetched."""

    url: str
    name: str
    size_mb: PositiveFloat


class Pairs(_Part):
    """Where the images and masks of a data set of one's own are, and which belong together.

    Attributes:
        images, masks: folders, absolute or from the card's folder on.
        image_name, mask_name: regular expressions for whole file names (of an image that is a folder, a DICOM
            series: for the folder's name); group 1 is the case. An image and a mask of one case are a pair.
    """

    images: str
    masks: str
    image_name: str
    mask_name: str


class Download(_Part):
    """How the files come from their publisher (`data.obtain`).

    Attributes:
        archives: what can be fetched without registration; empty where the publisher requires it.
        by_hand: what a person does in that case.
        confirmed: the date on which the addresses were last seen to work, or "not yet".
        keep: patterns of the files that are kept, relative to the data set's folder.
        compare: whether checksums are of the files' bytes or, where this library writes the pictures itself,
            of their pixels.
    """

    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    confirmed: str = "not yet"
    keep: tuple[str, ...]
    compare: Literal["bytes", "pixels"] = "bytes"

    @model_validator(mode="after")
    def _some_way(self) -> "Download":
        if bool(self.archives) == bool(self.by_hand):
            raise ValueError("give either archives or, where there are none, by_hand")
        return self


class Measured(_Part):
    """What was counted in the files (`data.describe.measure`).

    Attributes:
        cases, patients: how many.
        shape: the smallest, the median and the largest number of voxels along each axis.
        spacing: the same in mm; None where the files lack it.
        shares: the mean share of the voxels of each class, by class name.
        sources: which copy of the data set.
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
        about: what the images show and what is to be segmented, in a sentence or two.
        classes: names of the label values 0, 1, ...: background first.
        regions: named unions of classes, as challenges score them; the largest first where they are nested.
        scored: whether classes or `regions` are what is judged; methods learn classes in both cases. Samples,
            attacks and thin vessels are scored by class.
        raters: readings per image.
        annotation: which of the set's annotations the labelled training cases carry; validation and test
            always carry the dense one.
        patient: a regular expression for the whole id of a case; its first group is the patient.
        patient_rule: the same in words.
        folders: the publisher's own names for the data set's folder.
        markers: patterns of files or folders by which the data set's folder is recognised.
        obtain: how to get it, in a sentence or two.
        defects: what is wrong with the files as published, and what we do about it.
        values: the values that the masks store for `classes`, in their order: (0, 255); empty for 0, 1, ...
        unknown: the value that masks store where nobody annotated, if there is one.
        voxel_mm: mm along each axis of the files' voxels, where the files do not say it.
        folder: where the data set's files are, absolute or from the card's folder on, if not beside the card.
        pairs: where images and masks are, for the reader `folders`.
        variants: changes to this card, by name, for `<id>+<name>`.
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
    scored: Literal["classes", "regions"] = "classes"
    raters: PositiveInt = 1
    annotation: str = "dense"
    patient: str = "(.+)"
    patient_rule: str
    folders: tuple[str, ...] = ()
    markers: tuple[str, ...] = ("dataset.json",)
    obtain: str = ""
    defects: tuple[str, ...] = ()
    reader: ReaderName
    values: tuple[NonNegativeInt, ...] = ()
    unknown: NonNegativeInt | None = None
    voxel_mm: tuple[PositiveFloat, ...] | None = None
    folder: str = ""
    pairs: Pairs | None = None
    preprocessing: Preprocessing
    parts: Parts = Parts()
    virtual: Virtual | None = None
    download: Download | None = None
    measured: Measured | None = None
    variants: dict[str, dict[str, Any]] = {}

    @property
    def base(self) -> str:
        """The id without its variants: the files are found by it."""
        return self.id.partition("+")[0]

    @property
    def has_nested_regions(self) -> bool:
        """Whether there are two regions or more, and each but the largest is inside a larger one."""
        by_size = sorted((set(members) for members in self.regions.values()), key=len)
        return len(by_size) > 1 and all(small < large for small, large in pairwise(by_size))

    @property
    def order(self) -> tuple[int, ...]:
        """The classes from the outermost to the innermost, as indices, if its regions are such a chain.

        Empty where they are not, and where that is the order in which the classes are numbered.
        """
        sizes = sorted((set(members) for members in self.regions.values()), key=len, reverse=True)
        shells = [large - small for large, small in pairwise([set(self.classes[1:]), *sizes[1:], set()])]
        chain = sizes[:1] == [set(self.classes[1:])] and all(len(shell) == 1 for shell in shells)
        found = tuple(self.classes.index(name) for shell in shells for name in shell) if chain else ()
        return () if found == tuple(range(1, len(self.classes))) else found

    @property
    def scored_regions(self) -> dict[str, tuple[int, ...]]:
        """The regions that are judged, as indices of classes by name; empty where classes are judged."""
        if self.scored == "classes":
            return {}
        return {name: tuple(map(self.classes.index, members)) for name, members in self.regions.items()}

    @model_validator(mode="after")
    def _consistent(self) -> "Card":
        axes = set(range(self.spatial_dims))
        work = self.preprocessing
        for name, edges in (("patch", work.patch), ("crop", work.crop)):
            if edges is not None and len(edges) != self.spatial_dims:
                raise ValueError(f"{name}: expected {self.spatial_dims} edges, got {edges}")
        if not set(work.mirror) <= axes or (self.spatial_dims == 3 and work.slice_axis not in axes):
            raise ValueError(
                f"axes: expected some of {axes}, got mirror {work.mirror}, slice {work.slice_axis}"
            )
        unknown = {c for region in self.regions.values() for c in region} - set(self.classes)
        if unknown:
            raise ValueError(f"regions: expected some of {self.classes}, got {sorted(unknown)}")
        if twice := [name for name in self.classes if self.classes.count(name) > 1]:
            raise ValueError(f"classes: expected a name of its own for each, got {twice[0]!r} twice")
        if odd := [name for name, of in self.regions.items() if not of or self.classes[0] in of]:
            raise ValueError(
                f"regions: expected classes without the background in each, got {odd[0]}: "
                f"{list(self.regions[odd[0]])}"
            )
        if self.unknown in (self.values or range(len(self.classes))):
            raise ValueError(f"unknown: expected a value that is no class's, got {self.unknown}")
        if self.scored == "regions" and not self.regions:
            raise ValueError("scored: expected a table [regions] beside scored = 'regions', got none")
        if (self.reader == "virtual") != (self.virtual is not None):
            raise ValueError(
                f"reader {self.reader!r}: the table [virtual] and the reader 'virtual' need each other"
            )
        if (self.reader == "folders") != (self.pairs is not None):
            raise ValueError(
                f"reader {self.reader!r}: the table [pairs] and the reader 'folders' need each other"
            )
        if self.values and len(set(self.values)) != len(self.classes):
            raise ValueError(
                f"values: expected one for each of {len(self.classes)} classes, got {list(self.values)}"
            )
        if self.voxel_mm is not None and len(self.voxel_mm) != self.spatial_dims:
            raise ValueError(f"voxel_mm: expected {self.spatial_dims} edges, got {list(self.voxel_mm)}")
        if re.compile(self.patient).groups < 1:
            raise ValueError(f"patient: expected an expression with one group, got {self.patient!r}")
        return self
