# Each target sets up what it needs. People without make: the README gives the plain commands.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
INSTALLED := .venv/.installed

.PHONY: run test test-pages test-all check verify audit hooks setup lock benchmarks benchmark-windows benchmark-tokens benchmark-recurrent format clean

run: setup ## Everything that is stale, from raw data to forecasts
	@python -m tools.repair
	dvc repro
	@python -m stages.summarize

PARALLEL := --numprocesses 2 --dist worksteal
test: setup ## Style, types and tests of the code, whatever has been run or changed in params.yaml
	ruff check .
	ruff format --check .
	mypy
	python -m tools.interfaces
	pytest $(PARALLEL)

test-pages: setup ## What the pages say is what is committed
	pytest $(PARALLEL) -m published

test-all: setup ## All tests, the slow ones too
	pytest $(PARALLEL) -m ""

check: setup ## Parameters, graph, lock file and repository, within seconds and without data; STAGED=1: of what Git would commit
	python -m tools.check $(if $(STAGED),--staged)

verify: setup ## Two runs from scratch give the bytes of dvc.lock; TASK=NAME: of one task
	python -m tools.verify $(if $(TASK),--task $(TASK))

audit: setup ## Known vulnerabilities of the locked packages, where the network allows
	python -m tools.audit

# Git runs hooks at the top of its work tree.
hooks: setup ## `make check` of what is to be committed, before each commit
	@hook="$$(git rev-parse --git-path hooks)/pre-commit"; project="./$$(git rev-parse --show-prefix)"; \
	check="cd \"$$project\" && exec make --quiet check STAGED=1"; \
	! grep -qsvFx -e '#!/bin/sh' -e "$$check" -e 'exec make --quiet check' "$$hook" || { \
		echo "$$hook is there already: add this line to it: (cd \"$$project\" && make --quiet check STAGED=1) || exit 1" >&2; exit 1; }; \
	mkdir -p "$$(dirname "$$hook")" && printf '#!/bin/sh\n%s\n' "$$check" > "$$hook" && chmod +x "$$hook"

# Git runs a merge driver at the top of its work tree, so the project's folder is found by the path of its dvc.lock. Where there is no
# Python to ask, or it fails, the lock file is in conflict as any text is.
DRIVER = project="$$(dirname -- %P)"; \
	PYTHONPATH="$$project" "$$project/.venv/bin/python" -P -m tools.merge_lock %O %A %B && exit; \
	grep -q "^<<<<<<< " %A || { \
	echo "dvc.lock is merged as text, as $$project/.venv is missing or broken: run make setup there, and merge again" >&2; \
	git merge-file -p -q %A %O %B > /dev/null && base=/dev/null || base=%O; \
	git merge-file -q -L ours -L base -L theirs %A $$base %B; }; exit 1
setup: $(INSTALLED) ## .venv with the locked packages, and the merge driver of dvc.lock
	@! git rev-parse --git-dir > /dev/null 2>&1 || { \
		git config merge.dvc-lock.driver '$(DRIVER)' && \
		git config merge.dvc-lock.recursive binary && \
		git config merge.dvc-generated.driver true; }

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

clean: ## What set-up, checks and plots left; results and the DVC cache stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache dvc_plots
