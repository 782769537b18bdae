"""Images and labels with impossible values: one clear error each, in two dimensions and in three."""

import numpy as np
import pytest

from tests.data.readers.layouts import LAYOUTS, save_h5, save_nifti, scribbled, volume
from tests.data.readers.refusals import NIFTI, SHAPE, refused, write


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_constant_image(make, layout):
    made = make(layout)
    write(made, layout, image=np.full(SHAPE.get(layout, (16, 12)), 7, np.float32))
    refused(made, "image", r"expected an image that varies, got the constant 7\.0")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", [*NIFTI, "acdc-h5"])
def test_an_image_with_a_value_that_is_no_number(make, layout, value):
    made = make(layout)
    image, _ = volume(np.random.default_rng(0), SHAPE[layout])
    image[3, 4, 0] = value
    write(made, layout, image=image)
    refused(made, "image", "expected finite numbers, got 1 entries that are NaN or infinite")


def test_a_value_that_single_precision_cannot_hold(make):
    made = make("msd-3d")
    write(made, "msd-3d", image=np.linspace(0, 1e300, 9 * 8 * 5).reshape(9, 8, 5))
    refused(made, "image", "entries that are NaN or infinite")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_of_another_shape_than_its_label(make, layout):
    made = make(layout)
    shape = SHAPE.get(layout, (16, 12))
    image = np.random.default_rng(0).uniform(0, 255, (shape[0] - 1, *shape[1:])).astype(np.float32)
    write(made, layout, image=image)
    seen = r"\(8, 8, [15]\)" if layout in SHAPE else r"\(15, 12\)"
    refused(made, "image", rf"expected the label's shape .*, got {seen}")


@pytest.mark.parametrize("layout", [*NIFTI, "acdc-h5"])
def test_a_label_value_that_the_card_does_not_have(make, layout):
    made = make(layout)
    label = np.zeros(SHAPE[layout], np.uint8)
    label[1, 1], label[2, 2] = 2, 7
    write(made, layout, label=label, part="label")
    refused(made, "label", r"expected label values 0 to 3, got \[0, 2, 7\]")


@pytest.mark.parametrize("layout", [*NIFTI, "acdc-h5"])
def test_fractional_negative_and_missing_labels(make, layout):
    made = make(layout)
    whole = r"\[(0\.0, 0\.5|0\.0, nan)\]: save labels as integers"
    for value, message in (
        (0.5, f"expected whole label values 0 to 3, got {whole}"),
        (-1, r"expected label values 0 to 3, got \[-1\.0, 0\.0\]"),
        (np.nan, f"expected whole label values 0 to 3, got {whole}"),
    ):
        label = np.zeros(SHAPE[layout], np.float32)
        label[1, 1] = value
        write(made, layout, label=label, part="label")
        refused(made, "label", message)


def test_255_is_no_label_unless_the_set_has_unknown_voxels(make):
    made = make("msd-3d")
    write(made, "msd-3d", label=np.full((9, 8, 5), 255, np.uint8), part="label")
    refused(made, "label", r"expected label values 0 to 3, got \[255\]")


@pytest.mark.parametrize("layout", ["lidc", "chase"])
def test_a_mask_of_more_than_two_values(make, layout):
    made = make(layout)
    write(made, layout, label=np.arange(192).reshape(16, 12), part="label")
    refused(made, "label", r"expected mask values 0 and 255, got \[0, 1, 2, .*\]")


@pytest.mark.parametrize("layout", ["acdc-nifti", "acdc-h5"])
def test_a_scribble_that_the_card_does_not_have(make, layout):
    made = make(layout)
    marks = scribbled(made.labels[made.first][0])
    marks[0, 0, 0] = 9
    if layout == "acdc-h5":
        save_h5(made.file("scribble"), image=made.images[made.first][0].T, scribble=marks.T)
    else:
        save_nifti(made.file("scribble"), marks)
    refused(
        made, "scribble", "expected label values 0 to 3, or 4 where nobody annotated, got .*9", "scribble"
    )
