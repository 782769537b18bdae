"""A trained run as an ONNX model: one file that other programs run without this library."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from medseg_lab.data.card import Card
from medseg_lab.inference.images.as_trained import AsTrained
from medseg_lab.inference.images.kinds import can_sample, needs_whole
from medseg_lab.inference.predict import covered, predict_case
from medseg_lab.networks.norms import InstanceNorm
from medseg_lab.training.run import Run
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

LIMIT = 1e-4
"""Probabilities may differ by less than this from PyTorch's."""
AXES = {2: ("height", "width"), 3: ("x", "y", "z")}
INPUT, OUTPUT = "image", "probabilities"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        path: the model.
        facts: what stands in its metadata, and as JSON beside it.
        shape: of its input, in words.
        difference: the largest of a probability to PyTorch's, on a case.
        megabytes: of the model.
    """

    path: Path
    facts: dict[str, Any]
    shape: str
    difference: float
    megabytes: float


def export_run(run: Run, path: Path | str, *, card: Card | None = None, overwrite: bool = False) -> Exported:
    """Write a run's learner as an ONNX model: from patches `(N, C, *S)` to class probabilities `(N, K, *S)`.

    N may be any number. S may be any shape whose edges are multiples of what the network halves
    (`multiple`), where PyTorch's exporter allows it; else it is the window: the training's patch, up to such
    multiples. The model computes in float32, its weights are in the file. What else a program must know
    (classes, spacing, normalisation, the run's key) is in the model's metadata, and as JSON beside it. A case
    of noise is predicted by sliding window with onnxruntime and with PyTorch.

    Args:
        run: a finished run.
        path: ends in `.onnx`.
        card: as of `medseg_lab.inference.apply.Applied`.
        overwrite: whether files that are there may be replaced.

    Raises:
        ValueError: for another ending, a file that is there, or a method that is more than its prediction of
            patches.
        RuntimeError: if the model cannot be made, or does not compute what PyTorch does; nothing is written.
        ImportError: where onnx, onnxscript or onnxruntime is not installed.
    """
    import onnx
    import onnxruntime  # noqa: F401, so that what is missing is found before the work
    import onnxscript  # noqa: F401

    target = Path(path).expanduser()
    if target.suffix != ".onnx":
        raise ValueError(f"export: expected a name that ends in .onnx, got {target}")
    for file in (target, target.with_suffix(".json")):
        if file.exists() and not overwrite:
            raise ValueError(f"{file} already exists; give another name, or --overwrite")
    like = AsTrained.of(run, card)
    learner = run.learner()
    learner.precision = "32-true"
    name = f"run {run.record.key[:8]}"
    if needs_whole(learner) or can_sample(learner):
        part = "a step on the whole case" if needs_whole(learner) else "samples"
        raise ValueError(
            f"{name}: expected a method that is no more than a prediction of patches, got one with {part}: "
            f"{run.record.method}"
        )
    patch = learner.patch or like.how.patch
    window = tuple(_up(edge, each) for edge, each in zip(patch, _multiples(learner, len(patch)), strict=True))
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".exporting-", dir=target.parent) as folder:
        made = Path(folder) / target.name
        any_shape = _written(run.learner(), window, made, name)
        facts = _facts(run, like, learner, window, any_shape)
        model = onnx.load(made)
        _without_traces(model)
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
        onnx.helper.set_model_props(model, texts)
        model.producer_name = "medseg-lab"
        onnx.save(model, made)
        difference = _difference(learner, window, made, any_shape)
        if not difference < LIMIT:
            raise RuntimeError(
                f"{name}: expected probabilities within {LIMIT:g} of PyTorch's, got a model that differs by "
                f"{difference:.2g}; nothing is written"
            )
        said = json.dumps(facts, indent=1, ensure_ascii=False)
        beside = made.with_suffix(".json")
        beside.write_text(f"{said}\n", encoding="utf-8")
        beside.replace(target.with_suffix(".json"))
        made.replace(target)
    return Exported(target, facts, str(facts["input"]), difference, target.stat().st_size / 1e6)


class _Predicts(nn.Module):
    """A learner whose forward pass is its prediction, its instance norms as PyTorch's own function."""

    def __init__(self, learner: Segmenter) -> None:
        super().__init__()
        self.learner = learner
        for module in list(learner.modules()):
            for name, child in module.named_children():
                if isinstance(child, InstanceNorm):
                    setattr(module, name, _InstanceNorm(child))
        for tensor in (*learner.parameters(), *learner.buffers()):
            tensor.data = tensor.data.contiguous()

    def forward(self, image: Tensor) -> Tensor:
        return self.learner.predict(image)


class _InstanceNorm(nn.Module):
    """The same as ours, which takes sample by sample: that has no form for any number of them."""

    def __init__(self, ours: InstanceNorm) -> None:
        super().__init__()
        self.weight, self.bias = ours.weight, ours.bias

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:].numel() == 1:
            return x
        return nn.functional.instance_norm(x, weight=self.weight, bias=self.bias)


def _written(learner: Segmenter, window: tuple[int, ...], path: Path, name: str) -> bool:
    """Write the model; gives whether it takes images of other shapes than the window's.

    Raises:
        RuntimeError: if it cannot be made.
    """
    model, channels = _Predicts(learner).eval(), learner.task.channels
    larger = tuple(2 * edge for edge in window)
    for axes in (range(len(window) + 2), range(1)):  # all but the channels, else the batch alone
        free = {axis: torch.export.Dim.AUTO for axis in axes if axis != 1}
        try:
            with _quiet():
                program = torch.onnx.export(
                    model,
                    (torch.zeros((2, channels, *window)),),
                    input_names=[INPUT],
                    output_names=[OUTPUT],
                    dynamic_shapes=(free,),
                    dynamo=True,
                    verbose=False,
                )
                assert program is not None
                program.save(path, external_data=False)
            if all(_takes(path, (n, channels, *larger)) for n in (1, 3)):
                return True
            if all(_takes(path, (n, channels, *window)) for n in (1, 3)):
                return False
            said = "the number of patches is fixed in what it makes"
        except Exception as error:  # of many kinds: whatever the exporter does not know
            causes = [error, *filter(None, (error.__cause__, error.__context__))]
            said = next(iter(str(causes[-1]).splitlines()), type(error).__name__)
    raise RuntimeError(f"{name}: PyTorch cannot write this method as ONNX: {said}")


def _without_traces(model: "ModelProto") -> None:
    """Take out where the exporter met each step: lines of code, and paths of this machine."""
    graphs = [model.graph, *model.functions]
    for part in [one for graph in graphs for one in (graph, *graph.node, *graph.value_info)]:
        for field in ("metadata_props", "doc_string"):
            part.ClearField(field)


def _takes(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a model gives an image of this shape probabilities of the same."""
    try:
        found = _session(path).run([OUTPUT], {INPUT: np.zeros(shape, np.float32)})[0]
    except Exception:  # onnxruntime's own kinds
        return False
    return (len(found), *found.shape[2:]) == (shape[0], *shape[2:])


def _difference(learner: Segmenter, patch: tuple[int, ...], path: Path, any_shape: bool) -> float:
    """The largest difference of a probability to PyTorch's, on a case of noise larger than the window."""
    session = _session(path)

    def look(patches: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: patches.contiguous().numpy()})[0])

    shape = [edge + edge // 3 for edge in patch]
    noise = torch.randn((learner.task.channels, *shape), generator=torch.Generator().manual_seed(0))
    # oneDNN's fast convolutions are further from the exact result than onnxruntime's: 8e-5 against 6e-6
    with _quiet(), torch.backends.mkldnn.flags(enabled=False), torch.inference_mode():
        apart = [(covered(learner, noise, look, patch) - predict_case(learner, noise, patch)).abs().max()]
        if any_shape:
            batch = torch.cat([noise[:, *(slice(0, edge) for edge in patch)]] * 2, dim=-1)[None]
            apart.append((look(batch) - learner.predict(batch)).abs().max())
    return float(max(apart))


def _session(path: Path) -> "InferenceSession":
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 4
    return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _multiples(learner: Segmenter, dims: int) -> tuple[int, ...]:
    """Of what the edges of an image are multiples, where a network halves it (`multiple`)."""
    found = [getattr(module, "multiple", 1) for module in learner.modules()]
    each = [(one,) * dims if isinstance(one, int) else tuple(one) for one in found]
    return tuple(lcm(*edges) for edges in zip(*each, strict=True))


def _up(edge: int, multiple: int) -> int:
    return -(-edge // multiple) * multiple


def _facts(
    run: Run, like: AsTrained, learner: Segmenter, window: tuple[int, ...], any_shape: bool
) -> dict[str, Any]:
    """What a program must know to use the model."""
    channels = learner.task.channels
    edges = AXES[len(window)] if any_shape else window
    return {
        "run": run.record.key,
        "method": run.record.method,
        "data": like.data,
        "input": f"{INPUT}: float32 ({', '.join(map(str, ('batch', channels, *edges)))})",
        "output": f"{OUTPUT}: float32 ({', '.join(map(str, ('batch', len(like.classes), *edges)))})",
        "channels": list(like.channels),
        "classes": list(like.classes),
        "values": list(like.values) or list(range(len(like.classes))),
        "window": list(window),
        "any_shape": any_shape,
        "multiple": list(_multiples(learner, len(window))),
        "spatial_dims": learner.task.spatial_dims,
        "slice_axis": (like.how.slice_axis + learner.plane) % 3 if like.spatial_dims == 3 else None,
        "orientation": "RAS" if like.spatial_dims == 3 else None,
        "spacing_mm": list(like.how.spacing or like.spacing) or None,
        "resample": like.how.spacing is not None,
        "normalise": like.how.normalise,
        "crop": list(like.how.crop) if like.how.crop else None,
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch prints and warns about its own steps."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
