"""A small task of text classification in the current folder, and what tests do with its stages."""

from pathlib import Path
from typing import Any

from stages import ingest, tokenize_text
from stages.files.task_data import TaskData
from stages.kinds.text_classification import Examples, Ingested
from stages.kinds.text_classification.sample import SAMPLES
from tests.tasks import write_raw, write_task

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


def write_parameters(**changes: dict[str, Any]) -> None:
    """Writes params.yaml, with changes of the task's sections."""
    entry: dict[str, Any] = SAMPLE.entry | {"train": TRAIN}
    entry |= {name: entry[name] | section for name, section in changes.items()}
    write_task(entry)


def tokenize() -> Examples:
    """Takes the task's raw file to its examples, and returns these."""
    for stage in (ingest, tokenize_text):
        stage.main(["x"])
    return data().examples


def data() -> TaskData[Ingested, Examples]:
    return TaskData("x", Ingested, Examples)
