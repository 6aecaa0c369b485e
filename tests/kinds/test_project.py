"""The small tasks of all kinds as tasks of one project, run as its users run it; and a new kind,
which is a folder and an entry of `params.yaml`."""

import importlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import (
    baseline,
    check,
    code,
    evaluate,
    ingest,
    kinds,
    predict,
    summarize,
    train,
)
from stages.kinds.data import Sample
from tests.conftest import ROOT, Run, copy_project
from tests.kinds.test_contract import SAMPLES, parameters_of

# The first sample of each kind.
TASKS = dict(reversed(SAMPLES))
SMALL = {"units": 4, "epochs": 1}
PARITY = Path(__file__).parent / "parity"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A project of all samples, in which all stages have run, in this process: each of them would
    import TensorFlow again."""
    entries = {name: {**sample.entry, "train": SMALL} for name, sample in TASKS.items()}
    params = json.dumps(parameters_of(entries), indent=1)
    project = copy_project(tmp_path_factory.mktemp("samples") / "project", run, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        code.main([])
        check.main([])
        for task, sample in TASKS.items():
            write_raw(project, sample)
            preparing = importlib.import_module(f"stages.{kinds.preparing(sample.entry['kind'])}")
            for stage in (ingest, preparing, baseline, train, evaluate):
                stage.main([task])
            predict.main([task])
        summarize.main([])
    return project


def write_raw(project: Path, sample: Sample) -> None:
    for name, content in sample.files.items():
        path = project / "data/raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_runs_from_its_raw_files_to_its_prediction(task: str, samples: Path) -> None:
    module = kinds.module(TASKS[task].entry["kind"], "evaluate")
    scores = json.loads((samples / f"data/metrics/{task}.json").read_text())
    score = module.Parameters.model_validate(TASKS[task].entry["evaluate"]).score
    assert score in scores["model"]
    assert scores["best_baseline"] in scores["baseline"]
    assert list((samples / "data/predictions" / task).iterdir())
    plots = samples / "data/plots" / task
    for name in ("evaluation/curve", "evaluation/learning_curve", "prediction"):
        assert (plots / f"{name}.png").stat().st_size > 1000
        assert len(pd.read_csv(plots / f"{name.split('/')[-1]}.csv"))


def test_dvc_shows_the_plots_of_every_task(samples: Path, run: Run) -> None:
    shown = run(samples, "dvc", "plots", "show", "--json").stdout
    plots = json.loads(shown)
    assert not plots.get("errors"), plots["errors"]
    for task in TASKS:
        for name in ("curve", "prediction", "learning_curve"):
            plot = plots["data"][f"data/plots/{task}/{name}.csv"][0]
            text = json.dumps(plot["content"])
            fields = set(re.findall(r'"field": "(\w+)"', text))
            made = " ".join(re.findall(r'"as": (\[.*?\]|"\w+")', text))
            columns = set(pd.read_csv(samples / f"data/plots/{task}/{name}.csv").columns)
            assert fields - {*re.findall(r"\w+", made), "rev"} <= columns, (task, name)
        for path in (samples / "data/plots" / task / "evaluation").iterdir():
            assert plots["data"][path.relative_to(samples).as_posix()][0]["url"]


@pytest.mark.slow
def test_a_new_kind_is_a_folder_and_an_entry(project: Path, forked: Run) -> None:
    """The kind `parity`, which CONTRIBUTING.md explains: no other stage runs again."""
    shutil.copytree(
        PARITY, project / "stages/kinds/parity", ignore=shutil.ignore_patterns("__pycache__")
    )
    params = YAML(typ="safe").load(project / "params.yaml")
    sample = importlib.import_module("tests.kinds.parity.sample").SAMPLES[0]
    params["tasks"]["parity"] = {**sample.entry, "train": {"cell": "gru", "units": 8, "epochs": 2}}
    params["tokenize_text"].append("parity")
    (project / "params.yaml").write_text(json.dumps(params, indent=1))
    write_raw(project, sample)
    forked(project, "dvc", "add", "-q", *(f"data/raw/{name}" for name in sample.files))
    done = forked(project, "dvc", "repro").stdout
    stages = set(re.findall(r"Running stage '([^']+)'", done))
    assert {stage for stage in stages if not stage.endswith("@parity")} <= {
        "code",
        "check",
        "summarize",
    }
    assert {f"{name}@parity" for name in ("ingest", "tokenize_text", "baseline", "train")} <= stages
    summary = json.loads((project / "data/metrics/summary.json").read_text())
    assert summary["parity"]["direction"] == "higher"
    answers = forked(project, "python", "-m", "stages.predict", "parity", "--bits", "0110").stdout
    assert re.fullmatch(r"0110,0\.\d{4}\n", answers)
    forked(project, "git", "add", "-A")
    forked(project, "python", "-m", "tools.check")


@pytest.mark.slow
def test_a_new_kind_keeps_the_contract(tmp_path: Path, run: Run) -> None:
    project = copy_project(tmp_path / "project", run)
    shutil.copytree(PARITY, project / "stages/kinds/parity")
    shutil.copytree(ROOT / "tests", project / "tests")
    shutil.copy2(ROOT / "SHARING.md", project)
    run(project, "pytest", "-q", "tests/kinds/test_contract.py", "-k", "parity")
    run(project, "python", "-m", "tools.interfaces")
