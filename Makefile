# Two commands: `make demo` shows what it does on real images, `make test` proves that it holds.
# Each sets up what it needs on a machine that has Python 3.11 or later with venv; the second time it starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-compile --constraint constraints.txt

.PHONY: demo test suite lint format clean

demo: $(VENV)/.demo
	$(BIN)/python recipes/demo.py

# One of the workflows in nodes/examples on small images, such as: make example-pet_ct_study
example-%: $(VENV)/.demo
	$(BIN)/python nodes/examples/make_inputs.py --real-scenes demo/inputs
	$(BIN)/datprl workflow run nodes/examples/$*.yaml demo/$* --overwrite

test: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 lint suite

suite: $(VENV)/.test
	# A process for each core, and one thread in each: threads that outnumber the cores wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses=auto --dist=worksteal

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name it with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet pip==26.2
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time this takes some minutes."
	$(INSTALL) --editable '.[medical,geo]'
	@touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time this takes some minutes."
	$(INSTALL) --editable '.[all]' --group dev
	@touch $(VENV)/.demo $@

clean:
	rm -rf $(VENV) .cache demo build dist .mypy_cache .ruff_cache .pytest_cache
