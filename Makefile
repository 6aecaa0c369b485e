# Each target sets up what it needs. README.md has the commands for systems without make.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Without it DVC fails in a folder whose name is not ASCII, where the locale is.
export PYTHONUTF8 := 1
INSTALLED := .venv/.installed

.PHONY: run test test-pages test-all check verify audit hooks setup lock benchmarks benchmark-windows benchmark-tokens benchmark-recurrent recipe recipe-rivals format clean

run: setup ## Run everything that is stale, from raw data to forecasts
	@python -m tools.repair
	dvc repro
	@python -m stages.summarize

PARALLEL := --numprocesses 2 --dist worksteal
test: setup ## Check style and types, and run the tests of the code, which depend on no results
	ruff check .
	ruff format --check .
	mypy
	python -m tools.interfaces
	pytest $(PARALLEL)

test-pages: setup ## Test that the pages show the committed results
	pytest $(PARALLEL) -m published

test-all: setup ## Run all tests, including the slow ones
	pytest $(PARALLEL) -m ""

check: setup ## Check parameters, graph, lock file and repository, in seconds and without data; STAGED=1: what Git would commit
	python -m tools.check $(if $(STAGED),--staged)

verify: setup ## Run twice from scratch and compare the outputs with dvc.lock; TASK=NAME: one task; EMULATE=haswell or epyc: small tasks on an emulated processor
	python -m tools.verify $(if $(TASK),--task $(TASK)) $(if $(EMULATE),--emulate $(EMULATE))

audit: setup ## List known vulnerabilities of the locked packages, if the network allows it
	python -m tools.audit

# Git runs hooks in the top folder of the work tree.
hooks: setup ## Install a Git hook that runs `make check` on what is committed
	@hook="$$(git rev-parse --git-path hooks)/pre-commit"; project="./$$(git rev-parse --show-prefix)"; \
	check="cd \"$$project\" && exec make --quiet check STAGED=1"; \
	! grep -qsvFx -e '#!/bin/sh' -e "$$check" -e 'exec make --quiet check' "$$hook" || { \
		echo "$$hook is there already: add this line to it: (cd \"$$project\" && make --quiet check STAGED=1) || exit 1" >&2; exit 1; }; \
	mkdir -p "$$(dirname "$$hook")" && printf '#!/bin/sh\n%s\n' "$$check" > "$$hook" && chmod +x "$$hook"

# Git runs a merge driver in the top folder of the work tree, so the project's folder is derived from the path of its dvc.lock.
# If Python is missing or fails, the file is merged as text and marked as a conflict.
DRIVER = project="$$(dirname -- %P)"; \
	PYTHONPATH="$$project" "$$project/.venv/bin/python" -P -m tools.merge_lock %O %A %B && exit; \
	grep -q "^<<<<<<< " %A || { \
	echo "dvc.lock is merged as text, as $$project/.venv is missing or broken: run make setup there, and merge again" >&2; \
	git merge-file -p -q %A %O %B > /dev/null && base=/dev/null || base=%O; \
	git merge-file -q -L ours -L base -L theirs %A $$base %B; }; exit 1
setup: $(INSTALLED) ## Create .venv with the locked packages, and configure Git's merge drivers
	@! git rev-parse --git-dir > /dev/null 2>&1 || { \
		git config merge.dvc-lock.driver '$(DRIVER)' && \
		git config merge.dvc-lock.recursive binary && \
		git config merge.dvc-generated.driver true; }

# uv is installed from its own entry in the lock file, with its hashes. uv does not read pip's configuration files; if these are
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

benchmarks: setup ## Run the tasks on public data; REPRISE_MIRROR=FOLDER reads the files from a folder
	cd benchmarks && dvc repro

benchmark-windows: setup ## Measure memory and speed of windowing 10 million rows
	python -m benchmarks.windowing

benchmark-tokens: setup ## Measure memory and speed of tokenizing 100 million words
	python -m benchmarks.tokenizing

PYTORCH ?= .venv/bin/python
benchmark-recurrent: setup ## Measure the recurrent layers; PYTORCH=PATH is a Python with PyTorch, to compare with
	python -m benchmarks.recurrent_speed --pytorch $(PYTORCH)

# What pip and uv are told of indexes holds here as well.
recipe/packages/.installed: recipe/packages.lock | setup
	VIRTUAL_ENV=.venv uv pip install --quiet --no-deps --require-hashes --target recipe/packages -r recipe/packages.lock \
		|| python -m pip install --quiet --no-deps --require-hashes --upgrade --target recipe/packages -r recipe/packages.lock
	touch $@

recipe: setup recipe/packages/.installed ## Run the development set, by which the defaults of forecasting are chosen; REPRISE_MIRROR=FOLDER as for benchmarks
	python -m recipe.datasets
	cd recipe && dvc repro
	@python -m recipe.table

# PyTorch comes first and by itself: which build there is of it, with or without CUDA, depends on the index.
recipe/.venv-rivals/.installed: recipe/rivals.lock
	$(PYTHON) -m venv recipe/.venv-rivals
	recipe/.venv-rivals/bin/python -m pip install --quiet --disable-pip-version-check $(shell grep '^torch==' recipe/rivals.in)
	recipe/.venv-rivals/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r recipe/rivals.lock
	touch $@

recipe-rivals: setup recipe/.venv-rivals/.installed ## Measure other packages on the same windows, after make recipe; TASK=NAME: one task
	nice python -m recipe.rivals $(TASK)

format: setup ## Format the code
	ruff check --fix .
	ruff format .

clean: ## Remove what set-up, checks and plots left; results and the DVC cache stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache dvc_plots
