"""What the command line says of a task with a trained network: of a file, of a pipe, and of rows of
the pipeline."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from stages import baseline, evaluate, ingest, predict, scale_and_window
from stages.files.writing import sha256_of
from tests.conftest import ROOT
from tests.kinds.anomaly_detection.project import csv, in_portions, same, write_parameters
from tests.tasks import error_of

pytestmark = pytest.mark.usefixtures("trained")

RAW = Path("data/raw/series.csv")
DETECTIONS = Path("data/evaluations/x/detections.csv")
KNOWN = 125  # the rows of each series that are left in the raw file; 100 are before the test split


def prepare() -> None:
    """Prepares the examples again. The model is still the one that was trained before."""
    for stage in (ingest, scale_and_window):
        stage.main(["x"])
    about = Path("data/models/x/about.json")
    content = json.loads(about.read_text())
    content["examples"] = sha256_of(Path("data/examples/x/about.json"))
    about.write_text(json.dumps(content))


def cut_off() -> str:
    """Takes the last rows of each series out of the task's raw file, and returns them as CSV, the
    rows of the series by turns."""
    table = pd.read_csv(RAW)
    row = table.groupby("name").cumcount()
    table[row < KNOWN].to_csv(RAW, index=False)
    prepare()
    newer = table[row >= KNOWN].drop(columns="label").sort_values("time", kind="stable")
    return csv(newer)


def of_file(text: str) -> str:
    Path("newer.csv").write_text(text)
    predict.main(["x", "--input", "newer.csv", "--output", "out.csv"])
    return Path("out.csv").read_text()


def standard_input(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()))


def test_a_pipe_and_a_file_say_what_the_evaluation_says_of_the_same_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = pd.read_csv(DETECTIONS)
    newer = cut_off()
    expected = expected[expected.groupby("series").cumcount() >= KNOWN - 100]
    assert expected["alarm"].sum() > 5
    said = of_file(newer)
    same(pd.read_csv("out.csv"), expected)
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", standard_input(newer))
    predict.main(["x", "--follow"])
    # The series take turns there, as they came.
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(said.splitlines())


def test_the_pipeline_says_the_same_of_the_last_rows() -> None:
    evaluated, predicted = (
        pd.read_csv(path) for path in (DETECTIONS, "data/predictions/x/detections.csv")
    )
    last = evaluated.groupby("series").tail(20)  # `predict.history`
    same(predicted, last)
    plot = pd.read_csv("data/plots/x/prediction.csv")
    assert list(plot) == ["time", "seen", "expected", "score", "threshold", "alarm", "anomaly"]
    assert plot["seen"].tolist() == pytest.approx(last["seen_y"][:20].tolist())
    scores = json.loads(Path("data/evaluations/x/scores.json").read_text())
    rates = evaluated.groupby("series")["alarm"].mean()
    assert scores["model"]["alarm_rate"] == pytest.approx(rates.mean())
    assert set(scores["model"]["parts"]) == {"series 1", "series 2"}


def test_a_task_without_labels_has_alarms_alone() -> None:
    before = pd.read_csv(DETECTIONS)
    write_parameters(ingest={"labels": None}, evaluate={"score": "alarm_rate"})
    prepare()
    for stage in (baseline, evaluate, predict):
        stage.main(["x"])
    scores = json.loads(Path("data/evaluations/x/scores.json").read_text())
    assert list(scores["model"]) == ["alarm_rate", "parameters", "epochs", "parts"]
    assert set(scores["baseline"]) == {"random", "ridge", "differences"}
    same(before, pd.read_csv(DETECTIONS))  # nothing is fitted on labels
    assert pd.read_csv("data/plots/x/curve.csv").empty
    for name in ("evaluation/curve", "evaluation/detections", "prediction"):
        assert Path(f"data/plots/x/{name}.png").stat().st_size > 1000
    assert "anomaly" not in pd.read_csv("data/plots/x/prediction.csv")


def test_a_score_that_needs_labels_is_an_error_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_parameters(ingest={"labels": None})
    prepare()
    message = error_of(baseline.main, ["x"], monkeypatch)
    assert "labels" in message
    assert "vus_pr" in message


def test_faults_on_the_command_line_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = "expected --follow alone"
    assert alone in error_of(predict.main, ["x", "--follow", "--input", "a.csv"], monkeypatch)
    assert alone in error_of(predict.main, ["x", "--follow", "--output", "a.csv"], monkeypatch)
    message = error_of(predict.main, ["x", "--input", "a.csv"], monkeypatch)
    assert "both --input and --output" in message
    message = error_of(predict.main, ["x", "--input", "a.csv", "--output", "b.csv"], monkeypatch)
    assert "a.csv" in message
    Path("a.csv").write_text("time,y,name,extra\n2020-01-08 00:00:00,x,series 1,1\n")
    message = error_of(predict.main, ["x", "--input", "a.csv", "--output", "b.csv"], monkeypatch)
    assert message.startswith("error: task x: a.csv: column 'y': expected finite numbers")
    monkeypatch.setattr("sys.stdin", None)
    assert "which is closed" in error_of(predict.main, ["x", "--follow"], monkeypatch)


def test_a_bad_line_ends_a_pipe_with_one_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "time,y,name,extra\n2020-01-07 16:00:00,20,series 1,1\n2020-01-07 17:00:00,x,series 1,1\n"
    )
    monkeypatch.setattr("sys.stdin", standard_input(text))
    capsys.readouterr()
    message = error_of(predict.main, ["x", "--follow"], monkeypatch)
    assert message.startswith("error: task x: standard input, line 3: column 'y'")
    header, answer = capsys.readouterr().out.splitlines()
    assert header.startswith("time,series,score,threshold,alarm,seen_y,expected_y")
    assert answer.startswith("2020-01-07 16:00:00,series 1,")


@pytest.mark.slow
def test_a_process_answers_each_row_before_the_next_is_sent() -> None:
    newer = cut_off()
    expected = of_file(newer)
    with subprocess.Popen(
        [sys.executable, "-m", "stages.predict", "x", "--follow"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = [process.stdout.readline()]
        for piece in in_portions(newer, 1):
            process.stdin.write(piece)
            process.stdin.flush()
            said.append(process.stdout.readline())
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait(60) == 0
    assert sorted(said) == sorted(expected.splitlines(keepends=True))
