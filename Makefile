# Every target makes its own environment: Python 3.11 or newer and make are enough.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
FLAVOURS := plot test lint docs dist screenshots
STAMPS := $(FLAVOURS:%=$(VENV)/.installed-%)
LOWEST := .venv-lowest
# The figures go to files, on a machine with a screen too.
export MPLBACKEND := Agg
# The problems here are small: threads would mostly wait for each other.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-lowest lint types docs screenshots examples benchmarks fuzz dist \
    clean distclean
.DELETE_ON_ERROR:

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed-plot ## run both gallery problems and the digits, figures in figures/
	@echo "==> Running the demonstration"
	$(BIN)/python examples/demo.py

PYTEST := -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal --durations 10

test: $(VENV)/.installed-test ## run the tests and the documentation's examples
	@echo "==> Running the tests"
	$(BIN)/python $(PYTEST) $(PYTEST_ARGS)

# PyTorch is not at its lowest: see tools/lowest.py. Old releases warn of what newer ones
# of the packages that they use have deprecated, which is not for this project to mend.
test-lowest: $(LOWEST)/.installed ## run the tests at the lowest versions that are allowed
	@echo "==> Running the tests at the lowest versions"
	$(LOWEST)/bin/python $(PYTEST) -W ignore::DeprecationWarning $(PYTEST_ARGS)

lint: $(VENV)/.installed-lint ## check style with ruff, and which module imports which
	@echo "==> Checking style"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "==> Checking imports"
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.installed-lint ## check the type hints with mypy
	@echo "==> Checking types"
	$(BIN)/mypy

docs: $(VENV)/.installed-docs ## build the documentation, warnings are errors
	@echo "==> Building the documentation in docs/_build/html"
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	$(BIN)/python tools/check_links.py docs/_build/html
	@echo "Open docs/_build/html/index.html"

screenshots: docs $(VENV)/.installed-screenshots ## look at the documentation in a browser
	@echo "==> Opening pages in Chromium, pictures in docs/_build/screenshots"
	$(BIN)/python tools/screenshots.py

examples: $(VENV)/.installed-plot ## run every example, figures in figures/
	@echo "==> Running the examples"
	$(BIN)/python examples/demo.py --all

dist: $(VENV)/.installed-dist ## build the archives, and try them in an empty environment
	@echo "==> Building and checking the distribution"
	rm -rf build dist
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/python -m build --quiet --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tools/check_dist.py

# It goes on where it was interrupted, by the logs in fuzz/.
fuzz: N := 20000
fuzz: $(VENV)/.installed-test ## check N generated problems, and a quarter as many flows
	@echo "==> Checking generated problems"
	$(BIN)/python -m tests.fuzz $(N)

# What has a result is not run again. Give the cytometry as BENCHMARKS_ARGS='--data FILE'.
benchmarks: $(VENV)/.installed-test ## run the benchmarks without a result, write their page
	@echo "==> Running the benchmarks"
	$(BIN)/python -m benchmarks.report $(BENCHMARKS_ARGS)

clean: ## remove what was built, keep the environment
	rm -rf build dist *.egg-info figures .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
	find skwot tests examples benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environments too
	rm -rf $(VENV) $(LOWEST)

# A name on PATH may be a launcher that cannot start, and some systems ship Python
# without venv: so each candidate is asked, not just looked up.
# The lowest versions have no builds for a Python that is newer than they are.
$(LOWEST)/bin/python: PYTHON := $(PYTHON) python3.11
$(BIN)/python $(LOWEST)/bin/python:
	@echo "==> Creating $(@:/bin/python=)"
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	        >/dev/null 2>&1; then \
	        echo "with $$($$python --version) ($$(command -v $$python))"; \
	        exec $$python -m venv $(@:/bin/python=); \
	    fi; \
	done; \
	echo "No Python 3.11 or newer that can create environments (modules venv and" >&2; \
	echo "ensurepip) was found. Install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

# setuptools comes first, from its pin, so that the build uses it and no other.
$(STAMPS): $(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing skwot[$*] at the versions of constraints.txt"
	$(PIP) install --quiet --constraint constraints.txt setuptools
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable ".[$*]"
	@touch $@

$(LOWEST)/.installed: pyproject.toml constraints.txt tools/lowest.py | $(LOWEST)/bin/python
	@echo "==> Installing skwot[test] at the lowest versions of pyproject.toml"
	$(LOWEST)/bin/python tools/lowest.py plot dask test > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip --disable-pip-version-check install --quiet \
	    --constraint $(LOWEST)/constraints.txt setuptools
	$(LOWEST)/bin/python -m pip --disable-pip-version-check install --quiet \
	    --constraint $(LOWEST)/constraints.txt --no-build-isolation --editable ".[test]"
	@touch $@
