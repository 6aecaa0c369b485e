"""Small tasks of tagging, for the tests that every kind has to pass."""

from typing import Any

from stages.kinds.data import Sample

NAMES = {"PER": ["Ada Byron", "Mary Shelley", "J. Verne"], "LOC": ["Rome", "Oslo", "Paris-7"]}
# Of few lengths, as a network is compiled for each.
FRAMES = ["{PER} lives in {LOC} .", "{LOC} is near {PER} !", "Nobody knows .", "Yes , yes"]
VECTORS = "".join(
    f"{word} {number % 3 - 1}.5 {number % 5 / 10} -1\n"
    for number, word in enumerate(["ada", "mary", "rome", "lives", "in", "paris", "oslo"])
)


def columns(sentences: int = 60) -> str:
    """Returns sentences with names, in columns."""
    lines = []
    for number in range(sentences):
        if number % 4 == 0:
            lines.append("-DOCSTART- O\n\n")
        for word in FRAMES[number % len(FRAMES)].split():
            kind = word.strip("{}")
            choices = NAMES.get(kind, [word])
            for place, token in enumerate(choices[number * 5 % 7 % len(choices)].split()):
                prefix = "B-" if place == 0 else "I-"
                lines.append(f"{token} {prefix + kind if kind in NAMES else 'O'}\n")
        lines.append("\n")
    return "".join(lines)


def _sample(
    tokenize_text: dict[str, Any], predict: dict[str, Any], variants: list[dict[str, Any]]
) -> Sample:
    return Sample(
        files={"names.conll": columns(), "vectors/small.txt": VECTORS},
        entry={
            "kind": "sequence_tagging",
            "ingest": {
                "file": "data/raw/names.conll",
                "group": "document",
                "split": {"train": 9, "validation": 3, "test": 3},
            },
            "tokenize_text": tokenize_text,
            "baseline": {"penalties": [{"c1": 0.1, "c2": 0.1}], "iterations": 20},
            "train": {},
            "evaluate": {"draws": 50},
            "predict": predict,
        },
        variants=variants,
    )


SAMPLES = [
    _sample(
        {"vectors": "data/raw/vectors/small.txt", "longest_word": 6},
        {"texts": ["Ada Byron saw Rome, Paris and Oslo."]},
        [
            {
                "cell": "gru",
                "embedding": 6,
                "train_vectors": True,
                "word_dropout": 0.1,
                "embedding_dropout": 0.1,
                "dropout": 0.1,
                "characters": {"embedding": 4, "units": 5, "width": 2},
                "shapes": 3,
            },
        ],
    ),
    _sample(
        {"scheme": "iob2"},
        {"agreement": 0.5},
        [
            {
                "cell": "lstm",
                "embedding": 8,
                "characters": {"encoder": "recurrent", "embedding": 4, "units": 3},
                "shapes": None,
                "crf": False,
                "bidirectional": False,
                "balance": True,
            },
        ],
    ),
]
