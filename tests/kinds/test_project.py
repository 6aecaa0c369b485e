"""The small tasks of all kinds as tasks of one project, run as its users run it; and a new kind,
which is a folder and an entry of `params.yaml`."""

import importlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from stages import kinds
from stages.kinds.data import Sample
from tests.conftest import ROOT, Run, copy_project
from tests.kinds.test_contract import SAMPLES, parameters_of

TASKS = {f"{kind}_{number}": sample for number, (kind, sample) in enumerate(SAMPLES)}
SMALL = {"units": 4, "epochs": 1}
PARITY = Path(__file__).parent / "parity"


def write_raw(project: Path, sample: Sample, run: Run) -> None:
    for name, text in sample.files.items():
        (project / "data/raw" / name).write_text(text)
        run(project, "dvc", "add", "-q", f"data/raw/{name}")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A project of all samples, in which `dvc repro` has run."""
    entries = {name: {**sample.entry, "train": SMALL} for name, sample in TASKS.items()}
    params = json.dumps(parameters_of(entries), indent=1)
    project = copy_project(tmp_path_factory.mktemp("samples") / "project", run, params)
    for sample in TASKS.values():
        write_raw(project, sample, run)
    run(project, "dvc", "repro", "-q")
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-qm", "run")
    return project


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_runs_from_its_raw_files_to_its_prediction(task: str, project: Path) -> None:
    module = kinds.module(TASKS[task].entry["kind"], "evaluate")
    scores = json.loads((project / f"data/metrics/{task}.json").read_text())
    score = module.Parameters.model_validate(TASKS[task].entry["evaluate"]).score
    assert score in scores["model"]
    assert scores["best_baseline"] in scores["baseline"]
    assert list((project / "data/predictions" / task).iterdir())
    for name in ("curve", "prediction", "learning_curve"):
        assert (project / f"data/plots/{task}/{name}.png").stat().st_size > 1000
        assert len(pd.read_csv(project / f"data/plots/{task}/{name}.csv"))


def test_dvc_shows_the_plots_of_every_task(project: Path, run: Run) -> None:
    shown = run(project, "dvc", "plots", "show", "--json").stdout
    plots = json.loads(shown)
    assert not plots.get("errors"), plots["errors"]
    for task in TASKS:
        for name in ("curve", "prediction", "learning_curve"):
            plot = plots["data"][f"data/plots/{task}/{name}.csv"][0]
            template = json.loads(plot["content"])
            names = set(pd.read_csv(project / f"data/plots/{task}/{name}.csv").columns)
            fields = set(re.findall(r'"field": "(\w+)"', json.dumps(template["encoding"])))
            assert fields - {"rev"} <= names, (task, name)


def test_a_new_kind_is_a_folder_and_an_entry(project: Path, tmp_path: Path, run: Run) -> None:
    """The kind `parity`, which CONTRIBUTING.md explains: no other stage runs again."""
    target = shutil.copytree(project, tmp_path / "project", symlinks=True)
    shutil.copytree(
        PARITY, target / "stages/kinds/parity", ignore=shutil.ignore_patterns("__pycache__")
    )
    params = json.loads((target / "params.yaml").read_text())
    sample = importlib.import_module("tests.kinds.parity.sample").SAMPLES[0]
    params["tasks"]["parity"] = {**sample.entry, "train": {"cell": "gru", "units": 8, "epochs": 2}}
    params["tokenize_text"].append("parity")
    (target / "params.yaml").write_text(json.dumps(params, indent=1))
    write_raw(target, sample, run)
    done = run(target, "dvc", "repro").stdout
    stages = set(re.findall(r"Running stage '([^']+)'", done))
    assert {stage for stage in stages if not stage.endswith("@parity")} <= {
        "code",
        "check",
        "summarize",
    }
    assert {f"{name}@parity" for name in ("ingest", "tokenize_text", "baseline", "train")} <= stages
    summary = json.loads((target / "data/metrics/summary.json").read_text())
    assert summary["parity"]["direction"] == "higher"
    answers = run(target, "python", "-m", "stages.predict", "parity", "--bits", "0110").stdout
    assert re.fullmatch(r"0110,0\.\d{4}\n", answers)
    run(target, "git", "add", "-A")
    run(target, "python", "-m", "tools.check")


@pytest.mark.slow
def test_a_new_kind_keeps_the_contract(tmp_path: Path, run: Run) -> None:
    project = copy_project(tmp_path / "project", run)
    shutil.copytree(PARITY, project / "stages/kinds/parity")
    shutil.copytree(ROOT / "tests", project / "tests")
    run(project, "pytest", "-q", "tests/kinds/test_contract.py", "-k", "parity")
    run(project, "mypy")
