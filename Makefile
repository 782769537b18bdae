# The two commands of the README. Everything lands in .venv and build/.
PYTHON ?= python3
BUDGET ?= class
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: book test lab check clean

book: $(STAMP)
	$(BIN)/medseg book --budget $(BUDGET)

test: $(STAMP)
	$(BIN)/python -m pytest

lab: $(STAMP)
	$(BIN)/jupyter lab notebooks

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[notebooks,book,dev]"
	touch $@

clean:
	rm -rf build
