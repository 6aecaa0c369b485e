"""`make verify` tells whether a run gives the committed bytes, and what differs if not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages import arithmetic
from stages.files import models
from stages.files.writing import write_json
from stages.networks.backend import keras
from tests.conftest import ROOT, Run, copy_project
from tests.test_pipeline import edit
from tools import clones, verified
from tools.verify import differences


def verify(project: Path, run: Run, *, ok: bool) -> subprocess.CompletedProcess[str]:
    return run(project, "python", "-m", "tools.verify", "--task", "own", ok=ok)


@pytest.mark.slow
def test_a_committed_run_is_reproduced_from_scratch(project: Path, run: Run) -> None:
    table, processors = verify(project, run, ok=True).stdout.split("\n\n")
    heading, *lines = table.splitlines()
    assert heading.split() == ["run", "output", "compared", "with", "dvc.lock"]
    rows = [line.split() for line in lines]
    assert {row[2] for row in rows} == {"same"}
    assert {(row[0], row[1]) for row in rows} >= {
        ("1", "data/models/own"),
        ("2", "data/models/own"),
        ("2", "data/predictions/own"),
    }
    assert not [row for row in rows if "small" in row[1]]
    here = str(arithmetic.processor())
    assert processors.splitlines()[0] == f"this processor: {here}"
    assert f"| {here} | `own` |" in processors
    assert verified.read(project)["own"] == [here]


@pytest.mark.slow
def test_another_result_is_told_with_what_differs(project: Path, run: Run) -> None:
    edit(project, "units: 2, epochs: 1", "units: 2, epochs: 2")
    run(project, "git", "commit", "-qam", "not run")
    done = verify(project, run, ok=False)
    assert done.returncode == 1
    assert "outputs are not those of dvc.lock" in done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("  1  data/models/own")]
    assert "about.json: epochs 1 and 2, beyond the tolerance of 0.05" in line
    assert "model.keras: " in line
    assert " values, by " in line
    assert not (project / verified.PATH).exists()


def test_a_task_that_is_not_there_is_one_clear_error(project: Path, run: Run) -> None:
    done = run(project, "python", "-m", "tools.verify", "--task", "none", ok=False)
    assert done.returncode == 1
    assert "error: expected the name of a task in dvc.lock, received 'none'" in done.stderr


def test_an_emulator_is_asked_for_a_small_task(project: Path, run: Run) -> None:
    done = run(project, "python", "-m", "tools.verify", "--emulate", "epyc", ok=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: expected the tasks [^\n]* --task [^\n]*\n", done.stderr)


@pytest.mark.parametrize("folder", [".", "a folder/project"])
def test_a_clone_holds_the_last_commit_and_the_raw_data(
    folder: str, tmp_path: Path, run: Run
) -> None:
    project = copy_project(tmp_path / "repository" / folder, run)
    if folder != ".":
        shutil.rmtree(project / ".git")
        run(tmp_path / "repository", "git", "init", "-q")
        run(project, "git", "add", "-A")
        run(project, "git", "commit", "-qm", "start")
    (project / "notes.txt").write_text("not committed")
    clone = clones.clone(project, tmp_path / "clone")
    assert (clone / "data/raw/own.csv").read_bytes() == (project / "data/raw/own.csv").read_bytes()
    assert (clone / "dvc.yaml").exists()
    assert not (clone / "notes.txt").exists()


def test_without_a_repository_or_a_lock_file_there_is_one_clear_error(
    tmp_path: Path, run: Run
) -> None:
    for content in (
        None,
        "schema: '2.0'\nstages: [a]\n",
        "schema: '2.0'\nstages:\n  train@x:\n    cmd: x\n",
    ):
        if content is not None:
            (tmp_path / "dvc.lock").write_text(content)
        done = run(
            tmp_path,
            sys.executable,
            "-m",
            "tools.verify",
            "--task",
            "x",
            ok=False,
            PYTHONPATH=str(ROOT),
        )
        assert done.returncode == 1
        assert re.fullmatch(
            r"error: [^\n]*(dvc\.lock|not a git repository)[^\n]*\n", done.stderr
        ), done.stderr


def test_what_differs_is_named(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    np.save(first / "x.npy", np.array([1.0, 2.0, np.nan]))
    np.save(first / "n.npy", np.array([1, 2]))
    write_json(first / "scores.json", {"mae": 1.0, "of": {"rmse": 2.0}, "best": "ridge"})
    (first / "table.csv").write_text("a\n1\n2\n")
    inputs = keras.Input((2,))
    network = keras.Model(inputs, keras.layers.Dense(1, name="line")(inputs))
    models.write(first / "model.keras", network)
    shutil.copytree(first, second)
    assert not list(differences(first, second, 0.05))

    np.save(second / "x.npy", np.array([1.0, 2.5, np.nan]))
    np.save(second / "n.npy", np.array([1, 2, 3]))
    write_json(second / "scores.json", {"mae": 1.01, "of": {"rmse": 3.0}, "best": "drift"})
    (second / "table.csv").write_text("a\n1\n3\n")
    (second / "more.txt").write_text("")
    network.layers[1].kernel.assign_add([[0.0], [0.25]])
    models.write(second / "model.keras", network)
    found = list(differences(first, second, 0.05))
    assert found[:4] == [
        "more.txt is in one of them only",
        f"model.keras: layers/dense/vars/0: 1 of 2 values, by {0.25:.3g} at most",
        "n.npy: int64 (2,) and int64 (3,)",
        "scores.json: mae 1 and 1.01, within the tolerance of 0.05",
    ]
    assert found[4:6] == [
        "scores.json: of.rmse 2 and 3, beyond the tolerance of 0.05",
        "scores.json: best 'ridge' and 'drift'",
    ]
    assert found[6:] == ["table.csv: first in line 3 of 3", "x.npy: 1 of 3 values, by 0.5 at most"]
