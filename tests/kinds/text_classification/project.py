"""A small task of text classification in the current folder, and what tests do with its stages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import baseline, command, evaluate, ingest, predict, tokenize_text, train
from stages.files.task_data import TaskData
from stages.kinds.text_classification import Examples, Ingested
from stages.kinds.text_classification.sample import SAMPLES

(SAMPLE,) = SAMPLES
TABLE = SAMPLE.files["films.csv"]
TRAIN: dict[str, Any] = {
    "cell": "simple_rnn",
    "units": 4,
    "epochs": 12,
    "learning_rate": 0.02,
    "shortcut": 0.2,
    "fast": False,
}


def write_project() -> None:
    """Writes the raw table, the vectors, the parameters, and what the stage `code` would write."""
    for name, text in SAMPLE.files.items():
        write_raw(name, text)
    write_parameters()
    Path("data/code/train").mkdir(parents=True)
    Path("data/code/train/text_classification.txt").write_text("the code of these tests\n")


def write_raw(name: str, text: str) -> None:
    path = Path("data/raw", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_parameters(**changes: dict[str, Any]) -> None:
    """Writes params.yaml, with changes of the task's sections."""
    entry: dict[str, Any] = SAMPLE.entry | {"train": TRAIN}
    entry |= {name: entry[name] | section for name, section in changes.items()}
    names: dict[str, Any] = {"scale_and_window": [], "tokenize_text": ["x"]}
    params = {"seed": 1, "arithmetic": "portable", "sources": {}, **names, "tasks": {"x": entry}}
    Path("params.yaml").write_text(json.dumps(params))


def tokenize() -> Examples:
    """Takes the task's raw file to its examples, and returns these."""
    for stage in (ingest, tokenize_text):
        stage.main(["x"])
    return data().examples


def run_all() -> dict[str, Any]:
    """Takes the task to its prediction, and returns its scores."""
    for stage in (ingest, tokenize_text, baseline, train, evaluate, predict):
        stage.main(["x"])
    return json.loads(Path("data/evaluations/x/scores.json").read_text())


def data() -> TaskData[Ingested, Examples]:
    return TaskData("x", Ingested, Examples)


def error_of(
    main: Callable[[list[str]], None], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Returns the one line with which a command ends."""
    monkeypatch.setattr("sys.argv", ["stage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.run(main)
    message = str(stopped.value.code)
    assert message.startswith("error: ")
    assert "Traceback" not in message
    return message
