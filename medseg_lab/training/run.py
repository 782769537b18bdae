"""One finished training, as it lies in its folder."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_lab.data.task import Task
from medseg_lab.data.wording import one_line
from medseg_lab.training.label_maps import LabelMap, read_label_maps
from medseg_lab.training.own_files import content, require_own, require_sizes
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.record import RunRecord, read_record, title
from medseg_lab.training.tables import read_curves, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    import torch

    from medseg_lab.data.case import Case
    from medseg_lab.training.segmenter import Segmenter

RECORD, CURVES, WEIGHTS, CASES = "run.json", "curves.csv", "weights.safetensors", "cases.csv"
LARGEST_PATCH = 2**28
LABEL_MAPS, PSEUDO_LABELS = "segmentations.npz", "pseudo_labels.npz"


@dataclass(frozen=True)
class Run:
    """One training: what ran, on what, with what result.

    Args:
        folder: with `run.json`, `curves.csv`, `weights.safetensors`; if it was judged, `cases.csv` and mostly
            `segmentations.npz`; `pseudo_labels.npz` where it learned from any.
        replayed: whether it was found in the store rather than trained just now.
        recipe: what was fitted, where this process fitted it: it may lie outside this library.
    """

    folder: Path
    replayed: bool = False
    recipe: Recipe | None = None

    @cached_property
    def record(self) -> RunRecord:
        """The facts.

        Raises:
            ValueError: if the folder is incomplete or its record is not one of this version.
        """
        self._require(RECORD, CURVES, WEIGHTS)
        record = read_record(content(self.folder / RECORD))
        self._require(*record.files)
        return record

    def _require(self, *names: str) -> None:
        there = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        if missing := [name for name in names if name not in there]:
            raise ValueError(
                f"run {self.folder.name}: expected a whole run, got none of {', '.join(missing)}"
            )

    def own(self, name: str) -> Path:
        """One of its files, which is as it was written.

        Raises:
            ValueError: naming the file, if it was changed since, or is of another run.
        """
        path = self.folder / name
        require_own(path, self.record.files.get(name))
        return path

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """A row a step: step, seconds, lr, and the losses.

        Raises:
            ValueError: if the file is damaged, or not the run's own.
        """
        return read_curves(self.own(CURVES))

    @cached_property
    def cases(self) -> "pd.DataFrame | None":
        """The judge's table; None for a run without a judge.

        Raises:
            ValueError: if the file is damaged, or not the run's own.
        """
        return read_table(self.own(CASES)) if (self.folder / CASES).is_file() else None

    def segmentations(self, cases: "Sequence[Case]") -> dict[str, LabelMap]:
        """What it predicted while it was judged: classes `(*S)`, uint8, by the ids of the cases that were.

        Raises:
            ValueError: if the file is damaged.
        """
        return self._label_maps(LABEL_MAPS, cases)

    def pseudo_labels(self, cases: "Sequence[Case]") -> dict[str, LabelMap]:
        """What it learned of these cases instead of labels: classes `(*S)`, uint8, by id, where it has any.

        Raises:
            ValueError: if the file is damaged.
        """
        return self._label_maps(PSEUDO_LABELS, cases)

    def _label_maps(self, name: str, cases: "Sequence[Case]") -> dict[str, LabelMap]:
        if not (self.folder / name).is_file():
            return {}
        path, shapes = self.own(name), {case.id: tuple(case.image.shape[1:]) for case in cases}
        try:
            require_sizes(path, shapes)
            found = read_label_maps(path, list(shapes))
            for case, label in found.items():
                if (label.dtype, label.shape) != (np.uint8, shapes[case]):
                    raise ValueError(f"{case}: expected {shapes[case]}, got {label.shape} of {label.dtype}")
        except Exception as error:  # what zipfile, zlib and numpy raise for damaged files is not bounded
            raise ValueError(
                f"{path}: expected label maps of these cases, got a damaged file or others "
                f"({one_line(error)})"
            ) from error
        return found

    def rounds(self) -> "list[Run]":
        """The runs that it rests on, first the earliest, then itself; of several bases the first is followed.

        Raises:
            ValueError: if one of them is no longer in the store.
        """
        if not self.record.bases:
            return [self]
        return [*Run(self.folder.with_name(self.record.bases[0][:16])).rounds(), self]

    @property
    def parts(self) -> "dict[str, Run]":
        """All runs that it rests on, which are in the store, and itself: each once, by key."""
        there = (Run(self.folder.with_name(key[:16])) for key in self.record.bases)
        found = {key: one for run in there if run.folder.is_dir() for key, one in run.parts.items()}
        return found | {self.record.key: self}

    @property
    def own_seconds(self) -> float:
        """Seconds of its own training, without those of its bases; 0 where it trained nothing."""
        return 0.0 if self.record.changed else float(self.curves["seconds"].iloc[-1])

    def learner(self, device: "str | torch.device" = "cpu", recipe: Recipe | None = None) -> "Segmenter":
        """The trained learner, ready to predict.

        Args:
            device: where to.
            recipe: that of the run, needed only where it lies outside this library and was not fitted by this
                process: a stored run must not import at will.

        Raises:
            ValueError: if another recipe is given, or none where one is needed; if the recorded one names
                anything but known parts of learners (`medseg_lab.training.known`); or if the weights are not
                the run's own.
        """
        import torch

        from medseg_lab.training.device import fast_bfloat16, lay_out

        recipe = recipe or self.recipe
        if recipe is not None and recipe.to_dict() != self.record.recipe:
            raise ValueError(
                f"run {self.folder.name}: expected its recipe, {self.record.method}, got {recipe}"
            )
        task = Task(**self.record.task.model_dump())
        with torch.random.fork_rng(devices=[]):
            learner: Segmenter = (recipe or self._checked_recipe(task)).build(task)
        self._load_weights(learner)
        learner.patch = self.record.patch
        learner.precision = self.record.hardware.precision
        if not fast_bfloat16(torch.device(device).type):
            learner.precision = "32-true"
        return lay_out(learner.to(device)).eval()

    def _checked_recipe(self, task: Task) -> Recipe:
        """The recorded recipe, once it is known to name and to build nothing that could do harm."""
        from medseg_lab.training.known import known_recipe, limited, stored_shapes

        name = f"run {self.folder.name}"
        try:
            recipe = known_recipe(self.record.recipe)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        stored = sum(prod(shape) for shape in stored_shapes(self.folder / WEIGHTS).values())
        if prod(self.record.patch) > LARGEST_PATCH or min(self.record.patch, default=1) < 1:
            raise ValueError(
                f"{name}: expected a patch of at most {LARGEST_PATCH:,} voxels, got {self.record.patch}"
            )
        try:
            with limited(stored, name):
                recipe.build(task)
        except Exception as error:  # what strange arguments lead to is not bounded
            said = one_line(error)
            raise ValueError(said if said.startswith(name) else f"{name}: {said}") from error
        return recipe

    def _load_weights(self, learner: "Segmenter") -> None:
        """Give a learner the stored weights.

        Raises:
            ValueError: naming the first tensor that does not fit, or is missing.
        """
        from safetensors.torch import load_model

        from medseg_lab.training.known import stored_shapes

        try:
            load_model(learner, self.own(WEIGHTS))
        except RuntimeError as error:  # PyTorch's has a line for each tensor
            stored = stored_shapes(self.folder / WEIGHTS)
            built = {name: tuple(tensor.shape) for name, tensor in learner.state_dict().items()}
            names = (name for name in (*built, *stored) if stored.get(name) != built.get(name))
            name = next(names, "tensors")
            said = (
                f"expected {name} of shape {built.get(name)}, got {stored.get(name)}" if name else f"{error}"
            )
            raise ValueError(
                f"run {self.folder.name}: {WEIGHTS}: {said.replace('None', 'none')}; the recipe is "
                f"{self.record.method}"
            ) from error

    def summary(self) -> str:
        """One line: trained or replayed, what, for how long, on what."""
        record = self.record
        new = "changed after training" if record.changed else "trained"
        done = f"replayed ({new} {record.started[:10]})" if self.replayed else new
        cost = f"{record.budget.steps} steps in {record.seconds:.0f} s on {record.hardware}"
        return f"{title(record.recipe)}, seed {record.seed}: {done}, {cost}"


def joint_cost(runs: "Iterable[Run]", fact: str) -> float:
    """A cost of several runs (`seconds`, `step_flops`) and of all that they rest on, each counted once."""
    parts = {key: part for run in runs for key, part in run.parts.items()}
    own: dict[str, float] = {}
    for key, part in parts.items():  # what a run rests on comes before it
        own[key] = getattr(part.record, fact) - sum(own[before] for before in part.parts if before != key)
    return sum(own.values())
