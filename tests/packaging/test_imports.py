"""Imports go one way, and what starts often starts light."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "monai", "matplotlib", "nilearn", "skimage", "pandas", "papermill", "IPython")


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after `code`."""
    program = f"{code}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(out.stdout.splitlines()[-1].split())


def test_package_command_line_and_help_load_nothing_heavy() -> None:
    code = "from medseg_lab.cli.app import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_by(code) & set(HEAVY)


def test_library_needs_no_notebook_or_plot_to_train() -> None:
    rooms = "import medseg_lab.networks.unet, medseg_lab.losses.dice, medseg_lab.training.learner"
    assert not loaded_by(rooms) & {"matplotlib", "IPython", "papermill", "monai"}


def test_rooms_import_one_way_and_no_two_modules_in_a_circle(root: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
