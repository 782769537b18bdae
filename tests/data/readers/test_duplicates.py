import gzip
import shutil

import numpy as np
import pytest

from medseg_lab.data.readers.duplicates import refuse_duplicates
from medseg_lab.data.readers.open import open_reader
from tests.data.readers.layouts import LAYOUTS, save_nifti


def copied(made):
    """The data set once the second case's image is the first one's."""
    first, second, *_ = sorted(made.files)
    if made.files[first]["image"].suffix == ".h5":
        made.images[second] = made.images[first]
    shutil.copyfile(made.files[first]["image"], made.files[second]["image"])
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_image_under_two_patients_is_refused_by_both_names(make, layout):
    made = make(layout, cases=3)
    refuse_duplicates(made.reader)
    first, second, _ = sorted(made.files)
    with pytest.raises(ValueError, match=r"got the image of .* again, .* wanted images of patient") as error:
        refuse_duplicates(copied(made).reader)
    assert first in str(error.value)
    assert second in str(error.value)


def test_a_volume_that_was_packed_anew_is_still_the_same(make):
    made = copied(make("msd-3d"))
    path = made.file("image")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=1))
    with pytest.raises(ValueError, match="got the image of a0_x again"):
        refuse_duplicates(made.reader)


def test_one_patient_may_have_an_image_twice(make):
    made = copied(make("msd-3d"))
    card = made.card.model_copy(update={"patient": "(a)[0-9]_x"})
    refuse_duplicates(open_reader(card, made.folder))


def test_cases_that_are_not_used_are_not_asked_about(make):
    made = copied(make("msd-3d", cases=3))
    refuse_duplicates(made.reader, ["a0_x", "a2_x"])
    with pytest.raises(ValueError, match="again"):
        refuse_duplicates(made.reader, ["a1_x", "a0_x"])


def test_equal_labels_are_no_duplicates(make):
    made = make("msd-3d")
    save_nifti(made.files["a1_x"]["label"], made.labels["a0_x"][0])
    refuse_duplicates(made.reader)


def test_a_suspicion_alone_is_no_error(make, monkeypatch):
    """Equal digests of unlike images: 8 bytes can agree by chance."""
    made = make("msd-3d")
    monkeypatch.setattr(type(made.reader), "image_digest", lambda self, case: "the same")
    refuse_duplicates(made.reader)


def test_images_are_decoded_only_when_suspected(make, monkeypatch):
    made = make("msd-3d", cases=4)
    source, read = made.reader, []
    monkeypatch.setattr(type(source), "read", lambda self, case: read.append(case))
    refuse_duplicates(source)
    assert read == []


def test_the_digest_of_the_image_leaves_the_label_out(make):
    made = make("msd-3d")
    before = made.reader.image_digest("a0_x"), made.reader.digest("a0_x")
    save_nifti(made.file("label"), np.zeros((9, 8, 5), np.uint8))
    assert made.reader.image_digest("a0_x") == before[0]
    assert made.reader.digest("a0_x") != before[1]
