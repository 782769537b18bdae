"""A student's copy of a chapter, made from the chapter itself, so that the two cannot differ."""

import json
from pathlib import Path

from medseg_lab.publishing.house import Chapter, tags

YOUR_TURN = "# your turn"


def exercise(chapter: Chapter, folder: Path) -> Path:
    """Write the chapter into `folder` with its solutions emptied and its outputs removed.

    Raises:
        ValueError: if the file is there already; it may hold a student's work.
    """
    target = folder / chapter.path.name
    if target.exists():
        raise ValueError(f"exercise: {target} already exists; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    notebook = chapter.notebook
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
            if "solution" in tags(cell):
                cell["source"] = YOUR_TURN
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target
