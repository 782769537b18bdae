"""A house with one small chapter, for tests of how chapters are run."""

import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from medseg_lab.publishing.house import House

PARAMETERS = """
dataset: str = "virtual-brain"
budget: str = "class"
seeds: int = 2
rate: float = 0.5
fast: bool = False
names: list[str] = ["U-Net"]
"""
IMPORTS = """
from medseg_lab.data.task import Task

task = Task(channels=1, classes=("nothing", "ring"), spatial_dims=2)
"""


def cell(source: str, *tags: str) -> nbformat.NotebookNode:
    """A code cell with tags."""
    return new_code_cell(source, metadata={"tags": list(tags)})


def small_house(folder: Path, *more: nbformat.NotebookNode, section: str = "2.1.1") -> House:
    """A house in `folder` with one chapter: parameters, an import, a fact, a solution, and `more` cells."""
    fact = cell("len(task.classes)", "fact", "keep_output")
    fact.outputs = [new_output("execute_result", data={"text/plain": "2"})]
    cells = [
        new_markdown_cell(
            "# A small chapter\n\nIt cites {cite}`ref14`.\n\n$$ \\frac{2|A \\cap B|}{|A| + |B|} $$"
        ),
        cell(PARAMETERS, "parameters"),
        cell(IMPORTS),
        fact,
        cell("task.foreground", "solution"),
        *more,
    ]
    place = folder / "notebooks" / "2_supervised"
    place.mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells), place / f"{section}_small.ipynb")
    (folder / "constraints.txt").write_text("torch==2.13.0\n")
    return House(folder)


def add_chapter(house: House, section: str, *cells: nbformat.NotebookNode, title: str = "") -> Path:
    """A further chapter of a house, with parameters and these cells; its path."""
    path = house.notebooks / "2_supervised" / f"{section}_more.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = new_markdown_cell(f"# {section} {title or 'More'}\n\nProse.")
    start = cell('dataset: str = "virtual-brain"\nbudget: str = "class"', "parameters")
    nbformat.write(new_notebook(cells=[head, start, *cells]), path)
    return path


def with_book(house: House, root: Path) -> House:
    """The same house with this project's prose and configuration, and with the page that the prose links."""
    shutil.copytree(root / "book", house.book, ignore=shutil.ignore_patterns("_build", "__pycache__"))
    page = house.notebooks / "comparison" / "run_your_own.ipynb"
    page.parent.mkdir(exist_ok=True)
    cells = [new_markdown_cell("# Run your own"), cell('budget: str = "class"', "parameters")]
    nbformat.write(new_notebook(cells=cells), page)
    return house
