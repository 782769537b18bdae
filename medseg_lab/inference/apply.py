"""From a trained run to masks of other images, each on the image's own grid.

`segment(run_store().run("abc123"), "image.nii.gz", "masks")` writes `masks/image.nii.gz`.
"""

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from medseg_lab.data.card import Card
from medseg_lab.data.memory import physical_memory
from medseg_lab.inference.images.as_trained import AsTrained
from medseg_lab.inference.images.image_files import ImageFiles, case_name
from medseg_lab.inference.images.kinds import can_sample, needs_whole
from medseg_lab.inference.images.mask_file import map_ending, mask_ending, write_map
from medseg_lab.inference.images.whole_or_slabs import Prediction
from medseg_lab.training.run import Run
from medseg_lab.training.segmenter import Segmenter

Device = Literal["auto", "cpu", "cuda"]
SAMPLES = 16
SHARE = 0.5
"""Of the memory; a case that would take more is predicted slab by slab."""
UNCERTAINTY = ("entropy", "mutual_information")


@dataclass(frozen=True)
class Segmented:
    """What became of one image.

    Args:
        case: its name.
        image: its files.
        mask: the file of the mask.
        maps: the files of what was asked for beside it.
        voxels: how many each class has.
        seconds: from reading to writing.
        warnings: what a reader of the mask should know.
        slabs: whether it was predicted slab by slab.
    """

    case: str
    image: tuple[Path, ...]
    mask: Path
    maps: tuple[Path, ...] = ()
    voxels: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    slabs: bool = False


def segment(
    run: Run,
    image: Path | str | Sequence[Path | str],
    folder: Path | str,
    *,
    device: Device = "auto",
    card: Card | None = None,
    **options: Any,
) -> Segmented:
    """Segment an image with a trained run, and write its mask; see `Applied` for several images.

    Args:
        run: a finished run.
        image: its file, or its files in the order of the channels, or a folder that is a DICOM series.
        folder: for the mask; it is made.
        device, card: as of `Applied`.
        options: those of `Applied.__call__`.

    Raises:
        ValueError, RuntimeError, OSError: as `Applied`.
    """
    files = [image] if isinstance(image, str | Path) else image
    paths = tuple(Path(path).expanduser() for path in files)
    found = Applied(run, device=device, card=card)(case_name(paths), paths, Path(folder), **options)
    for said in found.warnings:
        warnings.warn(f"{paths[0]}: {said}", stacklevel=2)
    return found


class Applied:
    """A trained run, ready to segment images: any number, one after the other.

    An image is brought to the training's orientation, resampled if the training's images were, standardised
    as they were, predicted by sliding window (slice by slice by a learner of slices), and its class
    probabilities are brought back to the image's own grid, where the most probable class wins.

    Args:
        run: a finished run.
        device: `auto` is a CUDA card where there is one.
        card: of the run's data set, where neither its record nor this library knows how images were prepared.

    Raises:
        ValueError: if the run is incomplete or the card is needed, or for `cuda` where there is none.
    """

    def __init__(self, run: Run, *, device: Device = "auto", card: Card | None = None) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device: expected cpu or auto, since PyTorch finds no CUDA card here, got cuda")
        self.device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self.like = AsTrained.of(run, card)
        self.learner = run.learner(self.device)
        self.patch = self.learner.patch or self.like.how.patch
        self.needs_whole = needs_whole(self.learner) or max(self.like.thinned, default=1) > 1

    def __call__(
        self,
        case: str,
        files: Sequence[Path],
        folder: Path,
        *,
        probabilities: bool = False,
        uncertainty: bool = False,
        samples: int = SAMPLES,
        overwrite: bool = False,
        slabs: bool | None = None,
    ) -> Segmented:
        """Segment one image, and write its mask as `<case>` with the image's ending (`mask_ending`).

        The mask has what the data set's own masks store: its card's `values`, else the class indices.

        Args:
            case: the name of what is written.
            files: of the image, or of its channels in their order.
            folder: where to; it is made.
            probabilities: whether to write the probability of each class, too (`<case>_probabilities`).
            uncertainty: whether to write the entropy of the mean of several samples and the mutual
                information of class and sample, in nats, where the learner can sample; else the entropy of
                its one prediction.
            samples: how many.
            overwrite: whether files that are there may be replaced.
            slabs: whether to predict slab by slab, which takes little memory and more time; None for where
                the whole would take more than half of the memory.

        Raises:
            ValueError: naming the file: one that cannot be read, or does not fit the run; or `folder` is one.
            FileExistsError: if there is a mask already.
            RuntimeError, OSError: where the mask cannot be written.
        """
        started, files = time.perf_counter(), tuple(files)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder}: expected a folder for masks, got a file")
        ending, maps_ending = mask_ending(files[0], self.like.values), map_ending(files[0])
        wanted = {"": ending}
        wanted |= {"_probabilities": maps_ending} if probabilities else {}
        names = UNCERTAINTY if can_sample(self.learner) else UNCERTAINTY[:1]
        wanted |= {f"_{name}": maps_ending for name in names} if uncertainty else {}
        targets = {name: folder / f"{case}{name}{end}" for name, end in wanted.items()}
        self._require_free(targets.values(), files, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        image = ImageFiles(files, self.like, self.learner)
        needed, limit = self._memory(image, samples * uncertainty), SHARE * physical_memory()
        said = [*image.like.warnings(image.spacing), *self._warnings(needed, limit)]
        if slabs is None:
            slabs = not self.needs_whole and needed > limit
        elif slabs and self.needs_whole:
            raise ValueError("slabs: expected a method without a step on the whole case, got one with it")
        with TemporaryDirectory(prefix=".segmenting-", dir=folder) as temporary:
            work = Prediction(self.learner, self.patch, image, Path(temporary) if slabs else None)
            label, counts, sure = work.classes(probabilities)
            made = {"": image.restored(label[None])[0]}
            if probabilities:
                made["_probabilities"] = image.restored(sure)
            if uncertainty:
                for name, array in zip(names, work.uncertainty(samples, len(names)), strict=True):
                    made[f"_{name}"] = image.restored(array[None])[0]
            for name, target in reversed(targets.items()):  # the mask comes last: then all is there
                write_map(target, made[name], files[0], image.original)
        return Segmented(
            case,
            files,
            targets[""],
            tuple(target for name, target in targets.items() if name),
            dict(zip(self.like.classes, counts, strict=True)),
            time.perf_counter() - started,
            tuple(said),
            slabs,
        )

    def _require_free(self, targets: Iterable[Path], files: Sequence[Path], overwrite: bool) -> None:
        images = {path.resolve() for path in files}
        for target in targets:
            if target.resolve() in images:
                raise ValueError(f"{target}: expected another folder, got the image's own")
            if target.exists() and not overwrite:
                raise FileExistsError(f"{target} exists already")

    def _memory(self, image: ImageFiles, samples: int) -> int:
        """About how many bytes the whole case would take."""
        channels, classes = len(self.like.channels), len(self.like.classes)
        shapes = image.like.shapes(image.shape, image.spacing, str(image.files[0]))
        own, resampled, prepared = prod(image.shape), *map(prod, shapes)
        maps = 2 * max(1, samples) * classes
        return 8 * channels * own + 28 * channels * resampled + 4 * maps * prepared + (4 * classes + 9) * own

    def _warnings(self, needed: int, limit: float) -> Iterator[str]:
        if self.needs_whole and needed > limit:
            yield f"its method needs the whole case, about {needed / 1e9:.1f} GB; there are {limit / 5e8:.1f}"
        for part in self.learner.modules():
            looks = type(part).take_reference.__module__ if isinstance(part, Segmenter) else ""
            of_experiment = looks.startswith(("medseg_lab.classical", "medseg_lab.nested"))
            if of_experiment and getattr(part, "seeds", "clicks") == "clicks":
                yield f"{type(part).__name__} looks at a reference, and an image to segment has none"
