"""A small language model in the current folder, and what tests do with its stages."""

import json
from pathlib import Path
from typing import Any

from stages import ingest, tokenize_text
from stages.files.task_data import TaskData
from stages.text.data import IngestedTexts, TextExamples
from tests.tasks import write_task

WORDS = ["the", "cat", "sees", "a", "dog", "and", "runs", "home"]
LINES = [
    " ".join(WORDS[(row + step * (1 + row % 2)) % 8] for step in range(3 + row % 5))
    for row in range(100)
]
SPLIT = {"train": 0.8, "validation": 0.1, "test": 0.1}
TASK: dict[str, dict[str, Any]] = {
    "ingest": {"file": "data/raw/x.txt", "split": SPLIT},
    "tokenize_text": {},
    "baseline": {},
    "train": {
        "cell": "gru",
        "units": 12,
        "epochs": 3,
        "steps": 8,
        "batch_size": 4,
        "learning_rate": 0.02,
    },
    "evaluate": {"steps": 5, "streams": 2},
    "predict": {"prompts": ["the cat"], "tokens": 6, "longest": 20},
}
TEXTS = {"file": "data/raw/x.jsonl", "text": "text"}


def write_project() -> None:
    """Writes the raw text, the parameters, and what the stage `code` would write."""
    write_lines(LINES)
    write_parameters()
    Path("data/code/train").mkdir(parents=True)
    Path("data/code/train/language_modelling.txt").write_text("the code of these tests\n")


def write_lines(lines: list[str]) -> None:
    """Writes the task's raw file, a text per line."""
    Path("data/raw").mkdir(parents=True, exist_ok=True)
    Path("data/raw/x.txt").write_text("".join(f"{line}\n" for line in lines))


def write_texts(texts: list[str]) -> None:
    """Writes texts that may have line breaks, for a section `ingest` with `TEXTS`."""
    lines = (json.dumps({"text": text}) + "\n" for text in texts)
    Path("data/raw/x.jsonl").write_text("".join(lines))


def write_parameters(**changes: dict[str, Any]) -> None:
    """Writes params.yaml, with changes of the task's sections."""
    sections = {name: section | changes.get(name, {}) for name, section in TASK.items()}
    write_task({"kind": "language_modelling", **sections})


def tokenize() -> TextExamples:
    """Takes the task's raw file to its examples, and returns these."""
    for stage in (ingest, tokenize_text):
        stage.main(["x"])
    return data().examples


def data() -> TaskData[IngestedTexts, TextExamples]:
    return TaskData("x", IngestedTexts, TextExamples)
