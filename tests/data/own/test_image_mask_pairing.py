"""Images and masks are paired by the rule that their names follow."""

from pathlib import Path

import pytest

from medseg_lab.data.own.pairing import Pairing, propose

N = range(1, 13)


@pytest.fixture
def pair(tmp_path):
    """`pair(images, masks)` is the pairing of two folders of empty files with these names."""

    def of(images: list[str], masks: list[str]) -> Pairing:
        for part, names in (("images", images), ("masks", masks)):
            (tmp_path / part).mkdir()
            for name in names:
                (tmp_path / part / name).touch()
        return propose(tmp_path / "images", tmp_path / "masks", tmp_path)

    return of


def names(found: Pairing) -> dict[str, tuple[str, str]]:
    return {case: (image.name, mask.name) for case, (image, mask) in found.files.items()}


@pytest.mark.parametrize(
    ("image", "mask", "case"),
    [
        ("{:02d}.png", "{:02d}.png", "{:02d}"),
        ("{}.jpg", "{}_mask.png", "{}"),
        ("img_{:03d}.png", "mask_{:03d}.png", "{:03d}"),
        ("{:02d}_training.tif", "{:02d}_manual1.tif", "{:02d}"),
        ("benign ({}).png", "benign ({})_mask.png", "benign ({})"),
        ("ISIC_{:07d}.jpg", "ISIC_{:07d}_segmentation.png", "ISIC_{:07d}"),
        ("case{}_0000.nii.gz", "case{}.nii.gz", "case{}"),
        ("Fälle {}.PNG", "Fälle {}-gt.tiff", "Fälle {}"),
        ("p{}.slice.bmp", "p{}.slice.label.bmp", "p{}.slice"),
    ],
)
def test_common_ways_of_naming_are_recognised(pair, image, mask, case):
    found = pair([image.format(i) for i in N], [mask.format(i) for i in N])
    assert names(found) == {case.format(i): (image.format(i), mask.format(i)) for i in N}
    assert found.lone_images == found.lone_masks == []
    assert (found.pairs.images, found.pairs.masks) == ("images", "masks")


def test_what_has_no_counterpart_is_listed(pair):
    found = pair([f"img_{i:02d}.png" for i in N], [f"mask_{i:02d}.png" for i in N if i > 2] + ["spare.png"])
    assert len(found.files) == 10
    assert [path.name for path in found.lone_images] == ["img_01.png", "img_02.png"]
    assert [path.name for path in found.lone_masks] == ["spare.png"]


def test_two_masks_for_each_image_are_refused_with_both_rules(pair):
    masks = [f"{i}_{observer}.png" for i in N for observer in ("1stHO", "2ndHO")]
    message = r"the mask <case>_1stHO, and the image <case> belongs to the mask <case>_2ndHO"
    with pytest.raises(ValueError, match=message):
        pair([f"{i}.jpg" for i in N], masks)


def test_numbers_of_different_width_are_not_paired_by_their_last_digits(pair):
    """img_010 would belong to gt-10 and img_110 too, were the case cut out of the number."""
    with pytest.raises(
        ValueError, match=r"got images like img_001, img_002, img_003 and masks like gt-1, gt-10"
    ):
        pair([f"img_{i:03d}.png" for i in N], [f"gt-{i}.png" for i in N])


def test_names_without_a_rule_are_refused_with_what_was_seen(pair):
    with pytest.raises(ValueError, match=r"got images like anna, bert and masks like x, y"):
        pair(["anna.png", "bert.png"], ["x.png", "y.png"])


def test_a_folder_of_other_files_is_refused_with_their_endings(pair):
    with pytest.raises(
        ValueError, match=r"images: expected pictures, volumes or folders of DICOM .* got \.gif"
    ):
        pair(["a.gif"], ["a.png"])


def test_one_folder_for_both_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match="expected two folders, got one twice"):
        propose(tmp_path, Path(f"{tmp_path}/../{tmp_path.name}"), tmp_path)


def test_folders_outside_that_of_the_card_are_named_in_full(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.png").touch()
    pairs = propose(tmp_path / "images", tmp_path / "masks", tmp_path / "elsewhere").pairs
    assert (pairs.images, pairs.masks) == (str(tmp_path / "images"), str(tmp_path / "masks"))
