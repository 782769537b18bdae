import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg_lab.data.virtual.settings import LesionSettings, RaterSettings, VirtualSettings
from medseg_lab.data.virtual.subject import CLASSES, Subject, stream, subject


def test_a_subject_depends_on_seed_and_index_alone(coarse):
    first, again = subject(3, 5, coarse), subject(3, 5, coarse)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, subject(3, 6, coarse).labels)
    assert not torch.equal(first.labels, subject(4, 5, coarse).labels)


def test_a_subject_fills_its_box_and_shows_every_class():
    made = subject(0, 0)
    assert made.image.shape == made.labels.shape == (1, 80, 96, 80)
    assert (made.image.dtype, made.labels.dtype) == (torch.float32, torch.uint8)
    assert made.labels.unique().tolist() == list(range(len(CLASSES)))
    assert float(made.image.min()) >= 0
    assert float(made.image.max()) < 4


@pytest.mark.parametrize("index", range(6))
def test_the_head_stays_inside_the_box(index, coarse):
    label = subject(0, index, coarse).labels[0] > 0
    # The neck leaves through the floor (z = 0); no other face may be cut by more than a sliver.
    faces = [label[0], label[-1], label[:, 0], label[:, -1], label[:, :, -1]]
    assert max(float(face.float().mean()) for face in faces) < 0.02


def test_tissue_volumes_are_those_of_a_brain():
    """Grey above white above fluid, and 1.1 to 2.0 litres together."""
    counts = [torch.bincount(subject(0, i).labels.flatten(), minlength=4) for i in range(4)]
    csf, grey, white = (torch.stack(counts) * 8e-6)[:, 1:].mean(0).tolist()
    assert grey > white > csf > 0.05
    assert 1.1 < csf + grey + white < 2.0


def test_the_parts_of_a_subject_draw_from_streams_of_their_own():
    keys = [(0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3, 0), (0, 0, 3, 1), (0, 1, 1), (0, 1, 2)]
    drawn = [float(stream(*key).random()) for key in keys]
    assert len(set(drawn)) == len(keys)


def test_raters_leave_the_scan_as_it_was(coarse):
    alone = subject(0, 3, coarse)
    rated = subject(0, 3, coarse.model_copy(update={"raters": RaterSettings()}))
    assert torch.equal(alone.image, rated.image)
    assert torch.equal(alone.shares, rated.shares)
    assert rated.labels.shape == (4, *alone.labels.shape[1:])


def test_raters_draw_numbers_of_their_own_for_every_subject():
    alike = {
        "velocity_mm": (),
        "velocity_scale_mm": (),
        "rotation_deg": 0.0,
        "scale": (1.0, 1.0),
        "border": 0.0,
    }
    twins = VirtualSettings(resolution=4, raters=RaterSettings(), **alike)
    first, second = subject(0, 0, twins), subject(0, 1, twins)
    assert torch.equal(first.shares, second.shares)
    assert not torch.equal(first.labels, second.labels)
    # A scan that draws more numbers leaves the raters as they were.
    other = subject(0, 0, twins.model_copy(update={"drift_mm": 10.0}))
    assert not torch.equal(first.image, other.image)
    assert torch.equal(first.labels, other.labels)


@pytest.mark.parametrize(
    ("lesion", "raters"), [*itertools.product([None, LesionSettings()], [None, RaterSettings()])]
)
def test_every_combination_gives_what_it_says(lesion, raters):
    made = subject(0, 0, VirtualSettings(resolution=4, lesion=lesion, raters=raters))
    assert made.image.shape == (1 if lesion is None else 4, 40, 48, 40)
    assert made.labels.shape == (1 if raters is None else 4, 40, 48, 40)
    assert made.shares.shape == (4, 40, 48, 40)
    assert (made.distribution is None) == (raters is None)
    assert bool(made.image.isfinite().all())
    assert float(made.image.min()) >= 0


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    index=st.integers(0, 999),
    lesion=st.sampled_from([None, LesionSettings(), LesionSettings(number=(2, 3), infiltration_mm=(0, 20))]),
    disagreement=st.floats(0.1, 2),
)
def test_any_subject_is_whole_reproducible_and_unlike_the_next(seed, index, lesion, disagreement):
    how = VirtualSettings(resolution=4, lesion=lesion, raters=RaterSettings(disagreement=disagreement))
    first, again, other = subject(seed, index, how), subject(seed, index, how), subject(seed, index + 1, how)
    assert bits(first) == bits(again)
    assert all(a != b for a, b in zip(bits(first), bits(other), strict=True))
    assert int(first.labels.max()) < 4
    assert float(first.shares.min()) >= 0
    torch.testing.assert_close(first.shares.sum(0), torch.ones(40, 48, 40), atol=1e-5, rtol=0)
    assert float(first.distribution.min()) >= 0
    torch.testing.assert_close(first.distribution.sum(0), torch.ones(40, 48, 40), atol=1e-5, rtol=0)
    # No rater says what has no probability.
    said = first.distribution.gather(0, first.labels.long())
    assert float(said.min()) > 0


def bits(made: Subject) -> tuple[bytes, ...]:
    return tuple(part.numpy().tobytes() for part in (made.image, made.labels, made.shares, made.distribution))
