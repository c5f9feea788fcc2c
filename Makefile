# Two commands on a fresh machine: make demo, make test. `make help` lists all.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
# A faster installer is used when it is there, never required.
UV := $(shell command -v uv 2>/dev/null)
# An absolute file, so that uv and pip agree on it from anywhere.
CONSTRAINTS := $(CURDIR)/constraints.txt
# In an argument of `call` a comma would begin the next one.
comma := ,
define install
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python --constraint $(CONSTRAINTS) $(1),\
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) $(1))
endef

# Two processes of one thread each, for two cores. A file stays whole, because its tests share what they trained.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo setup test test-slow test-cluster lint format bench results docs clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMPS)/core  ## install the core, train on scanned digits, evaluate, predict three images
	$(BIN)/python scripts/demo.py

setup: $(STAMPS)/dev  ## make .venv and install everything the tests use
	@echo "Installed into $(VENV). Now: . $(BIN)/activate && sensorium train    (or $(BIN)/sensorium train)"

test: $(STAMPS)/dev  ## run the tests (under ten minutes on two cores, no network, no GPU)
	$(PYTEST)

test-slow: $(STAMPS)/dev  ## run the longer proofs as well
	$(PYTEST) -m "not cluster"

test-cluster: $(STAMPS)/cluster  ## train on a real SLURM, a real Ray and two hosts, made here (root; Debian: installs slurm-wlm)
	scripts/install_slurm.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster -rs

lint: $(STAMPS)/dev  ## check style and types
	$(BIN)/ruff check src tests scripts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/mypy

format: $(STAMPS)/dev  ## put code into the house's format
	$(BIN)/ruff check --fix src tests scripts
	$(BIN)/ruff format src tests scripts

# Those that take hours, or gigabytes of disk, are started by hand.
BY_HAND := scripts/bench_small_data.py scripts/bench_search.py scripts/bench_shards.py
bench: $(STAMPS)/dev  ## measure speed against plain PyTorch, as ratios
	for script in $(filter-out $(BY_HAND),$(wildcard scripts/bench_*.py)); do $(BIN)/python $$script || exit 1; done

results: $(STAMPS)/dev  ## train what the table of results in the README shows (hours)
	$(BIN)/python scripts/results.py

docs: $(STAMPS)/docs  ## build the manual into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean:  ## remove what was built, not the runs
	rm -rf $(VENV) $(STAMPS) dist build site .pytest_cache .ruff_cache .mypy_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/core: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,--editable .)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,--editable '.[dev]')
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/core

$(STAMPS)/cluster: pyproject.toml constraints.txt | $(STAMPS)/dev
	$(call install,--editable '.[slurm$(comma)ray]')
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/docs: pyproject.toml constraints.txt | $(STAMPS)/dev
	$(call install,--editable '.[docs]')
	@mkdir -p $(STAMPS) && touch $@
