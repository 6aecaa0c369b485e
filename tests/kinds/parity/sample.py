"""A small parity task."""

import random

from stages.kinds.data import Sample

_RANDOM = random.Random(0)
_SEQUENCES = ["".join(_RANDOM.choices("01", k=1 + row % 12)) for row in range(300)]

SAMPLES = [
    Sample(
        files={"bits.csv": "bits\n" + "".join(f"{bits}\n" for bits in _SEQUENCES)},
        entry={
            "kind": "parity",
            "ingest": {
                "file": "data/raw/bits.csv",
                "split": {"train": 0.7, "validation": 0.15, "test": 0.15},
            },
            "tokenize_text": {},
            "baseline": {},
            "train": {},
            "evaluate": {},
            "predict": {},
        },
        variants=[{"cell": "simple_rnn"}, {"cell": "lstm"}, {"cell": "gru"}],
    )
]
