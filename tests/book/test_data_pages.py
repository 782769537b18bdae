"""The data pages say what the cards say, with pictures where these may be shown."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.publishing import data_pictures
from medseg_lab.publishing.data_pages import card_page, data_pages, examples, index, is_shift
from medseg_lab.publishing.data_pictures import KEPT, KEPT_BYTES, Picture, jpeg, keep, kept
from medseg_lab.publishing.markdown import escape, figure, prose, table
from medseg_lab.show.style import canvas

VIRTUAL = load_card("virtual-brain")


def a_figure(alt: str = "A square."):
    fig = canvas(7.0, 1.0)
    fig.set_label(alt)
    return fig


@pytest.fixture
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data set is at hand, and drawing a virtual one is quick."""
    monkeypatch.delenv("MEDSEG_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    drawn = data_pictures.fresh(a_figure())
    monkeypatch.setattr(data_pictures, "draw", lambda card, most=12: drawn)
    monkeypatch.setattr(data_pictures, "twins", lambda card, shifts: a_figure())
    monkeypatch.setattr(data_pictures, "known_truth", lambda card: a_figure())
    return tmp_path


@pytest.fixture
def static(root: Path) -> Path:
    return root / "book" / "_static" / "data"


def test_every_set_has_a_page_that_the_index_links_with_its_pictures(
    nothing_at_hand: Path, static: Path
) -> None:
    pages = data_pages(static)
    for name in known_cards():
        assert f"[{name}]({name}.md)" in pages["data/_sets.md"].decode()
        assert f"**{escape(load_card(name).title)}.**" in pages[f"data/{name}.md"].decode()
    texts = [text.decode() for name, text in pages.items() if name.endswith(".md")]
    shown = {f"data/{name}" for text in texts for name in re.findall(r"```\{figure\} (\S+)", text)}
    assert shown == {name for name in pages if name.endswith(".jpg")}
    assert {f"data/{name}.jpg" for name in KEPT} < shown
    assert data_pages(static) == pages, "the same files give the same pages"


def test_without_kept_pictures_the_pages_say_how_to_see_them(nothing_at_hand: Path, tmp_path: Path) -> None:
    pages = data_pages(tmp_path / "none")
    assert "medseg data show chase-db1" in pages["data/chase-db1.md"].decode()
    assert "data/chase-db1.jpg" not in pages


def test_sets_for_research_only_are_not_passed_on(static: Path) -> None:
    assert "acdc" not in KEPT
    assert not list(static.glob("acdc*"))
    assert "does not allow its pictures to be shared" in examples(load_card("acdc"), None)
    for name in KEPT:
        assert load_card(name).licence.startswith(("CC BY ", "CC BY-SA ", "CC0 "))


@pytest.mark.parametrize("name", [*KEPT, "beside-real"])
def test_kept_pictures_are_small_and_described(name: str, static: Path) -> None:
    picture = kept(name, static)
    assert picture is not None
    assert len(picture.data) <= KEPT_BYTES
    assert len(picture.alt) > 40
    assert not picture.fresh
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.width >= 560


def test_a_picture_says_whose_it_is_and_whether_it_was_drawn_now() -> None:
    card = load_card("lidc-4rater")
    now = examples(card, Picture(b"", "Nodules.", fresh=True))
    earlier = examples(card, Picture(b"", "Nodules.", fresh=False))
    for text in (now, earlier):
        assert "CC BY 3.0" in text
        assert "Armato" in text
        assert ":alt: Nodules." in text
    assert "Drawn from the files on this machine" in now
    assert "drawn earlier" in earlier
    assert "periclesanfe/Pulmoseg" in earlier


def test_a_page_states_licence_defects_split_and_addresses(nothing_at_hand: Path) -> None:
    card = load_card("chase-db1")
    page = card_page(card, None)
    for said in (card.licence, card.citation, f"<{card.home}>", *map(escape, card.defects)):
        assert said in page
    # 14 children: 3 are for the test, 1 for validation.
    assert "| train | 10 |" in page
    assert "| validation | 1 |" in page
    assert "| test | 3 |" in page
    assert f"<{card.download.archives[0].url}> (2.5 MB)" in page
    assert "last confirmed: not yet" in page
    assert "| 1 vessel | 6.79% |" in page


def test_what_was_not_measured_is_said_to_be(nothing_at_hand: Path) -> None:
    page = card_page(load_card("msd-brain-tumour"), None)
    assert "class frequencies were not measured" in page
    assert "| whole tumour (WT) | oedema + non-enhancing tumour + enhancing tumour |" in page
    assert "each inside a larger one" in page
    assert "not counted" in index([load_card("msd-brain-tumour")])


def test_every_variant_of_the_virtual_set_is_shown(nothing_at_hand: Path, static: Path) -> None:
    page = data_pages(static)["data/virtual-brain.md"].decode()
    for name in VIRTUAL.variants:
        assert f"virtual-brain+{name}" in page
    places = (("lesion", "lesion"), ("raters", "raters"), ("raters", "truth"), ("Shifts", "shifts"))
    for heading, picture in places:
        section = page.partition(f"### {heading}\n")[2].partition("\n#")[0]
        assert f"{{figure}} virtual-brain-{picture}.jpg" in section
    assert "{include} _virtual_and_real.md" in page
    assert "beside-real.jpg" in page


def test_a_shift_changes_the_scan_alone() -> None:
    assert {name for name in VIRTUAL.variants if not is_shift(VIRTUAL, name)} == {"lesion", "raters"}


def test_markdown_of_text_links_commands_descriptions_and_cells() -> None:
    assert escape("Image_01L * $5 <b>") == r"Image\_01L \* \$5 \<b\>"
    said = "Register at https://a.org/b_c/#d and wait. Then: medseg data get x --from Y"
    assert prose(said) == "Register at <https://a.org/b_c/#d> and wait. Then: `medseg data get x --from Y`"
    assert figure("a.jpg", "One\ntwo.", 700, "C").splitlines()[1] == ":alt: One two."
    assert table(("a",), [("|x|",)]).splitlines()[-1] == r"| \|x\| |"


def test_a_description_travels_inside_its_picture(tmp_path: Path) -> None:
    keep("x", a_figure("Grüße, a square."), tmp_path)
    picture = kept("x", tmp_path)
    assert picture is not None
    assert picture.alt == "Grüße, a square."
    assert jpeg(a_figure(), 100, 80) == jpeg(a_figure(), 100, 80)


def test_a_picture_that_cannot_be_small_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_pictures, "KEPT_BYTES", 100)
    with pytest.raises(ValueError, match="expected at most 100 bytes, got more"):
        keep("x", a_figure(), tmp_path)
    assert not list(tmp_path.iterdir())
