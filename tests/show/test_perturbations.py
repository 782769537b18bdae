"""What is drawn is what the methods do: seeded, upright, with the grid on what it lies on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from toys import SMALL, task

from medseg_lab.semi.massl import MASSL
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.noise import CLIP
from medseg_lab.semi.transforms.similarity import Similarity
from medseg_lab.semi.transforms.warp import Warp
from medseg_lab.show.perturbations import grid_lines, in_words, perturbations, reconstruction


def smooth(height: int = 40, width: int = 40, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((channels, height + 8, width + 8), generator=generator)
    return 4 * avg_pool2d(noise, 9, stride=1)


def shown(ax) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array().astype(float), np.nan)


def title(ax) -> str:
    return ax.get_title("center")


def learner(channels: int = 1, method: type = MASSL) -> MASSL:
    torch.manual_seed(0)
    return method(replace(task(2, 3), channels=channels), network=SMALL)


def gates(values: list[list[int]]) -> Tensor:
    """`(1, 3, H, W)` of the predicted classes."""
    return torch.nn.functional.one_hot(torch.tensor(values), 3).movedim(-1, 0)[None]


def test_the_image_stands_upright_or_as_it_is():
    image = smooth(30, 40)
    standing, lying = perturbations(image), perturbations(image, upright=False)
    assert shown(standing.axes[0]) == pytest.approx(np.rot90(image[0].numpy()))
    assert shown(lying.axes[0]) == pytest.approx(image[0].numpy())
    assert standing.get_figheight() > lying.get_figheight()
    assert standing.get_figwidth() == 7


def test_the_two_noises_are_small_and_not_alike():
    image, fig = smooth(), perturbations(smooth(), upright=False)
    first, second = (shown(ax) - image[0].numpy() for ax in fig.axes[1:3])
    for noise in (first, second):
        assert 0.05 < np.abs(noise).mean() < 0.1
        assert np.abs(noise).max() <= CLIP + 1e-6
    assert np.abs(first - second).max() > 0.1


def test_the_similarity_is_the_one_that_its_title_names(monkeypatch):
    turn = Similarity(((0, 1, 1),))
    monkeypatch.setattr("medseg_lab.show.perturbations.draw_similarity", lambda shape, mirror: turn)
    image, fig = smooth(), perturbations(smooth(), upright=False)
    assert shown(fig.axes[3]) == pytest.approx(np.rot90(image[0].numpy()))
    assert title(fig.axes[3]) == "turned 90°\nscaled 1.00"
    assert "turned 90°, scaled 1.00" in fig.get_label()


def test_the_first_warp_is_brought_to_the_second():
    fig = perturbations(smooth(60, 60), upright=False)
    first, carried, second, apart = (shown(ax) for ax in fig.axes[4:])
    counts = ~np.isnan(apart)
    assert 0.4 < counts.mean() < 1
    assert apart[counts] == pytest.approx(np.abs(carried - second)[counts])
    matched, unmatched = apart[counts].mean(), np.abs(first - second)[counts].mean()
    assert matched < unmatched / 5
    assert title(fig.axes[7]) == f"these two differ by {matched:.2f}\n(the warps by {unmatched:.2f})"
    assert f"{matched:.2f} on average" in fig.get_label()
    assert f"differ by {unmatched:.2f}" in fig.get_label()


def test_only_what_semitc_compares_is_compared(monkeypatch):
    """Under t2, row p of 20 is the image's p + 3, and t1 has that in row p - 2: both exist for 2 to 16."""

    def shift(rows: float) -> Warp:
        u = torch.zeros(1, 2, 20, 20)
        u[:, 0] = rows
        return Warp(u, -u)

    drawn = iter([shift(5), shift(3)])
    monkeypatch.setattr("medseg_lab.show.perturbations.draw_warp", lambda like: next(drawn))
    apart = shown(perturbations(smooth(20, 20), upright=False).axes[7])
    compared = ~np.isnan(apart)
    assert np.flatnonzero(compared.any(axis=1)).tolist() == list(range(2, 17))
    assert compared[2:17].all()
    assert np.nanmax(apart) == pytest.approx(0, abs=1e-5)


def test_only_warps_have_a_grid_and_the_carried_one_is_the_seconds():
    fig = perturbations(smooth(60, 60))
    assert [len(ax.lines) for ax in fig.axes] == [0, 0, 0, 0, 14, 14, 14, 0]
    first, carried, second = (
        np.concatenate([line.get_xydata() for line in ax.lines]) for ax in fig.axes[4:7]
    )
    inside = ((second > 8) & (second < 52)).all(axis=1)
    assert np.abs(carried - second)[inside].max() < 0.5
    assert np.abs(first - second)[inside].max() > 3


@pytest.mark.parametrize("upright", [True, False])
def test_the_grid_lies_on_what_it_lay_on_before(upright):
    """The grid has a line every 8 voxels, from 4 on. Row 20 of the image is bright."""
    image = torch.full((1, 48, 64), -1.0)
    image[0, 20] = 1.0
    fig = perturbations(image, seed=3, upright=upright)
    warped, line = shown(fig.axes[4]), fig.axes[4].lines[2].get_xydata()
    columns, rows = np.round(line).astype(int).T
    inside = (columns >= 0) & (columns < warped.shape[1]) & (rows >= 0) & (rows < warped.shape[0])
    assert inside.sum() > 50
    assert warped[rows[inside], columns[inside]].mean() > 0  # half a voxel off, interpolation gives 0
    assert warped.mean() < -0.8


def test_the_seed_decides_and_the_global_generator_stays():
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    figures = [perturbations(smooth(), seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.rand(3), wanted)
    for panel in (1, 2, 3, 4, 5, 6):
        one, again, other = (shown(fig.axes[panel]) for fig in figures)
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)


def test_the_channel_asked_for_is_shown():
    image = smooth(channels=3)
    fig = perturbations(image, channel=2, upright=False)
    assert shown(fig.axes[0]) == pytest.approx(image[2].numpy())
    noise = shown(fig.axes[1]) - image[2].numpy()
    assert np.abs(noise).max() <= CLIP + 1e-6


def test_all_images_share_a_window_and_no_difference_is_black():
    image = smooth()
    low, high = np.percentile(image, [1, 99.5])
    windows = [ax.images[0].get_clim() for ax in perturbations(image).axes]
    assert windows[:7] == [pytest.approx((low, high))] * 7
    assert windows[7] == pytest.approx((0, high - low))


def test_another_number_of_axes_is_refused():
    with pytest.raises(ValueError, match=r"image: expected \(C, H, W\), got \(40, 40\)"):
        perturbations(smooth()[0])


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Similarity(), "scaled 1.00"),
        (Similarity(((0, 1, 3),), (), 0.8), "turned 270°, scaled 0.80"),
        (Similarity((), (1,), 1.25), "flipped, scaled 1.25"),
        (Similarity(((0, 1, 0),), (0, 1)), "turned 180°, scaled 1.00"),
        (Similarity(((0, 1, 2),), (0, 1)), "scaled 1.00"),
        (Similarity(((0, 1, 3),), (0, 1)), "turned 90°, scaled 1.00"),
    ],
)
def test_a_similarity_is_said_in_words(turn, said):
    assert in_words(turn) == said


def test_without_a_warp_it_is_regular():
    still = Warp(torch.zeros(1, 2, 6, 9), torch.zeros(1, 2, 6, 9))
    rows = [[[i, j] for j in range(9)] for i in (1, 4)]
    columns = [[[i, j] for i in range(6)] for j in (1, 4, 7)]
    assert [line.tolist() for line in grid_lines(still, 3)] == rows + columns


def test_each_pixel_is_what_its_own_class_rebuilds(monkeypatch):
    """Class k rebuilds 10 k + its pixel's number: by hand, on 2 x 3 pixels."""
    massl, image = learner(), torch.zeros(1, 2, 3)
    gate = gates([[0, 1, 2], [2, 0, 1]])
    every = torch.arange(6.0).view(1, 1, 1, 2, 3) + 10 * torch.arange(3.0).view(1, 3, 1, 1, 1)
    monkeypatch.setattr(massl, "rebuilt", lambda x: (every, gate))
    fig = reconstruction(massl, image, upright=False)
    wanted = np.array([[0, 11, 22], [23, 4, 15]])
    assert shown(fig.axes[0]).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert shown(fig.axes[2]).tolist() == wanted.tolist()
    assert shown(fig.axes[3]).tolist() == wanted.tolist()
    assert title(fig.axes[3]) == "error, 12.50 on average"
    assert "12.50 on average" in fig.get_label()


def test_the_error_is_absolute(monkeypatch):
    massl = learner()
    nothing = torch.zeros(1, 3, 1, 2, 2), gates([[0, 0], [0, 0]])
    monkeypatch.setattr(massl, "rebuilt", lambda x: nothing)
    fig = reconstruction(massl, torch.tensor([[[3.0, -1.0], [0.0, 2.0]]]), upright=False)
    assert shown(fig.axes[3]).tolist() == [[3, 1], [0, 2]]
    assert title(fig.axes[3]) == "error, 1.50 on average"
    # mean 1; squares about it 4, 4, 1, 1
    assert f"standard deviation of {math.sqrt(2.5):.2f}" in fig.get_label()


def test_all_stands_upright():
    massl, image = learner(), smooth(24, 32)
    standing, lying = reconstruction(massl, image), reconstruction(massl, image, upright=False)
    for one, other in zip(standing.axes[:4], lying.axes[:4], strict=True):
        assert np.array_equal(shown(one), np.rot90(shown(other)))
    outlines = [len(ax.collections) for ax in standing.axes[:4]]
    assert outlines[0] == outlines[2] == outlines[3] == 0
    assert outlines[1] > 0


@pytest.mark.parametrize(("upright", "centre"), [(False, (2, 0)), (True, (0, 1))])
def test_what_is_outlined_is_the_predicted_class(upright, centre, monkeypatch):
    """Pixel (0, 2) of 3 x 4: in the first row, or upright in the first column, second from above."""
    massl, image = learner(), smooth(3, 4)
    gate = gates([[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    monkeypatch.setattr(massl, "rebuilt", lambda x: (torch.zeros(1, 3, 1, 3, 4), gate))
    ax = reconstruction(massl, image, upright=upright).axes[1]
    (outline,) = ax.collections
    corners = (outline.get_transform() - ax.transData).transform(outline.get_paths()[0].vertices)
    assert (corners.min(axis=0) + corners.max(axis=0)) / 2 == pytest.approx(centre)


def test_the_channel_asked_for_is_rebuilt(monkeypatch):
    massl, image = learner(channels=2), smooth(2, 2, channels=2)
    every = torch.tensor([[[[[1.0]], [[2.0]]]]]).expand(1, 3, 2, 2, 2)
    monkeypatch.setattr(massl, "rebuilt", lambda x: (every, gates([[0, 1], [2, 1]])))
    fig = reconstruction(massl, image, channel=1, upright=False)
    assert shown(fig.axes[0]) == pytest.approx(image[1].numpy())
    assert (shown(fig.axes[2]) == 2).all()


@pytest.mark.parametrize("mode", [True, False])
def test_the_learner_is_asked_in_evaluation_and_stays_as_it_was(mode):
    massl, image = learner().train(mode), smooth(24, 32)
    before = {name: value.clone() for name, value in massl.state_dict().items()}
    with torch.no_grad():
        found, gate = learner().eval().rebuilt(image[None])
    wanted = (gate[:, :, None] * found).sum(dim=1)[0, 0].numpy()
    for _ in range(2):  # with dropout, two training passes would differ
        assert shown(reconstruction(massl, image, upright=False).axes[2]) == pytest.approx(wanted, abs=1e-6)
    assert massl.training == massl.network.dropout.training == mode
    after = massl.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in massl.parameters())


def test_it_stays_as_it_was_when_the_image_does_not_fit():
    massl = learner().train()
    with pytest.raises(RuntimeError):
        reconstruction(massl, smooth(24, 32, channels=3))
    assert massl.training


def test_classes_and_colours_are_named():
    fig = reconstruction(learner(), smooth(24, 32))
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["a", "b"]
    assert "outlines of what is predicted: a, b" in fig.get_label()
    low, high = fig.axes[3].images[0].get_clim()
    assert low == 0
    assert high == pytest.approx(shown(fig.axes[3]).max())
    assert fig.axes[3].images[0].colorbar is not None


def test_another_learner_is_refused():
    with pytest.raises(ValueError, match="learner: expected MASSL, got MeanTeacher"):
        reconstruction(learner(method=MeanTeacher), smooth())
    with pytest.raises(ValueError, match=r"expected \(C, H, W\)"):
        reconstruction(learner(), smooth()[None])
