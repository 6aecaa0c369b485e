"""Small tasks of text classification, for the tests that every kind has to pass."""

import random

from stages.kinds.data import Sample

_RANDOM = random.Random(0)
_WORDS = {
    "bad": ["dull", "slow", "awful", "boring"],
    "good": ["great", "lovely", "funny", "bright"],
}
_OTHERS = ["the", "film", "was", "a", "story", "and", "it", "ends", "well", "never"]


def _text(label: str, row: int) -> str:
    # Of few lengths, as networks are compiled for each.
    words = _RANDOM.choices(_OTHERS, k=(4, 11)[row // 2 % 2])
    words.insert(_RANDOM.randrange(len(words)), _RANDOM.choice(_WORDS[label]))
    return " ".join(words)


_ROWS = [(_text(label, row), label) for row in range(90) for label in (["bad", "good"][row % 2],)]
_VECTORS = [
    f"{word} {' '.join(f'{_RANDOM.gauss(0, 1):.3f}' for _ in range(4))}"
    for word in [*_WORDS["bad"], *_WORDS["good"], *_OTHERS[:5], "unseen", "elsewhere"]
]
_TABLE = "text,label\n" + "".join(f"{text},{label}\n" for text, label in _ROWS)
_SPLIT = {"train": 0.7, "validation": 0.15, "test": 0.15}

SAMPLES = [
    Sample(
        files={
            "films.csv": _TABLE + "a story without a label,\n",
            "vectors/small.txt": "\n".join(_VECTORS) + "\n",
        },
        entry={
            "kind": "text_classification",
            "ingest": {"file": "data/raw/films.csv", "split": _SPLIT, "shuffle": 1},
            "tokenize_text": {
                "vectors": "data/raw/vectors/small.txt",
                "longest": 9,
                "cut": "middle",
            },
            "baseline": {},
            "train": {},
            "evaluate": {},
            "predict": {},
        },
        variants=[
            {
                "cell": "gru",
                "embedding": 3,
                "train_vectors": True,
                "word_dropout": 0.1,
                "embedding_dropout": 0.1,
                "head_dropout": 0.1,
                "pooling": ["last", "mean", "max"],
                "shortcut": 0.3,
                "label_smoothing": 0.02,
                "class_weights": True,
            },
            {"cell": "simple_rnn", "bidirectional": False, "pooling": ["last"], "layers": 2},
        ],
    ),
]
