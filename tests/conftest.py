"""Copies of the project in temporary folders, with a small task that runs in seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SMALL = """\
seed: 3
sources:
  hourly: {file: hourly.csv, generator: seasonal, rows: 500}
  verses:
    file: verses.txt
    lines: [one fish, two fish, red fish, blue fish, one red fish, two blue fish, old fish, new fish, one old fish, one new fish]
scale_and_window: [small, own]
tokenize_text: [verses]
tasks:
  small:
    kind: forecasting
    ingest:
      file: data/raw/hourly.csv
      time: time
      targets: [y]
      frequency: h
      split: {train: 0.6, validation: 0.2, test: 0.2}
    scale_and_window: {lookback: 24, horizon: 6, calendar: [hour]}
    baseline: {season: 24}
    train: {cell: gru, units: 4, segment: 6, dropout: 0.1, epochs: 2, normalise: last_value, average: 0.9}
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


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The variables for commands: the tests' own interpreter comes first, and nothing asks for a terminal or the network."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "LOG_LEVEL": "INFO",
    }


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Run:
    """Runs a command in a folder; `ok` False accepts any exit code."""

    def run(folder: Path, *command: str, ok: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=folder, env={**environment, **variables}, capture_output=True, text=True, timeout=600)
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def copy_project(target: Path, run: Run, params: str = SMALL) -> Path:
    """Commits the project's files, as they are in the work tree, with other parameters to a new repository at `target`."""
    names = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists() and not name.startswith(("data/", "tests/", "benchmarks/", "dvc.lock", "params.yaml")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    (target / "params.yaml").write_text(params)
    (target / "data/raw").mkdir(parents=True)
    (target / "data/raw/own.csv").write_text("y\n" + "".join(f"{(step * 7) % 10 + 0.5}\n" for step in range(100)))
    run(target, "git", "init", "-q")
    run(target, "git", "config", "user.email", "test@example.org")
    run(target, "git", "config", "user.name", "test")
    run(target, "dvc", "add", "-q", "data/raw/own.csv")
    run(target, "git", "add", "-A")
    run(target, "git", "commit", "-qm", "start")
    return target


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A project in which `dvc repro` has run and whose result is committed. Tests that change it take `project`."""
    target = copy_project(tmp_path_factory.mktemp("finished") / "project", run)
    run(target, "dvc", "repro", "-q")
    run(target, "git", "add", "-A")
    run(target, "git", "commit", "-qm", "run")
    return target


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished`, cache and all, that a test may change."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)
