# make book    the book, built from chapters that are executed on this machine
# make test    the tests
# make lab     JupyterLab on the chapters
# make check   style, types, import contract
# Each makes .venv from the pinned versions first. Everything lands in .venv and build/.

BUDGET ?= class
DATASET ?= auto
WORKERS ?= 2
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
CREATED := $(VENV)/.created
INSTALLED := $(VENV)/.installed

.PHONY: book test lab check pages clean

book: $(INSTALLED)
	$(BIN)/medseg book --budget $(BUDGET) --dataset $(DATASET)

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not page"

pages: $(INSTALLED)
	$(BIN)/python -m pytest -m page

lab: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# New pins make a new environment; a change of pyproject.toml alone is installed into the one at hand.
$(CREATED): constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON): Python 3.11 or newer is wanted; name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV) || { echo "On Debian and Ubuntu, venv is a package of its own: python3-venv"; exit 1; }
	@touch $@

$(INSTALLED): $(CREATED) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[notebooks,book,cluster,dicom,export,dev]"
	@touch $@

clean:
	rm -rf build
