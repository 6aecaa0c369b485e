"""A small tagger in the current folder, and what tests do with its stages."""

import json
from pathlib import Path
from typing import Any

from stages import ingest, tokenize_text
from stages.files.task_data import TaskData
from stages.kinds.sequence_tagging import Examples, Ingested
from stages.kinds.sequence_tagging.sample import SAMPLES
from tests.tasks import write_raw, write_task

SAMPLE = SAMPLES[0]
TRAIN = {
    **SAMPLE.variants[0],
    "units": 12,
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 0.03,
}


def write_project(**changes: dict[str, Any]) -> None:
    """Writes the raw files, the parameters with changes of the task's sections, and what the stage
    `code` would write."""
    for name, text in SAMPLE.files.items():
        write_raw(name, text)
    write_parameters(**changes)
    for stage in ("train", "evaluate", "predict"):
        Path("data/code", stage).mkdir(parents=True, exist_ok=True)
        Path("data/code", stage, "sequence_tagging.txt").write_text("the code of these tests\n")


def write_parameters(**changes: dict[str, Any]) -> None:
    entry = {**SAMPLE.entry, "train": TRAIN}
    entry |= {name: {**entry[name], **section} for name, section in changes.items()}
    write_task(entry)


def write_columns(name: str, sentences: list[str]) -> None:
    """Writes sentences of words and tags, such as `Ada/B-PER sings/O`, to a raw file."""
    pairs = [[pair.rpartition("/") for pair in sentence.split()] for sentence in sentences]
    text = "\n".join("".join(f"{word}\t{tag}\n" for word, _, tag in each) for each in pairs)
    write_raw(name, text)


def prepared() -> Examples:
    """Takes the raw file to its examples."""
    for stage in (ingest, tokenize_text):
        stage.main(["x"])
    return data().examples


def data() -> TaskData[Ingested, Examples]:
    return TaskData("x", Ingested, Examples)


def ingested() -> dict[str, Any]:
    ingest.main(["x"])
    return json.loads(Path("data/ingested/x/about.json").read_text())


def scores() -> dict[str, Any]:
    return json.loads(Path("data/evaluations/x/scores.json").read_text())
