"""What every method is: something that segments an image, made of annotated hyper-parameters."""

from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from inspect import Parameter, Signature, get_annotations
from typing import Any, dataclass_transform, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor, nn

from medseg_lab.data.task import Task
from medseg_lab.training.recipe import Recipe

RESERVED = {"patch", "precision", "recipes", "steps", "training"}
"""What a method has besides its hyper-parameters."""


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Segmenter(nn.Module):
    """Base of every method: it answers an image with class probabilities.

    The hyper-parameters of a subclass are its annotated class attributes. They become the keywords of its
    constructor, those of its bases included, and are checked against their annotation (`Literal`, and
    pydantic's `Field` in `Annotated`, state what is allowed). Nobody writes an `__init__`: `build` makes the
    modules, once the hyper-parameters are set. A hyper-parameter that is given as a recipe is built first.

        class UAMT(TeacherStudent):
            passes: Annotated[int, Field(ge=1)] = 8

    Attributes:
        task: the problem as its patches pose it.
        patch: the patch it was trained on, in voxels along each axis; empty before training.
        plane: for a learner of slices, in which plane of a volume they lie (`Learner`).
        precision: what it was trained in, `32-true` or `bf16-mixed`; prediction follows it.
        recipes: the hyper-parameters that were given as recipes, by name.

    Raises:
        ValueError: for a hyper-parameter that is unknown, missing, or not as annotated, with the value seen.
    """

    takes_recipes = True
    """Its constructor is given recipes as they are; other classes are given what they build."""

    task: Task
    patch: tuple[int, ...] = ()
    plane: int = 0
    precision: str = "32-true"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = get_annotations(cls)
        for name, inherited in getattr(cls, "__dataclass_fields__", {}).items():
            if name in cls.__dict__ and name not in own:  # `weight_decay = 0.0`: another default
                cls.__annotations__ = own = {**own, name: inherited.type}
        dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)
        if reserved := RESERVED & get_annotations(cls).keys():
            raise TypeError(
                f"{cls.__name__}: expected another name for the hyper-parameter {reserved.pop()!r}"
            )
        known = sorted((f for f in fields(cls) if f.init), key=lambda f: bool(f.kw_only))  # type: ignore[arg-type]
        for each in known:
            # Defaults live in the signature alone: an attribute of the class would hide a module of its name.
            if each.name in cls.__dict__:
                delattr(cls, each.name)
        cls.__signature__ = Signature([_parameter(each) for each in known])  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__()
        try:
            said = type(self).__signature__.bind(*args, **given)  # type: ignore[attr-defined]
        except TypeError as error:
            known = ", ".join(each.name for each in fields(self) if each.init)  # type: ignore[arg-type]
            raise ValueError(f"{type(self).__name__}: {error}; its arguments are {known}") from error
        said.apply_defaults()
        self.recipes: dict[str, Recipe] = {k: v for k, v in said.arguments.items() if isinstance(v, Recipe)}
        self.case_notes: list[dict[str, float]] = []
        for name, value in said.arguments.items():
            setattr(self, name, value if name in self.recipes else _checked(type(self), name, value))
        self.build()

    def build(self) -> None:
        """Make what it consists of; called once, when the hyper-parameters are set."""
        for name, recipe in self.recipes.items():
            setattr(self, name, _checked(type(self), name, self.built(name, recipe)))

    def built(self, name: str, recipe: Recipe) -> Any:
        """What a hyper-parameter's recipe builds."""
        return recipe.build()

    def predict(self, image: Tensor) -> Tensor:
        """Class probabilities `(N, K, *S)` of patches `(N, C, *S)`; they sum to 1 over K."""
        raise NotImplementedError

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` predictions that are all plausible, as class probabilities `(n, N, K, *S)`.

        What varies between them (a member, a latent code, weights, a transformation) is drawn from PyTorch's
        global generator, in the same way whatever N is, and is the same for all N patches of a draw. So
        patches of one image, sampled from the same state of the generator, fit together.

        A method that has one prediction gives it n times.
        """
        found = self.predict(image)
        return found.expand(n, *found.shape)

    def take_reference(self, reference: Tensor) -> None:
        """Called by a judge with the reference `(*S)` of the case that is predicted next.

        For an experiment that replaces a step of a method by the truth, to see what its errors cost.
        """

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """A case-level step after all patches are joined (survey 2.3.4): class probabilities `(K, *S)`.

        Args:
            probabilities: `(K, *S)` of a whole case.
            image: `(C, *S)`, the case.
        """
        return probabilities

    def note_case(self, **numbers: float) -> None:
        """Write down what the method did to the case that is predicted: `self.note_case(changed=0.02)`.

        For methods that act after training, mostly in `finish`. A run keeps the mean of each number over the
        cases that it judged, in its `activity`, beside what was noted in training (`Learner.note`).
        """
        self.case_notes.append(numbers)

    @property
    def case_activity(self) -> dict[str, float]:
        """By name, the mean over the cases of what was noted of them, by what it holds, too."""
        notes = [note for part in self.modules() if isinstance(part, Segmenter) for note in part.case_notes]
        names = dict.fromkeys(name for note in notes for name in note)
        found = {name: [note[name] for note in notes if name in note] for name in names}
        return {name: sum(of) / len(of) for name, of in found.items()}


def _parameter(each: Field[Any]) -> Parameter:
    kind = Parameter.KEYWORD_ONLY if each.kw_only else Parameter.POSITIONAL_OR_KEYWORD
    default = Parameter.empty if each.default is MISSING else each.default
    if each.default_factory is not MISSING:
        default = each.default_factory()
    return Parameter(each.name, kind, default=default)


@cache
def _adapters(cls: type) -> dict[str, TypeAdapter[Any]]:
    """What checks each hyper-parameter of a class."""
    hints = get_type_hints(cls, include_extras=True)
    how = ConfigDict(arbitrary_types_allowed=True, strict=True)
    found = {}
    for each in fields(cls):
        if each.init:
            try:
                found[each.name] = TypeAdapter(hints[each.name], config=how)
            except Exception:  # an annotation with a configuration of its own, such as a dataclass
                found[each.name] = TypeAdapter(hints[each.name])
    return found


def _checked(cls: type, name: str, value: Any) -> Any:
    """The value, if its annotation allows it.

    Raises:
        ValueError: in one line, with what is expected and the value seen.
    """
    if isinstance(value, list) and get_origin(get_type_hints(cls)[name]) is tuple:
        value = tuple(value)  # a recipe has lists
    try:
        _adapters(cls)[name].validate_python(value)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].replace("Input should be", "expected")
        said = said.replace("a dictionary or ", "")  # a recipe stands for an instance, a dictionary does not
        raise ValueError(f"{cls.__name__}: {name}: {said}, got {value!r}") from error
    return value
