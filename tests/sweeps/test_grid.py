"""Grid files: what is read, and what is refused in one line."""

from pathlib import Path

import pytest

from medseg_lab.sweeps.grid import names, read_grid
from medseg_lab.training.budget import BUDGETS


def grid(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def test_what_is_not_said_has_its_default(tmp_path):
    read = read_grid(grid(tmp_path, 'methods = ["U-Net"]\ndatasets = ["virtual-brain"]'))
    assert read.budget == BUDGETS["class"]
    assert read.seed_numbers == [0, 1]  # as many as the budget says
    assert (read.threads, read.gpus, read.parts, read.labelled) == (1, 0, ["validation"], ["all"])


def test_seeds_are_a_number_or_a_list(tmp_path):
    assert read_grid(grid(tmp_path, "seeds = 3")).seed_numbers == [0, 1, 2]
    assert read_grid(grid(tmp_path, "seeds = [7, 4]")).seed_numbers == [7, 4]


def test_a_budget_is_a_name_or_a_table(tmp_path):
    assert read_grid(grid(tmp_path, 'budget = "smoke"')).budget == BUDGETS["smoke"]
    table = read_grid(grid(tmp_path, "[budget]\nsteps = 4\nvoxels = 512\npatch = 8")).budget
    assert (table.name, table.steps, table.voxels, table.patch, table.cases) == ("custom", 4, 512, 8, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = ", "expected TOML, got the error"),
        ('dataset = "virtual-brain"', "dataset: expected one of budget, datasets, section"),
        (
            'seeds = "three"',
            "seeds: expected a number of seeds, or a list of different seeds such as [0, 1, 2], got 'three'",
        ),
        ("seeds = 0", "[0, 1, 2], got 0"),
        ("seeds = 1000000000000000000", "seeds: expected at most 10,000 seeds, got 1000000000000000000"),
        (f"seeds = {'7' * 5000}", "expected TOML, got the error: Exceeds the limit"),
        (f'methods = ["{"a" * 2000}"]', "methods.0: String should have at most 1000 characters, got 'aaa"),
        ("budget = {steps = 3, voxels = 8, patch = 8, seeds = 100000000}", "expected at most 10,000 seeds"),
        ("seeds = true", "[0, 1, 2], got True"),
        ("seeds = [1, 1]", "list of different seeds such as [0, 1, 2], got [1, 1]"),
        ("seeds = [-1]", "[0, 1, 2], got [-1]"),
        ("seeds = []", "[0, 1, 2], got []"),
        ('budget = "huge"', "budget: expected one of smoke, class, full, got 'huge'"),
        ("budget = {steps = 3, voxels = 8}", "budget.patch: expected a value, got nothing"),
        ("budget = {steps = 3, voxels = 8, patch = 8, name = 'class'}", "without a name"),
        (
            "budget = {steps = 3, voxels = 8, patch = 8, step = 1}",
            "budget.step: expected one of steps",
        ),
        (
            "budget = {steps = 0, voxels = 8, patch = 8}",
            "budget.steps: Input should be greater than 0, got 0",
        ),
        ('parts = ["train"]', "parts.0: Input should be 'validation', 'test' or 'labelled', got 'train'"),
        ("parts = []", ", got []"),
        ("labelled = [0]", 'labelled.0: expected numbers of patients, "all" or "own", got 0'),
        ('labelled = ["own"]', 'labelled: "own" is the number of a section; expected a section, got none'),
        ('section = "3.2"\nbudget = "smoke"', "section: its terms are for the budget class, got smoke"),
        ("samples = 2\nattack = 0.1", "samples are not scored under attack; choose one of the two"),
        ("attack = 0.1\nthin = 5", "thin vessels are not scored under attack, nor in samples"),
        ("draws = [-1]", "draws.0: Input should be greater than or equal to 0, got -1"),
        ("labelled = 8", "labelled: Input should be a valid list, got 8"),
        ("threads = 0", "threads: Input should be greater than 0, got 0"),
        ("gpus = 2", "gpus: Input should be 0 or 1, got 2"),
        ('methods = "U-Net"', "methods: Input should be a valid list, got 'U-Net'"),
        ("recipes = {a = 3}", "recipes.a: Input should be a valid string, got 3"),
        ("[[chapters]]\nbudget = 'smoke'", "chapters.0.section: expected a value, got nothing"),
    ],
)
def test_what_is_wrong_is_named_with_the_file_the_key_and_the_value(tmp_path, text, said):
    path = grid(tmp_path, text)
    with pytest.raises(ValueError, match=r"grid\.toml: ") as caught:
        read_grid(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.toml: cannot be read: No such file or directory"):
        read_grid(tmp_path / "none.toml")


def test_names_are_those_of_the_grid_with_recipes_as_the_ledger_writes_them(tmp_path):
    own = "Supervised( spatial_dims=2, network=UNet(skips=True) , loss='dice')"
    text = f'methods = ["U-Net"]\n[recipes]\n"deep" = "{own}"'
    assert names(grid(tmp_path, text)) == {
        "U-Net": "Supervised(network=UNet(), spatial_dims=2)",
        "deep": "Supervised(network=UNet(), loss='dice', spatial_dims=2)",
    }


def test_names_that_cannot_be_read_name_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"grid\.toml: recipe 'Nothing\(\)'"):
        names(grid(tmp_path, '[recipes]\na = "Nothing()"'))
