"""Copies of the project in temporary folders, with a small task that runs in seconds."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import forking

ROOT = Path(__file__).resolve().parent.parent

SMALL = """\
seed: 3
arithmetic: portable
sources:
  hourly: {file: hourly.csv, generator: seasonal, rows: 500}
  verses:
    file: verses.txt
    lines: [one fish, two fish, red fish, blue fish, one red fish, two blue fish, old fish,
      new fish, one old fish, one new fish]
scale_and_window: [small, own]
tokenize_text: [verses]
extract_features: []
tasks:
  small:
    kind: forecasting
    ingest:
      file: data/raw/hourly.csv
      time: time
      targets: [y]
      frequency: h
      split: {train: 0.6, validation: 0.2, test: 0.2}
    scale_and_window: {lookback: 24, horizon: 6, season: 24, calendar: [hour]}
    baseline: {}
    train: {cell: gru, units: 4, segment: 6, decoder: parallel, shortcut: none, dropout: 0.1,
      epochs: 2, average: 0.9}
    evaluate: {}
    predict: {history: 48}
  own:
    kind: forecasting
    ingest: {file: data/raw/own.csv, targets: [y], split: {train: 60, validation: 20, test: 20}}
    scale_and_window: {lookback: 4, horizon: 2}
    baseline: {methods: [last_value]}
    train: {cell: simple_rnn, units: 2, epochs: 1}
    evaluate: {}
    predict: {}
  verses:
    kind: language_modelling
    ingest: {file: data/raw/verses.txt, split: {train: 6, validation: 2, test: 2}}
    tokenize_text: {}
    baseline: {}
    train: {cell: lstm, units: 4, steps: 3, batch_size: 2, dropout: 0.1, epochs: 1}
    evaluate: {streams: 2}
    predict: {prompts: [one], tokens: 4}
"""


# Of the project, what its commands need: no data, and nothing that somebody has put beside them.
CODE = (
    *("stages", "tools", "dvc.yaml", "Makefile", "pyproject.toml", "requirements.lock"),
    *(".dvcignore", ".gitattributes", ".gitignore"),
)
DVC_CONFIG = "[core]\n    analytics = false\n    check_update = false\n"
GIT_CONFIG = "[user]\n    name = test\n    email = test@example.org\n[safe]\n    directory = *\n"
# In a clone: what `make setup` installs stands ready.
SET_UP = f"mkdir .venv && ln -s {sys.prefix}/* .venv/ && touch .venv/.installed && make setup"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: a gzipped file holds the time at which it was made, and
    workers that collect a second apart have to agree on the names of tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables for commands: the tests' own interpreter comes first, and no setting of a
    person's Git or DVC has a say."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "gitconfig").write_text(GIT_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "DVC_"))]:
            patch.delenv(name)
        settings = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(folder / "dvc"),
            "DVC_SYSTEM_CONFIG_DIR": str(folder / "dvc"),
            "DVC_SITE_CACHE_DIR": str(folder / "dvc_cache"),
            "DVC_NO_ANALYTICS": "1",
            "LOG_LEVEL": "INFO",
        }
        for name, value in settings.items():
            patch.setenv(name, value)
        yield dict(os.environ)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Run:
    """Runs a command in a folder; `ok` False accepts any exit code."""

    def run(
        folder: Path, *command: str, ok: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=3600,
        )
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Run]:
    """As `run`, but stages, also those that DVC starts, are forked from a process that has imported
    TensorFlow: see `forking`."""
    with forking.server(tmp_path_factory.mktemp("forking")) as variables:
        yield partial(run, **variables)


def copy_project(target: Path, run: Run, params: str = SMALL) -> Path:
    """Commits the project's code, as it is in the work tree, with other parameters to a new
    repository at `target`."""
    target.mkdir(parents=True, exist_ok=True)
    run(target, "git", "init", "-q")
    run(target, "dvc", "init", "-q")
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name,
                target / name,
                ignore=shutil.ignore_patterns("__pycache__"),
                dirs_exist_ok=True,
            )
        else:
            shutil.copy2(ROOT / name, target / name)
    (target / ".dvc/config").write_text(DVC_CONFIG)
    (target / "params.yaml").write_text(params)
    (target / "data/raw").mkdir(parents=True)
    (target / "data/raw/own.csv").write_text(
        "y\n" + "".join(f"{(step * 7) % 10 + 0.5}\n" for step in range(100))
    )
    run(target, "dvc", "add", "-q", "data/raw/own.csv")
    # Stages that prepare texts depend on this folder, whether or not they use vectors.
    (target / "data/raw/vectors").mkdir()
    (target / "data/raw/vectors/README.md").write_text("Word vectors.\n")
    run(target, "git", "add", "-A")
    run(target, "git", "commit", "-qm", "start")
    return target


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, run: Run, request: pytest.FixtureRequest
) -> Path:
    """A project in which `dvc repro` has run and whose result is committed. Tests that change it
    take `project`."""
    # Of several processes that run tests, one runs it for all, and each has a copy.
    own = tmp_path_factory.mktemp("finished")
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "finished").exists():
            target = copy_project(shared / "unfinished", run)
            request.getfixturevalue("forked")(target, "dvc", "repro", "-q")
            run(target, "git", "add", "-A")
            run(target, "git", "commit", "-qm", "run")
            target.rename(shared / "finished")
    return shutil.copytree(shared / "finished", own / "project", symlinks=True)


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished`, cache and all, that a test may change."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)


def committed(path: str, tree: str = "HEAD") -> str:
    """Returns a file of this project as it was committed last: what a run or an edit has made of it
    since is no fault."""
    done = subprocess.run(
        ["git", "show", f"{tree}:./{path}"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"{path} is not committed here")
    return done.stdout


# The recipes of SHARING.md, by the names in its comments.
RECIPES = dict(
    re.findall(
        r"<!-- run: (.+?) -->\n```sh\n(.*?)```", (ROOT / "SHARING.md").read_text(), re.DOTALL
    )
)
Do = Callable[..., str]


@pytest.fixture
def do(tmp_path: Path, run: Run) -> Do:
    """Runs a recipe in somebody's clone, with the page's addresses replaced by those of the test.
    Returns what it printed."""
    replaced = {
        "/srv/": f"{tmp_path}/srv/",
        "git@example.org:ann/project.git": str(tmp_path / "project.git"),
    }
    replaced["make setup"] = SET_UP
    (tmp_path / "home").mkdir()
    person = {
        f"GIT_{who}_{what}": "ann@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }

    def do(name: str, folder: Path, **more: str) -> str:
        text = RECIPES[name]
        for old, new in {**replaced, **more}.items():
            text = text.replace(old, new)
        done = run(folder, "bash", "-euc", text, HOME=str(tmp_path / "home"), **person)
        return done.stdout + done.stderr

    return do


@pytest.fixture
def ann(project: Path, tmp_path: Path, run: Run) -> Path:
    """Ann's clone, with results in its cache, and the bare repository that she pushes to."""
    run(tmp_path, "git", "init", "-q", "--bare", "project.git")
    run(project, "git", "remote", "add", "origin", str(tmp_path / "project.git"))
    run(project, "git", "push", "-q", "-u", "origin", "HEAD")
    branch = run(project, "git", "branch", "--show-current").stdout.strip()
    run(tmp_path / "project.git", "git", "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    return project
