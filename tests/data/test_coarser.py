"""Coarser images are the same cases, thinned alike, and are another cohort."""

from dataclasses import replace

import torch
from toys import tiny_cohort

from medseg_lab.data.coarser import coarser
from medseg_lab.data.cohort import Cohort


def large(labelled: int = 2, unlabelled: int = 2) -> Cohort:
    """Balls of 40 x 36 x 12 voxels, 2 mm each, with patches of 96."""
    cohort = tiny_cohort(3, 3, labelled, unlabelled, raters=2, shape=(40, 36, 12), patch=96)
    parts = {
        name: tuple(replace(case, spacing=(2.0,) * 3) for case in getattr(cohort, name))
        for name in ("labelled", "unlabelled", "validation")
    }
    return replace(cohort, **parts)


def test_every_second_voxel_of_long_edges_is_kept_with_its_labels() -> None:
    cohort = large()
    found = coarser(cohort, voxels=20 * 18 * 12)
    for name in ("labelled", "unlabelled", "validation"):
        for fine, coarse in zip(getattr(cohort, name), getattr(found, name), strict=True):
            assert torch.equal(coarse.image, fine.image[:, ::2, ::2])
            assert torch.equal(coarse.labels, fine.labels[:, ::2, ::2])
            assert (coarse.id, coarse.patient, coarse.spacing) == (fine.id, fine.patient, (4.0, 4.0, 2.0))
    (test,), (fine,) = found.sealed(), cohort.sealed()
    assert torch.equal(test.labels, fine.labels[:, ::2, ::2])
    assert found.patch == (48, 48, 96)
    assert "of every 2 voxels along an edge, one" in found.describe()


def test_one_voxel_too_many_takes_the_next_step() -> None:
    assert coarser(large(), voxels=20 * 18 * 12 - 1).validation[0].image.shape == (1, 14, 12, 12)


def test_it_is_another_cohort_and_its_held_out_cases_do_not_depend_on_labels() -> None:
    cohort = large()
    found, fewer = coarser(cohort, 4320), coarser(large(1, 3), 4320)
    assert found.fingerprint not in (cohort.fingerprint, fewer.fingerprint)
    assert found.held_out == coarser(large(), 4320).held_out != cohort.held_out
    shapes = {case.image.shape for one in (found, fewer) for case in (*one.labelled, *one.unlabelled)}
    assert shapes == {(1, 20, 18, 12)}


def test_small_images_stay_what_they_are() -> None:
    cohort = tiny_cohort()
    assert coarser(cohort) is cohort
