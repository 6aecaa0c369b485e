"""The pipeline as its users run it: whole runs in copies of the project."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.files.writing import sha256_of
from tests.conftest import SET_UP, Run, committed, copy_project

STAGES_WITHOUT_TENSORFLOW = [
    *(
        "code",
        "check",
        "fetch hourly",
        "ingest small",
        "scale_and_window small",
        "baseline small",
        "summarize",
    ),
    *("fetch verses", "ingest verses", "tokenize_text verses", "baseline verses"),
]


def stages_to_run(folder: Path, run: Run) -> set[str]:
    # A dry run compares with the hashes of code that were written last.
    run(folder, "dvc", "repro", "-q", "code")
    return set(re.findall(r"Running stage '([^']+)'", run(folder, "dvc", "repro", "--dry").stdout))


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "params.yaml").read_text()
    assert old in text
    (folder / "params.yaml").write_text(text.replace(old, new))


def test_a_second_run_has_nothing_to_do(finished: Path, run: Run) -> None:
    assert "Data and pipelines are up to date." in run(finished, "dvc", "repro").stdout


@pytest.mark.slow
def test_two_clones_write_the_same_bytes(finished: Path, tmp_path: Path, run: Run) -> None:
    """One by forked stages, the other by an interpreter for each stage."""
    other = copy_project(tmp_path / "another folder with a longer name", run)
    run(other, "dvc", "repro", "-q", PYTHONHASHSEED="12345", TZ="Asia/Tokyo", LC_ALL="C")
    locks = [YAML(typ="safe").load(folder / "dvc.lock")["stages"] for folder in (finished, other)]
    # Without a lock file to start from, DVC adds the stages in an order of its own.
    assert locks[0] == locks[1]
    outs = [out["path"] for stage in locks[0].values() for out in stage["outs"]]
    assert "data/models/small" in outs


@pytest.mark.slow
def test_new_raw_data_reruns_its_task_alone(project: Path, forked: Run) -> None:
    raw = project / "data/raw/own.csv"
    raw.unlink()  # the file may be a link into the cache
    raw.write_text("y\n" + "".join(f"{(step * 3) % 11 + 0.5}\n" for step in range(120)))
    forked(project, "dvc", "add", "-q", "data/raw/own.csv")
    assert {stage for stage in stages_to_run(project, forked) if stage.endswith("@small")} == set()
    assert "ingest@own" in stages_to_run(project, forked)


@pytest.mark.slow
def test_going_back_to_an_earlier_parameter_takes_its_results_from_the_run_cache(
    project: Path, run: Run
) -> None:
    metrics = (project / "data/metrics/small.json").read_bytes()
    edit(project, "epochs: 2", "epochs: 1")
    run(project, "dvc", "repro", "-q", "evaluate@small", "summarize")
    assert (project / "data/metrics/small.json").read_bytes() != metrics
    edit(
        project,
        "units: 4, segment: 6, dropout: 0.1, epochs: 1",
        "units: 4, segment: 6, dropout: 0.1, epochs: 2",
    )
    output = run(project, "dvc", "repro").stdout
    for stage in ("train@small", "evaluate@small", "predict@small"):
        assert f"Stage '{stage}' is cached" in output or f"Stage '{stage}' didn't change" in output
    assert (project / "data/metrics/small.json").read_bytes() == metrics


@pytest.mark.slow
def test_a_task_that_is_taken_out_leaves_nothing_in_the_summary_and_the_lock(
    project: Path, forked: Run
) -> None:
    text = (project / "params.yaml").read_text()
    edit(project, text[text.index("  own:") : text.index("  verses:\n    kind")], "")
    edit(project, "[small, own]", "[small]")
    forked(project, "dvc", "repro", "-q")
    assert set(json.loads((project / "data/metrics/summary.json").read_text())) == {
        "small",
        "verses",
    }
    deps = YAML(typ="safe").load(project / "dvc.lock")["stages"]["summarize"]["deps"]
    locked = next(entry for entry in deps if entry["path"] == "data/evaluations")
    files = [path for path in project.glob("data/evaluations/[sv]*/*") if path.is_file()]
    assert locked["nfiles"] == len(files)


def test_metrics_have_the_promised_form(finished: Path) -> None:
    scores = json.loads((finished / "data/metrics/small.json").read_text())
    errors = {"mae", "rmse", "mase", "smape", "scaled_mse", "scaled_mae", "pinball", "wql", "crps"}
    assert errors | {"coverage_80", "coverage_95", "parameters", "epochs"} <= set(scores["model"])
    assert set(scores["model"]["validation"]) == errors
    assert set(scores["baseline"]) == {"last_value", "drift", "seasonal_naive", "ridge"}
    assert all(set(entry) == errors | {"validation"} for entry in scores["baseline"].values())
    best = min(scores["baseline"], key=lambda name: scores["baseline"][name]["mae"])
    assert scores["best_baseline"] == best
    assert scores["skill"] == pytest.approx(
        1 - scores["model"]["mae"] / scores["baseline"][best]["mae"], abs=1e-3
    )


def test_times_are_recorded_outside_of_the_lock(finished: Path) -> None:
    assert json.loads((finished / "data/times/small.json").read_text())["train_seconds"] > 0
    assert "data/times" not in (finished / "dvc.lock").read_text()


def test_generated_data_stays_out_of_git(finished: Path, run: Run) -> None:
    tracked = run(finished, "git", "ls-files", "data").stdout.split()
    assert all(
        path.startswith(("data/code/", "data/metrics/", "data/plots/", "data/raw/"))
        or path == "data/checked.txt"
        for path in tracked
    )
    assert not [
        path
        for path in tracked
        if path.startswith("data/raw/")
        and not path.endswith((".dvc", ".gitignore", "vectors/README.md"))
    ]


def test_the_forecast_follows_the_last_row(finished: Path) -> None:
    forecast = pd.read_csv(finished / "data/predictions/small/forecast.csv", parse_dates=["time"])
    assert list(forecast.columns) == [
        "time",
        "series",
        "target",
        "mean",
        "lower_80",
        "upper_80",
        "lower_95",
        "upper_95",
        *(f"q_{level}" for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)),
    ]
    last = pd.read_csv(finished / "data/raw/hourly.csv", parse_dates=["time"])["time"].iloc[-1]
    assert list(forecast["time"]) == list(pd.date_range(last, periods=7, freq="h")[1:])
    ordered = forecast[["lower_95", "lower_80", "mean", "upper_80", "upper_95"]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all()


@pytest.mark.slow
def test_predicting_from_newer_rows_needs_no_training(
    finished: Path, tmp_path: Path, forked: Run
) -> None:
    model = (finished / "data/models/small/model.keras").read_bytes()
    raw = pd.read_csv(finished / "data/raw/hourly.csv", parse_dates=["time"])
    same, later = tmp_path / "same.csv", tmp_path / "later.csv"
    raw.tail(40).to_csv(same, index=False)
    new = pd.DataFrame(
        {
            "time": pd.date_range(raw["time"].iloc[-1], periods=4, freq="h")[1:],
            "y": [20.0, 21.0, 22.0],
        }
    )
    new.to_csv(later, index=False)
    for source in (same, later):
        forked(
            finished,
            "python",
            "-m",
            "stages.predict",
            "small",
            "--input",
            str(source),
            "--output",
            str(source.with_suffix(".out")),
        )
    pd.testing.assert_frame_equal(
        pd.read_csv(same.with_suffix(".out")),
        pd.read_csv(finished / "data/predictions/small/forecast.csv"),
    )
    # Three new rows alone are shorter than the lookback: the rows before them come from the table
    # of training.
    assert pd.read_csv(later.with_suffix(".out"), parse_dates=["time"])["time"].iloc[0] == new[
        "time"
    ].iloc[-1] + pd.Timedelta("1h")
    assert (finished / "data/models/small/model.keras").read_bytes() == model


def test_a_training_parameter_retrains_its_task_alone_and_the_diffs_read_well(
    project: Path, forked: Run
) -> None:
    edit(project, "cell: gru", "cell: lstm")
    output = forked(project, "dvc", "repro").stdout
    assert set(re.findall(r"Running stage '([^']+)'", output)) == {
        "code",
        "check",
        "train@small",
        "evaluate@small",
        "predict@small",
        "summarize",
    }
    changed = forked(project, "dvc", "params", "diff").stdout
    assert re.search(r"tasks\.small\.train\.cell\s+gru\s+lstm", changed)
    metrics = forked(project, "dvc", "metrics", "diff").stdout
    assert re.search(r"small\.mae\s+\d+\.\d+\s+\d+\.\d+\s+-?\d", metrics)
    assert "own." not in metrics, "only what changed is shown"
    assert max(len(line) for line in metrics.splitlines()) < 110
    page = forked(project, "dvc", "plots", "diff", "-o", "dvc_plots").stdout
    assert "index.html" in page
    html = (project / "dvc_plots/index.html").read_text()
    for plot in ("learning_curve", "curve", "prediction"):
        assert f"data_plots_small_{plot}_csv" in html
    for rev in ("HEAD", "workspace"):
        assert f"{rev}_data_plots_small_evaluation_backtest.png" in html


@pytest.mark.slow
def test_a_queued_sweep_runs_two_experiments(project: Path, run: Run) -> None:
    run(project, "dvc", "exp", "run", "--queue", "-S", "tasks.small.train.cell=simple_rnn,lstm")
    run(project, "dvc", "queue", "start", "--jobs", "2")
    for _ in range(1200):
        status = run(project, "dvc", "queue", "status").stdout
        if "Running" not in status and "Queued" not in status:
            break
        time.sleep(1)
    assert status.count("Success") == 2, status
    shown = json.loads(run(project, "dvc", "exp", "show", "--json").stdout)
    cells = {
        experiment["revs"][0]["data"]["params"]["params.yaml"]["data"]["tasks"]["small"]["train"][
            "cell"
        ]
        for commit in shown
        for experiment in commit["experiments"] or []
    }
    assert cells == {"simple_rnn", "lstm"}


@pytest.mark.parametrize("command", STAGES_WITHOUT_TENSORFLOW)
def test_a_stage_that_needs_no_tensorflow_runs_without_it(
    command: str, project: Path, tmp_path: Path, run: Run
) -> None:
    for name in ("tensorflow", "keras"):
        (tmp_path / "poison" / name).mkdir(parents=True)
        (tmp_path / "poison" / name / "__init__.py").write_text(
            "raise ImportError('this stage must not import it')"
        )
    stage, *task = command.split()
    run(project, "python", "-m", f"stages.{stage}", *task, PYTHONPATH=str(tmp_path / "poison"))


@pytest.mark.slow
def test_other_arithmetic_reruns_what_has_a_network(project: Path, run: Run) -> None:
    edit(project, "arithmetic: portable", "arithmetic: native")
    output = run(project, "dvc", "repro", "predict@own").stdout
    assert set(re.findall(r"Running stage '([^']+)'", output)) == {
        *("check", "train@own", "evaluate@own", "predict@own"),
    }


@pytest.mark.slow
def test_make_runs_in_a_folder_and_a_locale_without_a_letter_in_common(
    project: Path, tmp_path: Path, run: Run
) -> None:
    there = tmp_path / "Übung/проект"
    shutil.copytree(project, there, symlinks=True)
    edit(there, "baseline: {methods: [last_value]}", "baseline: {methods: [drift]}")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0"}
    run(there, "bash", "-c", SET_UP, **locale)
    done = run(there, "make", "--silent", "run", **locale)
    assert "own: drift" in done.stderr
    # Alone DVC fails there, and a stage does not.
    run(there, "python", "-m", "stages.ingest", "own", **locale)


@pytest.mark.slow
def test_a_killed_training_leaves_earlier_results_and_the_next_run_completes(
    project: Path, run: Run, environment: dict[str, str]
) -> None:
    metrics, lock = (
        (project / "data/metrics/small.json").read_bytes(),
        (project / "dvc.lock").read_bytes(),
    )
    edit(project, "epochs: 2", "checkpoint_seconds: 0, patience: 100000, epochs: 100000")
    shutil.rmtree(project / "data/checkpoints/small")  # of the run that this is a copy of
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    training = subprocess.Popen(
        ["dvc", "repro", "train@small"],
        cwd=project,
        env=environment,
        start_new_session=True,
        **quiet,
    )
    while not list(project.glob("data/checkpoints/small/*/member_1/*.json")):
        assert training.poll() is None
        time.sleep(0.1)
    os.killpg(training.pid, signal.SIGKILL)
    training.wait()
    assert (project / "data/metrics/small.json").read_bytes() == metrics
    edit(project, "checkpoint_seconds: 0, patience: 100000, epochs: 100000", "epochs: 2")
    run(project, "dvc", "repro", "-q")
    assert (project / "dvc.lock").read_bytes() == lock


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("stage", ["fetch hourly", "ingest small", "scale_and_window small"])
def test_no_room_on_the_disk_is_one_clear_error_and_earlier_results_stay(
    stage: str, project: Path, run: Run
) -> None:
    before = digests(project / "data")
    # No file may grow beyond a kibibyte: what a full disk does to a write, without filling one.
    done = run(project, "bash", "-c", f"ulimit -f 1; exec python -m stages.{stage}", ok=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*File too large.*\n", done.stderr), done.stderr
    assert digests(project / "data") == before


@pytest.mark.published
def test_the_textbook_example_adds_up(tmp_path: Path, forked: Run) -> None:
    params = YAML(typ="safe").load(committed("params.yaml"))
    only = {
        "tasks": {"sum_of_two": params["tasks"]["sum_of_two"]},
        "scale_and_window": ["sum_of_two"],
        "tokenize_text": [],
        "extract_features": [],
    }
    project = copy_project(tmp_path / "project", forked, json.dumps({**params, **only}))
    forked(project, "dvc", "repro", "-q", "predict@sum_of_two")
    newer, out = tmp_path / "newer.csv", tmp_path / "out.csv"
    newer.write_text("x\n5\n6\n")
    forked(
        project,
        "python",
        "-m",
        "stages.predict",
        "sum_of_two",
        "--input",
        str(newer),
        "--output",
        str(out),
    )
    assert pd.read_csv(out)["mean"].iloc[0] == pytest.approx(11, abs=0.5)
    windows = json.loads((project / "data/examples/sum_of_two/about.json").read_text())["windows"]
    assert windows["train"] == 5
