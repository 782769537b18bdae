"""What can be set about virtual subjects, and how a table of settings is checked.

The ranges are ours, chosen by eye.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from medseg_lab.data.first_fault import first_fault


def _rising(pair: Any) -> Any:
    if pair[0] > pair[1]:
        raise ValueError(f"expected the lower end first, got {pair}")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_rising)]
Lengths = Annotated[tuple[NonNegativeFloat, NonNegativeFloat], AfterValidator(_rising)]
Sizes = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)]
Ranges = tuple[Range, ...]
Counts = Annotated[tuple[PositiveInt, PositiveInt], AfterValidator(_rising)]
Six = Annotated[Ranges, Field(min_length=6, max_length=6)]


class Part(BaseModel):
    """A table of settings: no unknown name, no value of another type, no change once made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LesionSettings(Part):
    """How tumours vary; pairs are ranges of a uniform draw, one for each tumour.

    Attributes:
        number: of tumours in a subject, both ends included.
        size_mm: diameter of the core (enhancing and non-enhancing tumour) if it were a ball.
        oedema_mm: how far oedema reaches beyond the core through white matter.
        rim_mm: thickness of the enhancing rim.
        infiltration_mm: how gradually the outer border fades: the distance over which the tumour's share
            falls from 90% to 10%.
        irregularity: standard deviation of the borders' position, as a part of the core's radius; the rim's
            thickness varies with it.
        spread: how many times slower oedema spreads in grey matter than in white.
        push: mass effect: how far tissue is pushed outward, as a part of its distance from the centre.
    """

    number: Counts = (1, 1)
    size_mm: Sizes = (24.0, 50.0)
    oedema_mm: Lengths = (8.0, 22.0)
    rim_mm: Lengths = (3.0, 7.0)
    infiltration_mm: Lengths = (4.0, 12.0)
    irregularity: NonNegativeFloat = 0.25
    spread: Annotated[float, Field(ge=1)] = 3.0
    push: Annotated[float, Field(ge=0, lt=1)] = 0.4


class RaterSettings(Part):
    """How raters differ.

    Attributes:
        number: of raters, R.
        disagreement: the temperature tau; 0.1 is near agreement, at 1 a rater names a tissue as often as its
            share of the voxel.
        length_mm: correlation length of a rater's deviations.
        style: the part of their variance that is one number for a rater and class: a habit.
        floor: classes less probable than this are ruled out, so that nobody sees a tissue in the air.
    """

    number: PositiveInt = 4
    disagreement: PositiveFloat = 0.6
    length_mm: PositiveFloat = 8.0
    style: Annotated[float, Field(ge=0, le=1)] = 0.2
    floor: Annotated[float, Field(ge=0, le=0.1)] = 0.02


class Contrasts(Part):
    """Range of the mean intensity of each tissue in four contrasts, in the order of the channels.

    Tissues: CSF, grey matter, white matter, oedema, non-enhancing (mostly dead) tumour, enhancing tumour.
    """

    flair: Six = ((0.10, 0.18), (0.52, 0.60), (0.42, 0.50), (0.82, 1.0), (0.34, 0.56), (0.66, 0.84))
    t1: Six = ((0.16, 0.24), (0.50, 0.58), (0.70, 0.80), (0.42, 0.54), (0.28, 0.40), (0.44, 0.58))
    t1ce: Six = ((0.16, 0.24), (0.52, 0.60), (0.68, 0.78), (0.42, 0.54), (0.22, 0.34), (1.0, 1.3))
    t2: Six = ((0.95, 1.15), (0.52, 0.60), (0.36, 0.44), (0.72, 0.88), (0.70, 1.0), (0.52, 0.68))


class VirtualSettings(Part):
    """How virtual subjects vary; pairs are ranges of a uniform draw, single numbers are standard deviations.

    Attributes:
        resolution: voxel edge in mm (1, 2 or 4).
        velocity_mm: strength of the deformation at each of the scales `velocity_scale_mm`.
        rotation_deg, scale: the affine part, about each axis.
        border: local changes of the tissue borders, in units of log-odds, of correlation length `border_mm`.
        sharpness: exponent on the template's shares; 1 keeps the blur of the average over 152 people.
        means: range of each tissue's mean intensity in the T1 scan: CSF, grey, white.
        texture: how much of the template's own within-tissue intensity shows.
        drift: smooth change of a tissue's intensity, of correlation length `drift_mm`.
        bias: largest log-gain of the coil's field, of correlation length `bias_mm`.
        noise: standard deviation of the complex noise in either channel.
        thickness_mm: width of the slice profile along the last axis.
        contrasts: the tissues' intensities where there are tumours, and so four contrasts.
        lesion: tumours; None for none.
        raters: simulated raters; None for the one true label.
    """

    resolution: PositiveInt = 2
    velocity_mm: tuple[float, ...] = (4.0, 2.5)
    velocity_scale_mm: tuple[PositiveFloat, ...] = (40.0, 16.0)
    rotation_deg: float = 4.0
    scale: Range = (0.9, 1.02)
    border: float = 0.5
    border_mm: PositiveFloat = 8.0
    sharpness: PositiveFloat = 2.0
    means: tuple[Range, Range, Range] = ((0.22, 0.38), (0.58, 0.68), (0.82, 0.94))
    texture: float = 0.6
    drift: float = 0.04
    drift_mm: PositiveFloat = 20.0
    bias: Range = (0.45, 0.85)
    bias_mm: PositiveFloat = 70.0
    noise: Lengths = (0.04, 0.075)
    thickness_mm: Lengths = (2.0, 4.0)
    contrasts: Contrasts = Contrasts()
    lesion: LesionSettings | None = None
    raters: RaterSettings | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "VirtualSettings":
        if len(self.velocity_mm) != len(self.velocity_scale_mm):
            raise ValueError("velocity_mm: expected as many as velocity_scale_mm")
        if self.lesion is not None and self.resolution not in (1, 2, 4):
            raise ValueError(f"resolution: expected 1, 2 or 4 mm with tumours, got {self.resolution}")
        return self


def read_settings(table: dict[str, Any], where: str) -> VirtualSettings:
    """The settings of a TOML table, over the defaults.

    Raises:
        ValueError: naming the first wrong setting, what was expected and what was found; where it is unknown,
            the known ones.
    """
    try:
        return VirtualSettings.model_validate(_tuples(table))
    except ValidationError as error:
        raise ValueError(f"{where}: settings.{first_fault(error, VirtualSettings)}") from None


def _tuples(value: Any) -> Any:
    """Lists, as a TOML file has them, as tuples; those in tables and lists too."""
    if isinstance(value, dict):
        return {name: _tuples(v) for name, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
