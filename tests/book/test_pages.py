"""The built book, opened from the disk in a browser without a network.

It is the book that `make book` left in `build/book/`, or the one in `$MEDSEG_BOOK_HTML`. Without a book, or
without Chromium, these tests are skipped; under continuous integration (`$CI`) that is a failure.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from medseg_lab.publishing.places import target
from medseg_lab.survey.counterparts import equations, errata, figures

ROOT = Path(__file__).parents[2]
HTML = Path(os.environ.get("MEDSEG_BOOK_HTML") or ROOT / "build" / "book" / "_build" / "html")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# The browser's own housekeeping would otherwise ask the network for things, too.
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
PAGES = [name for name in PAGES if not name.startswith("_static")]  # templates that the theme leaves there

CHAPTERS = [name for name in PAGES if re.match(r"\d_", name) or name == "comparison/run_your_own.html"]

CI = bool(os.environ.get("CI"))

pytestmark = [
    pytest.mark.page,
    pytest.mark.skipif(CHROMIUM is None and not CI, reason="no Chromium on this machine"),
    pytest.mark.skipif(not PAGES and not CI, reason="no built book: make book"),
]


def test_there_is_a_book_and_a_browser() -> None:
    assert CHROMIUM, "install Debian's package chromium"
    assert any(re.match(r"\d_", name) for name in PAGES), f"no chapter in {HTML}: run make book"


class Visit:
    """A page in the browser, with what it asked for and complained of."""

    def __init__(self, page: "object") -> None:
        self.page = page
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.problems.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))

    def open(self, name: str, query: str = "") -> None:
        self.page.goto((HTML / name).as_uri() + query)
        self.page.wait_for_load_state("networkidle")

    @property
    def outside(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Visit(context.new_page())
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_asks_the_network_for_nothing(visit: Visit, name: str) -> None:
    visit.open(name)
    assert visit.requests
    assert not visit.outside
    assert not visit.problems


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_whole(visit: Visit, name: str) -> None:
    visit.open(name)
    page = visit.page
    assert page.locator("div.cell").count() > 3
    pictures = page.locator("div.cell_output img")
    for index in range(pictures.count()):
        picture = pictures.nth(index)
        assert (picture.get_attribute("alt") or "").strip(), "a picture without alt text"
        assert picture.evaluate("e => e.naturalWidth > 0") or not picture.is_visible()
    # Text in a picture is read at the page's width: nothing may stick out of it.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("data/")])
def test_pictures_of_data_are_there_and_described(visit: Visit, name: str) -> None:
    visit.open(name)
    pictures = visit.page.locator("figure img")
    for index in range(pictures.count()):
        picture = pictures.nth(index)
        assert len(picture.get_attribute("alt") or "") > 40
        assert picture.evaluate("e => e.naturalWidth > 0")
    if name.endswith("virtual-brain.html"):
        assert pictures.count() >= 4


def test_standings_have_their_pictures_and_stay_in_the_page(visit: Visit) -> None:
    visit.open("comparison/standings.html")
    page = visit.page
    pictures = page.locator("article img.medseg-picture")
    # A comparison of one training each has no picture; then there is a table alone, or the page says why not.
    assert pictures.count() or page.locator("article h2").count()
    for index in range(pictures.count()):
        picture = pictures.nth(index)
        assert len(picture.get_attribute("alt") or "") > 40
        assert picture.evaluate("e => e.naturalWidth > 0")
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_the_contents_follow_the_survey_and_the_closing_page_comes_before_comparison_and_data(
    visit: Visit,
) -> None:
    visit.open("intro.html")
    said = visit.page.locator("nav.bd-links p.caption").all_inner_texts()
    assert said == [
        *(
            "Introduction",
            "Supervised segmentation",
            "Semi-supervised segmentation",
            "Uncertainty",
            "Outlook",
        ),
        *("Closing", "Comparison", "Data", "The survey", "The house"),
    ]
    links = visit.page.locator("nav.bd-links a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    first = links.index("does_the_survey_hold.html")
    assert links[first - 1].startswith("5_outlook/")
    assert links[first : first + 3] == [
        "does_the_survey_hold.html",
        "comparison/standings.html",
        "comparison/run_your_own.html",
    ]
    assert links.index("reading_paths.html") < links.index("0_introduction/0_before_deep_learning.html")
    after = links.index("survey_map.html")
    assert links[after : after + 3] == ["survey_map.html", "figures_and_equations.html", "references.html"]


@pytest.mark.parametrize("name", ["figures_and_equations.html", "does_the_survey_hold.html"])
def test_links_to_cells_land_at_cells(visit: Visit, name: str) -> None:
    """Each target is the box of a cell, and following a link shows it."""
    visit.open(name)
    links = visit.page.locator("article a[href*='#cell-']").evaluate_all("all => all.map(a => a.href)")
    asked = (*figures(), *equations()) if name.startswith("figures") else [e for e in errata() if e.cell]
    assert {link.partition("#")[2] for link in links} == {target(one.chapter, one.cell) for one in asked}
    for link in dict.fromkeys(links):
        path, _, name = link.removeprefix("file://").partition("#")
        found = re.findall(rf'<(\w+) [^>]*id="{name}"', Path(path).read_text())
        assert found in (["div"], ["section"], ["span"], ["p"]), link
    visit.page.goto(links[0])
    visit.page.wait_for_load_state("networkidle")
    place = visit.page.locator(f"#{links[0].partition('#')[2]}").bounding_box()
    assert -5 <= place["y"] <= 300


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_begins_with_what_it_needs_and_takes(visit: Visit, name: str) -> None:
    visit.open(name)
    first = visit.page.locator("article h1 + p").first.inner_text()
    assert first.startswith("Needs ")
    assert re.search(r"Reading: \d+ minutes?; computing: .+ See Reading paths\.$", first)
    assert ("Next: " in first) == name[0].isdigit()


@pytest.mark.parametrize("name", [name for name in PAGES if 'class="math' in (HTML / name).read_text()])
def test_mathematics_is_set(visit: Visit, name: str) -> None:
    visit.open(name)
    visit.page.wait_for_selector("mjx-container", timeout=10_000)
    formulas = visit.page.locator("span.math, div.math").count()
    assert visit.page.locator("span.math mjx-container, div.math mjx-container").count() >= formulas
    assert visit.page.locator("mjx-merror").count() == 0


def test_search_finds_a_page(visit: Visit) -> None:
    visit.open("search.html", "?q=segmentation")
    visit.page.wait_for_selector("#search-results li a", timeout=10_000)
    assert visit.page.locator("#search-results li a").count() > 0
    assert not visit.outside


def test_narrow_screen_does_not_scroll_sideways(browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    data = [name for name in PAGES if name.startswith(("data/", "comparison/"))]
    assert data
    generated = ("does_the_survey_hold", "survey_map", "reading_paths", "figures_and_equations")
    for name in ("intro.html", "status.html", *(f"{one}.html" for one in generated), *data):
        page.goto((HTML / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), name
    context.close()
