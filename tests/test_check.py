"""`make check` finds what is wrong, one planted fault at a time."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.files.writing import read_json, write_json
from tests.conftest import ROOT, Run
from tools.check import faults


def test_this_project_is_in_order() -> None:
    assert not list(faults(ROOT))


def test_a_finished_run_is_in_order_also_where_nothing_was_pulled(finished: Path, tmp_path: Path, run: Run) -> None:
    assert not list(faults(finished))
    run(tmp_path, "git", "clone", "-q", str(finished), "clone")
    assert not (tmp_path / "clone/data/models").exists()
    assert not list(faults(tmp_path / "clone"))


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        text = (project / path).read_text()
        assert old in text
        (project / path).write_text(text.replace(old, new, 1))

    return change


def append(path: str, text: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        with (project / path).open("a") as file:
            file.write(text)

    return change


def all_of(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        for one in changes:
            one(project)

    return change


def commit_a_cached_output(project: Path) -> None:
    subprocess.run(["git", "add", "-f", "data/models/own/about.json"], cwd=project, check=True)


def other_raw_data(project: Path) -> None:
    path = project / "data/raw/own.csv"
    path.unlink()
    path.write_text("y\n" + "".join(f"{step % 7}\n" for step in range(100)))
    subprocess.run([Path(sys.executable).parent / "dvc", "add", "-q", path], cwd=project, check=True)


def lose_an_entry(project: Path) -> None:
    yaml = YAML()
    lock = yaml.load(project / "dvc.lock")
    del lock["stages"]["evaluate@own"]
    yaml.dump(lock, project / "dvc.lock")


def mix_entries(project: Path) -> None:
    """As a careless merge does: a stage's entry is of one side, that of the stage before it of the other."""
    yaml = YAML()
    lock = yaml.load(project / "dvc.lock")
    lock["stages"]["ingest@own"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    yaml.dump(lock, project / "dvc.lock")


def edit_a_score(project: Path) -> None:
    path = project / "data/metrics/summary.json"
    content = read_json(path)
    content["own"]["mae"] /= 2
    write_json(path, content)


STALE = "run dvc repro and commit dvc.lock"
PLANTED = {
    "undeclared import": (
        append("stages/files/tables.py", "\nfrom stages.arrays import metrics  # noqa\n"),
        "dvc.yaml: ingest: stages/arrays/metrics.py is imported and not among its deps: add it",
    ),
    "undeclared import, as a relative one": (
        append("stages/files/tables.py", "\nfrom ..arrays import metrics  # noqa\n"),
        "dvc.yaml: ingest: stages/arrays/metrics.py is imported and not among its deps: add it",
    ),
    "unused dep": (
        replace("dvc.yaml", "- stages/summarize.py", "- stages/summarize.py\n    - stages/arrays/metrics.py"),
        "dvc.yaml: summarize: stages/arrays/metrics.py is among its deps and not imported: remove it",
    ),
    "undeclared parameter": (
        replace("stages/ingest.py", "    task =", '    parameters.section("x", "predict", object)  # type: ignore\n    task ='),
        "dvc.yaml: ingest: tasks.${key}.predict is read and not among its params: add it",
    ),
    "unread parameter": (
        replace(
            "dvc.yaml", 'params: ["tasks.${key}.kind", "tasks.${key}.ingest"]', 'params: [seed, "tasks.${key}.kind", "tasks.${key}.ingest"]'
        ),
        "dvc.yaml: ingest: seed is among its params and not read: remove it",
    ),
    "wrong parameter": (
        replace("params.yaml", "epochs: 2", "epochs: two"),
        "params.yaml: tasks.small.train.epochs: expected a valid integer",
    ),
    "missing task in a list": (
        replace("params.yaml", "scale_and_window: [small, own]", "scale_and_window: [small]"),
        "params.yaml: scale_and_window: expected 'own' in this list, as its kind is forecasting",
    ),
    "stale code": (
        append("stages/arrays/metrics.py", "\n# changed\n"),
        f"evaluate@own is stale, {STALE}: stages/arrays/metrics.py changed",
    ),
    "stale parameter": (
        replace("params.yaml", "units: 2", "units: 3"),
        f"train@own is stale, {STALE}: parameter tasks.own.train modified",
    ),
    "stale command": (
        replace("dvc.yaml", "cmd: python -m stages.baseline ${key}", "cmd: python -X dev -m stages.baseline ${key}"),
        f"baseline@own is stale, {STALE}: its command changed",
    ),
    "stale data": (other_raw_data, f"ingest@own is stale, {STALE}: data/raw/own.csv is no longer what it was made of"),
    "task that never ran": (lose_an_entry, "evaluate@own is stale"),
    "entries that do not belong together": (
        mix_entries,
        f"scale_and_window@own is stale, {STALE}: data/ingested/own is no longer what it was made of",
    ),
    "edited score": (edit_a_score, f"summarize is stale, {STALE}: data/metrics is not what the stage wrote"),
    "cached output in Git": (commit_a_cached_output, "data/models/own/about.json is a cached output and in Git as well"),
    "secret": (
        append(".dvc/config", "['remote \"s\"']\n    url = s3://data\n    secret_access_key = abc\n"),
        "secret_access_key is a secret and in Git",
    ),
    "secret in a URL": (
        append(".dvc/config", "['remote \"s\"']\n    url = ssh://user:pass@example.org/data\n"),
        "url is a secret and in Git",
    ),
    "broken dvc.yaml": (replace("dvc.yaml", "stages:", "stages: ["), "dvc.yaml, line 5: expected valid YAML"),
    "broken lock file": (replace("dvc.lock", "stages:", "stages: ["), "dvc.lock', YAML file structure is corrupted"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, project: Path) -> None:
    plant, expected = PLANTED[fault]
    plant(project)
    found = list(faults(project))
    assert [line for line in found if expected in line], "\n".join(found)


def test_the_command_needs_no_tensorflow_and_tells_by_its_exit_code(project: Path, run: Run) -> None:
    code = "import sys; from tools import check; check.main([]); assert 'tensorflow' not in sys.modules; assert 'keras' not in sys.modules"
    run(project, "python", "-c", code)
    run(project, "python", "-m", "tools.check")
    replace("params.yaml", "units: 2", "units: 3")(project)
    done = run(project, "python", "-m", "tools.check", ok=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
