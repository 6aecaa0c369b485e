"""A small tagger in the current folder, and what tests do with its stages."""

import json
from pathlib import Path
from typing import Any

from stages import baseline, evaluate, ingest, predict, tokenize_text, train
from stages.files.task_data import TaskData
from stages.kinds.sequence_tagging import Examples, Ingested
from stages.kinds.sequence_tagging.sample import SAMPLES

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
        path = Path("data/raw", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_parameters(**changes)
    for stage in ("train", "evaluate", "predict"):
        Path("data/code", stage).mkdir(parents=True, exist_ok=True)
        Path("data/code", stage, "sequence_tagging.txt").write_text("the code of these tests\n")


def write_parameters(**changes: dict[str, Any]) -> None:
    entry = {**SAMPLE.entry, "train": TRAIN}
    entry |= {name: {**entry[name], **section} for name, section in changes.items()}
    names: dict[str, Any] = {"scale_and_window": [], "tokenize_text": ["x"]}
    params = {"seed": 1, "arithmetic": "portable", "sources": {}, **names, "tasks": {"x": entry}}
    Path("params.yaml").write_text(json.dumps(params))


def write_columns(name: str, sentences: list[str]) -> None:
    """Writes sentences of words and tags, such as `Ada/B-PER sings/O`, to a raw file."""
    pairs = [[pair.rpartition("/") for pair in sentence.split()] for sentence in sentences]
    text = "\n".join("".join(f"{word}\t{tag}\n" for word, _, tag in each) for each in pairs)
    path = Path("data/raw", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def prepared() -> Examples:
    """Takes the raw file to its examples."""
    for stage in (ingest, tokenize_text):
        stage.main(["x"])
    return data().examples


def run_all() -> None:
    for stage in (ingest, tokenize_text, baseline, train, evaluate, predict):
        stage.main(["x"])


def data() -> TaskData[Ingested, Examples]:
    return TaskData("x", Ingested, Examples)


def ingested() -> dict[str, Any]:
    ingest.main(["x"])
    return json.loads(Path("data/ingested/x/about.json").read_text())


def scores() -> dict[str, Any]:
    return json.loads(Path("data/evaluations/x/scores.json").read_text())
