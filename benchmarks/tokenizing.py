"""Tokenizing 100 million words: how fast, and how much memory it takes above that of the program.

python -m benchmarks.tokenizing [--words N] [--json FILE]
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.memory import peak
from stages.files.task_data import IngestedTable
from stages.files.writing import write_json
from stages.kinds.language_modelling.tokenize_text import Parameters, prepare
from stages.splits import SPLITS
from stages.text.data import IngestedTexts
from stages.text.tokens import Unit

LINES, WORDS_PER_LINE, VOCABULARY = 8192, 20, 20_000


def write_corpus(folder: Path, words: int) -> int:
    """Writes a table of texts as `ingest` does, some lines of words again and again, and returns
    how many words it has."""
    rng = np.random.default_rng(0)
    # The frequencies of words follow Zipf's law, as in language.
    ranks = np.minimum(rng.zipf(1.2, (LINES, WORDS_PER_LINE)), VOCABULARY)
    texts = [" ".join(f"word{rank}" for rank in row) for row in ranks]
    repeats = max(3, words // (LINES * WORDS_PER_LINE))
    table = pa.Table.from_pandas(
        pd.DataFrame({"text": texts, "split": np.zeros(LINES, np.int8)}), preserve_index=False
    )
    split_repeats = (repeats - 2, 1, 1)
    with pq.ParquetWriter(folder / "table.parquet", table.schema) as writer:
        for split, count in enumerate(split_repeats):
            column = pa.array(np.full(LINES, split, np.int8))
            for _ in range(count):
                writer.write_table(table.set_column(1, "split", column))
    counts = {name: LINES * count for name, count in zip(SPLITS, split_repeats, strict=True)}
    about = IngestedTexts(reading={}, texts=counts, dropped=0, same=False)
    write_json(folder / "about.json", asdict(about))
    return repeats * LINES * WORDS_PER_LINE


def measure(folder: Path, unit: Unit) -> tuple[float, float]:
    """Returns the seconds that it takes to tokenize a corpus, and the memory that it takes above
    that of the program, in MiB."""
    section = Parameters(unit=unit, vocabulary_size=8000 if unit == "bytes" else None)
    before = peak()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        prepare(IngestedTable(folder, IngestedTexts), section, Path(scratch))
    return time.perf_counter() - started, peak() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=100_000_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = {}
    for words in (1_000_000, args.words):
        with tempfile.TemporaryDirectory() as folder:
            count = write_corpus(Path(folder), words)
            # A process of its own, whose memory nothing else has raised.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                seconds, memory = pool.submit(measure, Path(folder), "words").result()
        results[str(words)] = {
            "words": count,
            "words_per_second": count / seconds,
            "memory_mebibytes": memory,
        }
        sys.stdout.write(
            f"{count:,} words: {count / seconds / 1e6:.2f} million per second, {memory:.0f} MiB "
            "above the program\n"
        )
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
