"""A draft card for two folders, of images and of masks: how they pair up, and what their files say."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medseg_lab.data.card import Card
from medseg_lab.data.own.doubts import Remark, turned
from medseg_lab.data.own.inspection import NAME, Inspection, inspect, refuse_card
from medseg_lab.data.own.mask_values import Meaning, meaning_of, said, stored
from medseg_lab.data.own.pairing import Pairing, propose
from medseg_lab.data.readers.by_card import is_grey
from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.decode.volume import NIFTI, ending_of, read_grid, read_volume
from medseg_lab.data.readers.folder import preprocessing_for
from medseg_lab.data.readers.geometry import is_flat
from medseg_lab.data.readers.grid_doubts import grid_doubts
from medseg_lab.data.readers.open import open_reader
from medseg_lab.data.readers.read_each import readable
from medseg_lab.data.wording import some

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Look:
    """One image: where its voxels are, its channels, and the type of its numbers.

    `channels` is 1 where all are equal, too.
    """

    grid: Grid
    channels: int
    kind: str


def home_of(images: Path, masks: Path) -> Path:
    """The folder for the card of two folders: the one that both are in.

    Raises:
        ValueError: if they are not in one.
    """
    home = images.resolve().parent
    if home != masks.resolve().parent:
        raise ValueError(
            f"{images} and {masks}: expected two folders inside one, which would get their {NAME}; say with "
            "-o FOLDER where it is to be written"
        )
    return home


def inspect_pairs(images: Path, masks: Path, home: Path) -> tuple[Pairing, Inspection]:
    """Propose the pairing of two folders, and read every case, a few at a time; `home` will have the card.

    Raises:
        ValueError: if they do not pair up, the values of the masks are unclear, `home` has a card already, or
            no case can be read. A single case that cannot be read is a warning.
    """
    refuse_card(home / NAME, (home / NAME).exists())
    pairing = propose(images, masks, home)
    looks = _looks([image for image, _ in pairing.files.values()])
    drawn = stored([mask for _, mask in pairing.files.values()])
    meaning = meaning_of(drawn)
    grids = (
        {p: look.grid for p, look in looks.items()}
        if len(looks) > 1
        else {p: s.grid for p, s in drawn.items()}
    )
    card = _card(home, pairing, looks, meaning, grids)
    found = inspect(home, card, open_reader(card, home))
    doubts = [*_unpaired(pairing), *said(meaning.values, card.classes), *meaning.doubts, *_mixed(looks)]
    if card.spatial_dims == 3 and any(grid.spacing is None for grid in grids.values()):
        doubts.append(
            ("all images", "the spacing is not stated; if you know it, write it into the card, as `voxel_mm`")
        )
    places = {
        case: read_grid(mask)
        for case, (_, mask) in pairing.files.items()
        if mask in drawn and ending_of(mask.name) in NIFTI
    }
    return pairing, replace(found, doubts=[*doubts, *grid_doubts(places), *found.doubts])


def _looks(images: list[Path]) -> dict[Path, Look]:
    """What the images look like that can be read; of volumes, which are alike and large, the first.

    Raises:
        ValueError: if none can be read: the first reason.
    """
    pictures = [path for path in images if ending_of(path.name) not in (None, *NIFTI)]

    return readable(pictures or images[:1], _look)


def _look(path: Path) -> Look:
    volume = read_volume(path)
    channels = 1 if is_grey(volume.voxels) else len(volume.voxels)
    return Look(volume.grid, channels, volume.voxels.dtype.name)


def _card(
    home: Path, pairing: Pairing, looks: Mapping[Path, Look], meaning: Meaning, grids: dict[Path, Grid]
) -> Card:
    # By the majority: a picture among volumes, or a stack among pictures, is refused when its case is read.
    flat = {path: is_flat(grid) for path, grid in grids.items()}
    dims: Literal[2, 3] = 2 if 2 * sum(flat.values()) > len(flat) else 3
    fitting = {path: g for path, g in grids.items() if (flat[path] if dims == 2 else len(g.shape) == 3)}
    names = meaning.values[1:] or tuple(range(1, meaning.classes))
    name = home.resolve().name
    return Card(
        id=name,
        title=name,
        publisher="not stated",
        licence="not stated",
        citation="not stated",
        home=str(home),
        size_mb=0,
        modality=_channels(looks.values()),
        spatial_dims=dims,
        classes=("background", *(["foreground"] if len(names) == 1 else [f"class {n}" for n in names])),
        patient_rule="every case counts as one patient",
        reader="folders",
        values=meaning.values,
        unknown=meaning.unknown,
        pairs=pairing.pairs,
        preprocessing=preprocessing_for(fitting, dims),
    )


def _channels(looks: Iterable[Look]) -> tuple[str, ...]:
    """Names of channels: as most images have, and colours if some image has them."""
    counts = Counter(look.channels for look in looks)
    most = 3 if set(counts) == {1, 3} else counts.most_common(1)[0][0]
    return {1: ("grey",), 3: COLOURS}.get(most, tuple(f"channel {c}" for c in range(most)))


def _unpaired(pairing: Pairing) -> Iterator[Remark]:
    for paths, other in ((pairing.lone_images, "mask"), (pairing.lone_masks, "image")):
        if paths:
            yield some(path.name for path in paths), f"has no {other}: left out"


def _mixed(looks: Mapping[Path, Look]) -> Iterator[Remark]:
    """Where images differ in kind: grey among colours, depths, pictures that a camera turned."""
    grey = [path.name for path, look in looks.items() if look.channels == 1]
    if grey and _channels(looks.values()) == COLOURS:
        yield some(grey), f"grey, as {len(grey)} of {len(looks)} images: read as equal red, green and blue"
    kinds = Counter(look.kind for look in looks.values())
    if len(kinds) > 1:
        yield (
            "all images",
            "numbers of several types: " + ", ".join(f"{n} {k}" for k, n in kinds.most_common()),
        )
    yield from turned(looks)
