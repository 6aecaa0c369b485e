# Each target sets up what it needs. People without make: the README gives the plain commands.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
INSTALLED := .venv/.installed

.PHONY: run test setup lock benchmarks benchmark-windows benchmark-tokens benchmark-recurrent format clean

run: setup ## Everything that is stale, from raw data to forecasts
	dvc repro
	@python -m stages.summarize

test: setup ## Style, types and tests
	ruff check .
	ruff format --check .
	mypy
	pytest

setup: $(INSTALLED) ## .venv with the locked packages

# uv is in the lock file itself: its own entry, with its hashes, installs it. uv does not read pip's configuration files; where that is
# the only way to a package index, pip installs the rest.
$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "expected Python 3.11 to 3.13, received %d.%d: run make with PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > .venv/uv.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.lock
	VIRTUAL_ENV=.venv .venv/bin/uv pip sync --quiet --compile-bytecode requirements.lock \
		|| .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

lock: setup ## Pin the newest versions that pyproject.toml admits
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' \
		--upgrade pyproject.toml --group development --output-file requirements.lock

benchmarks: setup ## The public data sets; REPRISE_MIRROR=FOLDER reads them from a folder
	cd benchmarks && dvc repro

benchmark-windows: setup ## Memory and speed of windowing 10 million rows
	python -m benchmarks.windowing

benchmark-tokens: setup ## Memory and speed of tokenizing 100 million words
	python -m benchmarks.tokenizing

PYTORCH ?= .venv/bin/python
benchmark-recurrent: setup ## Speed of the recurrent layers; PYTORCH=PATH names a Python that has PyTorch, to compare with it
	python -m benchmarks.recurrent_speed --pytorch $(PYTORCH)

format: setup
	ruff check --fix .
	ruff format .

clean: ## Everything but the DVC cache
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache dvc_plots
