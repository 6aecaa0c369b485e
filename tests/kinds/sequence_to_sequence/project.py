"""A small task of sequence to sequence in the current folder: numbers of one language to those of
another, in the other order."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from stages.files.task_data import TaskData
from stages.kinds.sequence_to_sequence import Examples, Ingested
from stages.text import tokens
from tests.tasks import write_raw, write_task

WORDS = {"ett": "one", "två": "two", "tre": "three", "fyra": "four", "fem": "five"}
TRAIN: dict[str, Any] = {
    "cell": "simple_rnn",
    "decoder_layers": 1,
    "units": 8,
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 0.02,
    "fast": False,
}
ENTRY: dict[str, Any] = {
    "kind": "sequence_to_sequence",
    "ingest": {
        "file": "data/raw/numbers.jsonl",
        "repeated": "keep",
        "split": {"train": 60, "validation": 8, "test": 12},
    },
    "tokenize_text": {"shared": False, "longest_source": 6},
    "baseline": {},
    "train": TRAIN,
    "evaluate": {"score": "chrf", "beams": 3, "errors": 4},
    "predict": {"beams": 3, "show": 2},
}


def rows() -> list[dict[str, Any]]:
    """Returns pairs, a third of which has two targets."""
    drawn, found = random.Random(1), []
    for number in range(80):
        words = drawn.choices(list(WORDS), k=(4, 6)[number % 2])
        target = " ".join(WORDS[word] for word in reversed(words))
        targets = [target, f"{target} again"] if number % 3 == 0 else target
        found.append({"source": " ".join(words), "target": targets})
    return found


def write_project() -> None:
    """Writes the raw pairs, the parameters, and what the stage `code` would write."""
    write_raw("numbers.jsonl", "".join(json.dumps(row) + "\n" for row in rows()))
    write_parameters()
    Path("data/code/train").mkdir(parents=True)
    Path("data/code/train/sequence_to_sequence.txt").write_text("the code of these tests\n")


def write_parameters(**changes: dict[str, Any]) -> None:
    """Writes params.yaml, with changes of the task's sections."""
    write_task(ENTRY | {name: ENTRY[name] | section for name, section in changes.items()})


def data() -> TaskData[Ingested, Examples]:
    return TaskData("x", Ingested, Examples)


def outputs_of(network: Any, source: list[int], target: list[int]) -> np.ndarray:
    """Returns the network's outputs at each place of a target and at its end, (tokens + 1, ...), by
    one pair without padding."""
    inputs = {"source": np.array([source]), "target": np.array([[tokens.END, *target]])}
    return np.asarray(network(inputs))[0].astype(np.float64)


def log_probabilities(network: Any, source: list[int], target: list[int]) -> np.ndarray:
    """Returns log p of each token at each place of a target and at its end, (tokens + 1, ids), by a
    network that copies none."""
    logits = outputs_of(network, source, target)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
