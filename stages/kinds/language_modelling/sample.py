"""Small tasks of language modelling, for the tests that every kind has to pass."""

from typing import Any

from stages.kinds.data import Sample

WORDS = [f"word{number}" for number in range(12)]
# Words that follow each other by a rule.
LINES = [
    " ".join(WORDS[(row * 5 + step) % len(WORDS)] for step in range(3 + row % 3))
    for row in range(60)
]


def _sample(examples: str, variants: list[dict[str, Any]]) -> Sample:
    return Sample(
        files={"lines.txt": "".join(f"{line}\n" for line in LINES)},
        entry={
            "kind": "language_modelling",
            "ingest": {
                "file": "data/raw/lines.txt",
                "split": {"train": 40, "validation": 10, "test": 10},
            },
            "tokenize_text": {"examples": examples},
            "baseline": {},
            "train": {},
            "evaluate": {"streams": 2},
            "predict": {"prompts": ["word1"], "samples": 1, "tokens": 4},
        },
        variants=variants,
    )


SAMPLES = [
    _sample(
        "stream",
        [
            {
                "cell": "gru",
                "steps": 5,
                "tied": True,
                "embedding": 6,
                "embedding_dropout": 0.1,
                "variational": True,
            },
            {
                "cell": "lstm",
                "steps": 4,
                "layers": 2,
                "dropout": 0.2,
                "recurrent_dropout": 0.2,
                "optimizer": "sgd",
                "learning_rate": 1.0,
                "decay": "staged",
            },
        ],
    ),
    _sample("prefixes", [{"cell": "simple_rnn"}]),
]
