import numpy as np
import pytest
import torch

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.readers.virtual import VirtualReader
from medseg_lab.data.templates import templates
from medseg_lab.data.virtual import (
    CLASSES,
    VirtualSettings,
    anatomy,
    deformation,
    exponential,
    scan,
    subject,
)

COARSE = VirtualSettings(resolution=4)


def jacobian(grid: torch.Tensor) -> torch.Tensor:
    """Determinant at every cell of a sampling grid `(1, X, Y, Z, 3)`, by differences of neighbours."""
    shape = grid.shape[1:4]
    fetched = grid[0].double().flip(-1) * torch.tensor(shape) / 2
    corner = fetched[:-1, :-1, :-1]
    columns = [fetched[1:, :-1, :-1] - corner, fetched[:-1, 1:, :-1] - corner, fetched[:-1, :-1, 1:] - corner]
    return torch.linalg.det(torch.stack(columns, -1))


@pytest.mark.parametrize("index", range(12))
def test_the_deformation_folds_nowhere(index):
    rng = np.random.default_rng(np.random.SeedSequence([0, index]))
    determinant = jacobian(deformation(rng, (40, 48, 40), COARSE))
    assert determinant.min() > 0.1
    assert determinant.max() < 10


def test_no_deformation_fetches_every_voxel_from_itself():
    still = VirtualSettings(resolution=4, velocity_mm=(), velocity_scale_mm=(), rotation_deg=0, scale=(1, 1))
    image = torch.rand(1, 1, 40, 48, 40)
    grid = deformation(np.random.default_rng(0), (40, 48, 40), still)
    fetched = torch.nn.functional.grid_sample(image, grid, align_corners=False)
    torch.testing.assert_close(fetched, image, atol=1e-4, rtol=0)


def test_a_scale_of_nine_tenths_shrinks_the_head_by_its_cube():
    smaller = VirtualSettings(resolution=4, velocity_mm=(), velocity_scale_mm=(), scale=(0.9, 0.9))
    determinant = jacobian(deformation(np.random.default_rng(0), (40, 48, 40), smaller))
    torch.testing.assert_close(determinant, torch.full_like(determinant, 0.9**-3), atol=1e-3, rtol=0)


def test_the_flow_of_a_constant_velocity_is_that_displacement():
    velocity = torch.full((3, 6, 6, 6), 0.1)
    torch.testing.assert_close(exponential(velocity), velocity)


def test_the_flow_backwards_undoes_the_flow():
    x = torch.linspace(-1, 1, 32)
    bump = 0.1 * torch.exp(-4 * (x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2))
    velocity = torch.stack([bump, torch.zeros_like(bump), torch.zeros_like(bump)])
    there, back = exponential(velocity), exponential(-velocity)
    identity = torch.nn.functional.affine_grid(torch.eye(3, 4)[None], [1, 1, 32, 32, 32], align_corners=False)
    at = identity + back[None].permute(0, 2, 3, 4, 1)
    met = torch.nn.functional.grid_sample(there[None], at, padding_mode="border", align_corners=False)[0]
    assert float((met + back).abs().max()) < 0.02 * float(there.abs().max())


def test_a_subject_depends_on_seed_and_index_alone():
    first, again = subject(3, 5, COARSE), subject(3, 5, COARSE)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], subject(3, 6, COARSE)[1])
    assert not torch.equal(first[1], subject(4, 5, COARSE)[1])


def test_a_subject_fills_its_box_and_shows_every_class():
    image, label = subject(0, 0)
    assert image.shape == label.shape == (80, 96, 80)
    assert (image.dtype, label.dtype) == (torch.float32, torch.uint8)
    assert label.unique().tolist() == list(range(len(CLASSES)))
    assert float(image.min()) >= 0
    assert float(image.max()) < 4


@pytest.mark.parametrize("index", range(6))
def test_the_head_stays_inside_the_box(index):
    label = subject(0, index, COARSE)[1] > 0
    # The neck leaves through the floor (z = 0); no other face may be cut by more than a sliver.
    faces = [label[0], label[-1], label[:, 0], label[:, -1], label[:, :, -1]]
    assert max(float(face.float().mean()) for face in faces) < 0.02


def test_tissue_volumes_are_those_of_a_brain():
    """Grey above white above fluid, and 1.1 to 2.0 litres together."""
    litres = torch.stack([torch.bincount(subject(0, i)[1].flatten(), minlength=4) for i in range(4)]) * 8e-6
    csf, grey, white = litres[:, 1:].mean(0).tolist()
    assert grey > white > csf > 0.05
    assert 1.1 < csf + grey + white < 2.0


def test_without_artefacts_the_image_is_the_means_weighted_by_the_shares():
    clean = VirtualSettings(
        resolution=4,
        means=((0.3, 0.3), (0.6, 0.6), (0.9, 0.9)),
        texture=0,
        drift=0,
        bias=(0, 0),
        noise=(0, 0),
        thickness_mm=(4, 4),
    )
    maps = anatomy(4)
    image = scan(maps[:3], maps[3], np.random.default_rng(0), clean)
    wanted = 0.3 * maps[0] + 0.6 * maps[1] + 0.9 * maps[2]
    torch.testing.assert_close(image, wanted)


def test_a_thick_slice_averages_across_slices_only():
    from medseg_lab.data.virtual import _slice_profile

    impulse = torch.zeros(3, 3, 7)
    impulse[1, 1, 3] = 1
    thick = _slice_profile(impulse, 2.0)
    assert thick[1, 1].tolist() == [0, 0, 0.25, 0.5, 0.25, 0, 0]
    assert float(thick.sum()) == 1


def test_template_fractions_are_fractions():
    maps = templates(4)
    assert maps.shape == (4, 40, 48, 40)
    assert maps.min() >= 0
    assert maps[:3].sum(0).max() <= 1 + 1e-5


def test_a_box_of_broken_voxels_is_refused():
    with pytest.raises(ValueError, match="got 3 mm"):
        templates(3)


def reader(**settings) -> VirtualReader:
    card = load_card("virtual-brain")
    population = {"subjects": 3, "settings": {"resolution": 4, **settings}}
    return VirtualReader.open(card.model_validate(card.model_dump() | {"virtual": population}))


def test_a_cached_subject_equals_a_fresh_one_to_the_bit(own_cache):
    source = reader(bias=[0.1, 0.2])
    fresh, cached = source.read("subject-0001"), source.read("subject-0001")
    wanted = subject(0, 1, VirtualSettings(resolution=4, bias=(0.1, 0.2)))
    for raw in (fresh, cached):
        assert raw.image.tobytes() == wanted[0].numpy().tobytes()
        assert raw.labels.tobytes() == wanted[1].numpy().tobytes()
    assert not list(own_cache.rglob("*.part"))


def test_the_digest_follows_index_and_settings():
    digests = {reader().digest("subject-0000"), reader().digest("subject-0001")}
    assert len(digests | {reader(texture=0.1).digest("subject-0000")}) == 3


def test_an_unknown_setting_names_the_known_ones():
    with pytest.raises(ValueError, match=r"got settings \['colour', 'resolution'\], wanted some of"):
        reader(colour=1)
