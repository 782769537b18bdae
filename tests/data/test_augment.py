import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medseg_lab.data.augment import (
    Augmentation,
    Intensity,
    change_intensity,
    draw_intensity,
    draw_spatial,
    margins,
    mirror_patch,
    resample,
    turned,
)
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import recipe

ALWAYS = Augmentation(resampled=1.0, gamma_share=1.0, noise_share=1.0)
PATCH = {2: (12, 16), 3: (12, 16, 8)}


def volume(d: int, n: int = 2, channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = [edge + 10 for edge in PATCH[d]]
    image = torch.randn(n, channels, *size, generator=generator)
    return image, torch.randint(0, 4, (n, *size), generator=generator).to(torch.uint8)


def middle(volume: torch.Tensor, patch: tuple[int, ...]) -> torch.Tensor:
    cut = [
        slice((n - p) // 2, (n - p) // 2 + p) for n, p in zip(volume.shape[-len(patch) :], patch, strict=True)
    ]
    return volume[(..., *cut)]


def drawn(d: int, n: int = 2, seed: int = 0, **how) -> np.ndarray:
    spacing = how.pop("spacing", np.ones((n, d)))
    return draw_spatial(np.random.default_rng(seed), spacing, (), ALWAYS).matrix


@pytest.mark.parametrize("d", [2, 3])
def test_the_identity_is_a_plain_crop(d):
    image, label = volume(d)
    moved, kept = resample(image, label, np.stack([np.eye(d)] * 2), PATCH[d])
    torch.testing.assert_close(moved, middle(image, PATCH[d]), atol=1e-5, rtol=0)
    assert torch.equal(kept, middle(label, PATCH[d]))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_resampling_equals_monais_affine_of_the_same_matrix(d, seed):
    from monai.transforms import Affine

    image, label = volume(d, channels=2)
    matrix = drawn(d, seed=seed)
    moved, kept = resample(image, label, matrix, PATCH[d])
    for i in range(2):
        affine = np.eye(d + 1)
        affine[:d, :d] = matrix[i]
        twin = {"affine": affine, "spatial_size": PATCH[d], "padding_mode": "zeros", "image_only": True}
        wanted = Affine(**twin, mode="bilinear")(image[i])
        torch.testing.assert_close(moved[i], wanted.as_tensor(), atol=1e-4, rtol=0)
        labels = Affine(**twin, mode="nearest")(label[i, None].float())[0]
        # A voxel that falls halfway between two may go to either.
        assert (kept[i] == labels.as_tensor()).float().mean() > 0.999


@pytest.mark.parametrize("d", [2, 3])
def test_image_and_label_move_together(d):
    """Of a label that is its own smooth image, both must end at the same place."""
    size = [edge + 10 for edge in PATCH[d]]
    axes = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    ball = ((axes[0] + 1) ** 2 + axes[1] ** 2 < 9).float()
    moved, kept = resample(ball[None, None], ball[None].to(torch.uint8), drawn(d, n=1, seed=4), PATCH[d])
    inside, outside = moved[0, 0] > 0.99, moved[0, 0] < 0.01
    assert inside.sum() > 5
    assert kept[0][inside].min() == 1
    assert kept[0][outside].max() == 0


@given(st.integers(0, 10_000))
def test_nearest_labels_invent_no_value(seed):
    image, label = volume(2)
    label = label * 60
    kept = resample(image, label, drawn(2, seed=seed), PATCH[2])[1]
    assert set(kept.unique().tolist()) <= {0, 60, 120, 180}


@given(st.integers(0, 10_000))
def test_the_largest_label_is_kept_exactly(seed):
    """255 is what nobody labelled; 254 would be a class."""
    image, label = volume(3)
    label = torch.where(label > 1, IGNORE, label)
    assert set(resample(image, label, drawn(3, seed=seed), PATCH[3])[1].unique().tolist()) <= {0, 1, IGNORE}


def test_a_quarter_turn_is_rot90():
    image = torch.arange(81.0).view(1, 1, 9, 9)
    turn = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    moved, label = resample(image, image[:, 0].to(torch.uint8), turn, (9, 9))
    torch.testing.assert_close(moved[0, 0], torch.rot90(image[0, 0], -1))
    assert torch.equal(label[0].float(), moved[0, 0].round())


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_margins_reach_all_that_is_read(d, seed):
    """Blocks grown by the margins give what much larger blocks give."""
    matrix, patch = drawn(d, n=1, seed=seed), PATCH[d]
    image = torch.randn(1, 1, *[3 * p for p in patch], generator=torch.Generator().manual_seed(seed))
    label = torch.zeros(1, *image.shape[2:])
    need = tuple(p + 2 * m for p, m in zip(patch, margins(matrix, patch), strict=True))
    small = resample(middle(image, need), middle(label, need), matrix, patch)[0]
    torch.testing.assert_close(small, resample(image, label, matrix, patch)[0], atol=1e-4, rtol=0)


def test_rotation_is_rigid_in_millimetres_whatever_the_voxel():
    spacing = np.tile([1.0, 1.5, 2.5], (50, 1))
    how = Augmentation(resampled=1.0, scale=(1.0, 1.0))
    matrix = draw_spatial(np.random.default_rng(0), spacing, (), how).matrix
    in_mm = spacing[0][:, None] * matrix / spacing[0][None, :]
    np.testing.assert_allclose(in_mm @ in_mm.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)


def test_thick_slices_are_turned_in_their_plane_only():
    spacing = np.tile([1.0, 1.0, 5.0], (20, 1))
    matrix = draw_spatial(
        np.random.default_rng(0), spacing, (), Augmentation(resampled=1.0, scale=(1, 1))
    ).matrix
    np.testing.assert_array_equal(matrix[:, 2], np.tile([0, 0, 1.0], (20, 1)))
    assert (matrix[:, 0, 1] != 0).all()


def test_shares_and_mirrors_are_as_asked():
    spatial = draw_spatial(np.random.default_rng(0), np.ones((2000, 3)), (0, 2), Augmentation(resampled=0.3))
    assert abs(len(turned(spatial.matrix)) / 2000 - 0.3) < 0.05
    assert np.abs(spatial.mirrored.mean(0) - [0.5, 0, 0.5]).max() < 0.05


def test_mirroring_reverses_the_named_axes_and_undoes_itself():
    patch = torch.arange(24.0).view(1, 2, 3, 4)
    once = mirror_patch(patch, np.array([True, False, True]))
    assert once[0, 0, 0].tolist() == patch[0, 1, 0].flip(0).tolist()
    assert torch.equal(mirror_patch(once, np.array([True, False, True])), patch)


def still(n: int, **change) -> Intensity:
    given = {"gain": 1.0, "shift": 0.0, "gamma": 1.0, "noise": 0.0} | change
    return Intensity(**{k: np.full(n, v) for k, v in given.items()}, noise_seed=7)


def test_intensities_are_changed_by_the_formulas():
    image = torch.tensor([0.0, 1.0, 2.0, 4.0]).view(1, 1, 2, 2)
    assert torch.equal(change_intensity(image.clone(), still(1)), image)
    changed = change_intensity(image.clone(), still(1, gain=2.0, shift=0.5))
    assert changed.flatten().tolist() == [0.5, 2.5, 4.5, 8.5]
    squared = change_intensity(image.clone(), still(1, gamma=2.0))
    assert squared.flatten().tolist() == [0, 0.25, 1, 4]


def test_noise_has_the_drawn_strength_and_is_replayed_by_its_seed():
    image = torch.zeros(1, 1, 100, 100)
    noisy = change_intensity(image.clone(), still(1, noise=0.2))
    assert abs(float(noisy.std()) - 0.2) < 0.01
    assert torch.equal(noisy, change_intensity(image.clone(), still(1, noise=0.2)))


def test_drawn_intensities_stay_in_their_ranges():
    drawn = draw_intensity(np.random.default_rng(0), 1000, ALWAYS)
    for values, (low, high) in (
        (drawn.gain, ALWAYS.gain),
        (drawn.shift, ALWAYS.shift),
        (drawn.gamma, ALWAYS.gamma),
        (drawn.noise, ALWAYS.noise),
    ):
        assert low <= values.min() < values.max() <= high


def test_what_is_switched_off_is_not_drawn():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    off = Augmentation(spatial=False, intensity=False)
    assert off.draw_spatial(rng, np.ones((2, 3)), (0,)) is None
    assert off.draw_intensity(rng, 2) is None
    assert rng.bit_generator.state == before
    on = Augmentation(resampled=1.0)
    assert len(turned(on.draw_spatial(rng, np.ones((2, 3)), ()).matrix)) == 2
    assert on.draw_intensity(rng, 2).gain.shape == (2,)


def test_it_is_a_hyper_parameter_of_a_learner():
    assert written(recipe(Augmentation, spatial=False)) == "Augmentation(spatial=False)"
    text = "Supervised(network=UNet(), augmentation=Augmentation(spatial=False, scale=[0.9, 1.1]))"
    assert written(parse(text)) == text
    learner = parse(text).build(Task(1, ("background", "a"), 2))
    assert learner.augmentation.draw_spatial(np.random.default_rng(0), np.ones((1, 2)), ()) is None
    assert learner.augmentation.scale == [0.9, 1.1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"deformed": 2.0}, "deformed: expected a share of 0 to 1, got 2.0"),
        ({"displacement_mm": 3.0}, "displacement_mm: expected a pair, lower first, got 3.0"),
        ({"scale": [1.2, 0.8]}, "scale: expected a pair, lower first"),
        ({"control": 0}, "control: expected 1 distance or more, got 0"),
    ],
)
def test_what_no_augmentation_can_be_is_refused(asked, said):
    with pytest.raises(ValueError, match=said):
        Augmentation(**asked)
