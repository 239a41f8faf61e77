# Every target sets up what it needs: Python >= 3.11, pip and make are enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
export SUBCRITICAL_DATA ?= ../shared/data

.PHONY: demo test check fmt sim perf quality docs docs-write bubblewrap clean

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev,demo,plot]'
	touch $(READY)

# The strongest rungs need bubblewrap; where it cannot be installed the product says which weaker rung it runs on.
bubblewrap:
	@command -v bwrap >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    apt-get update -qq && apt-get install -y -qq bubblewrap >/dev/null; \
	  else echo "bubblewrap is not installed and cannot be installed without root: a weaker rung will be used"; fi; }

demo: $(READY) bubblewrap
	$(BIN)/python examples/demo/build.py
	$(BIN)/subcritical run examples/demo/loop.yaml --allow-rung R3 --fail-on critical

test: $(READY) bubblewrap
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_tidy.py

fmt: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sim: $(READY) bubblewrap
	$(BIN)/python -m pytest -m sim --timeout 1800 -o addopts="-q"

quality: $(READY) bubblewrap
	$(BIN)/python -m pytest -m quality --timeout 3600 -o addopts="-q"

perf: $(READY) bubblewrap
	$(BIN)/python -m perf

docs: $(READY)
	$(BIN)/python -m pytest tests/docs

docs-write: $(READY)
	$(BIN)/python -c "from subcritical.cli.reference import reference_page as page; print(page(), end='')" > docs/reference/cli.md

clean:
	rm -rf $(VENV) build dist src/*.egg-info
