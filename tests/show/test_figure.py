"""A figure on a page carries its description; in a file, several stand one below the other."""

import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from medseg_lab.show.figure import figure, image, png, save_stacked
from medseg_lab.show.style import canvas, house, look

SVG = "{http://www.w3.org/2000/svg}"


def test_a_figure_is_shown_with_its_description(shown):
    figure(canvas(2, 1), alt='A "quoted" <finding>')
    (output,) = shown
    assert 'alt="A &quot;quoted&quot; &lt;finding&gt;"' in output["text/html"]
    assert "http" not in output["text/html"]
    assert output["text/plain"] == '[figure: A "quoted" <finding>]'


def test_a_figure_without_description_is_refused():
    with pytest.raises(ValueError, match="alt: expected a sentence"):
        figure(canvas(2, 1))


def test_a_pyplot_figure_is_not_shown_twice(shown):
    import matplotlib.pyplot as plt

    fig = plt.figure()
    figure(fig, alt="An empty figure.")
    assert not plt.fignum_exists(fig.number)


def test_a_page_of_7_inches_is_drawn_at_1400_pixels_and_shown_at_700():
    fig = canvas(7, 1)
    assert Image.open(io.BytesIO(png(fig))).size == (1400, 200)
    assert "width:700px" in image(fig, "x")


def test_the_house_style_leaves_matplotlib_as_it_was():
    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]
    with house():
        assert matplotlib.rcParams["axes.grid"]
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]) == before


def test_methods_differ_by_marker_not_by_colour_alone():
    looks = [look(i) for i in range(8)]
    assert len({one.marker for one in looks}) == len({one.colour for one in looks}) == 8


def figures():
    """A red one of 4 x 1 inches, and a blue one of 3 x 2 below it."""
    with house():
        made = [canvas(4, 1), canvas(3, 2)]
    for fig, colour in zip(made, ("red", "blue"), strict=True):
        fig.add_artist(Rectangle((0, 0), 1, 1, transform=fig.transFigure, color=colour))
    return made


def test_the_first_figure_is_on_top_and_the_space_beside_is_white(tmp_path):
    save_stacked(figures(), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (800, 600)
        assert picture.getpixel((790, 190)) == (255, 0, 0)
        assert picture.getpixel((10, 210)) == (0, 0, 255)
        assert picture.getpixel((790, 590)) == (255, 255, 255)


def test_drawings_keep_their_sizes_in_points(tmp_path):
    save_stacked(figures(), tmp_path / "x.svg")
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("288pt", "216pt", "0 0 288 216")
    inner = [{name: part.get(name) for name in ("y", "width", "height", "viewBox")} for part in root]
    assert inner == [
        {"y": "0", "width": "288", "height": "72", "viewBox": "0 0 288 72"},
        {"y": "72", "width": "216", "height": "144", "viewBox": "0 0 216 144"},
    ]
    assert all(part.find(f"{SVG}g") is not None for part in root)


def test_what_one_drawing_defines_is_not_that_of_the_next(tmp_path):
    """Alike figures would share the names of their clip paths, which have other places."""
    made = [figures()[0], figures()[0]]
    for fig in made:
        fig.add_subplot().plot([0, 1])
    text = save_stacked(made, tmp_path / "x.svg").read_text()
    clips = re.findall(r'<clipPath id="(\w+)"', text)
    assert len(clips) == len(set(clips)) >= 2


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_figures_give_the_same_file(tmp_path, suffix):
    made = [save_stacked(figures(), tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab"]
    assert made[0] == made[1]
    if suffix == "pdf":
        assert made[0].count(b"/Type /Page ") == 2, "each has its page"


def test_another_suffix_and_no_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"figure: expected a name that ends in \.png, \.svg, \.pdf, got"):
        save_stacked(figures(), tmp_path / "x.gif")
    with pytest.raises(ValueError, match="figure: expected a folder that exists, got"):
        save_stacked(figures(), tmp_path / "nowhere" / "x.png")
    assert not list(tmp_path.iterdir())
