"""Small tasks of sequence to sequence, for the tests that every kind has to pass."""

import random
from typing import Any

from stages.kinds.data import Sample

_RANDOM = random.Random(0)
_WORDS = ["a", "small", "red", "bird", "sings", "to", "the", "old", "sea"]
_NAMES = [f"name{number}" for number in range(40)]


def _pair(row: int) -> str:
    """Returns a line of words with a name, which is a different one in most lines, and of the same
    words backwards; of few lengths, as networks are compiled for each."""
    words = _RANDOM.choices(_WORDS, k=(2, 4)[row // 2 % 2])
    words.insert(_RANDOM.randrange(len(words)), _RANDOM.choice(_NAMES))
    return f"{' '.join(words)}\t{' '.join(reversed(words))}\n"


_TABLE = "text\tbackwards\n" + "".join(map(_pair, range(90)))


def _sample(tokenize_text: dict[str, Any], variants: list[dict[str, Any]]) -> Sample:
    return Sample(
        files={"pairs.tsv": _TABLE},
        entry={
            "kind": "sequence_to_sequence",
            "ingest": {
                "file": "data/raw/pairs.tsv",
                "source": "text",
                "target": "backwards",
                "split": {"train": 0.7, "validation": 0.15, "test": 0.15},
                "shuffle": 1,
            },
            "tokenize_text": tokenize_text,
            "baseline": {},
            "train": {},
            "evaluate": {"beams": 2},
            "predict": {"beams": 2},
        },
        variants=variants,
    )


SAMPLES = [
    _sample(
        {"minimum_count": 4},
        [
            {"cell": "simple_rnn", "layers": 2},
            {
                "cell": "gru",
                "embedding": 6,
                "embedding_dropout": 0.1,
                "dropout": 0.1,
                "label_smoothing": 0.05,
                "copy": True,
                "coverage": 0.5,
            },
        ],
    ),
    _sample(
        {"shared": False},
        [
            {
                "cell": "lstm",
                "tied": False,
                "bidirectional": False,
                "attention": "additive",
                "decoder_layers": 1,
                "input_feeding": True,
                "coverage": 0.5,
            },
        ],
    ),
]
