"""Tokenizing 100 million words: how fast, and how much memory it takes above that of the program.

python -m benchmarks.tokenizing [--words N] [--json FILE]
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.windowing import peak
from stages.kinds.language_modelling import tokenize_text

LINES, WORDS_A_LINE, VOCABULARY = 8192, 20, 20_000


def corpus(path: Path, words: int) -> int:
    """Writes a table of texts as `ingest` does, some lines of words again and again, and returns
    how many words it has."""
    rng = np.random.default_rng(0)
    # How often words are follows Zipf's law, as in language.
    ranks = np.minimum(rng.zipf(1.2, (LINES, WORDS_A_LINE)), VOCABULARY)
    texts = [" ".join(f"word{rank}" for rank in row) for row in ranks]
    repeats = max(3, words // (LINES * WORDS_A_LINE))
    table = pa.Table.from_pandas(
        pd.DataFrame({"text": texts, "split": np.zeros(LINES, np.int8)}), preserve_index=False
    )
    with pq.ParquetWriter(path, table.schema) as writer:
        for repeat in range(repeats):
            split = 0 if repeat < repeats - 2 else repeat - repeats + 3
            writer.write_table(
                table.set_column(1, "split", pa.array(np.full(LINES, split, np.int8)))
            )
    return repeats * LINES * WORDS_A_LINE


def measure(path: Path, unit: str) -> tuple[float, float]:
    """Returns the seconds of tokenizing a corpus, and the memory that it took above that of a small
    one, in MiB."""
    size = 8000 if unit == "bytes" else None
    section = tokenize_text.Parameters(unit=unit, vocabulary_size=size)  # type: ignore[arg-type]
    before = peak()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        tokenize_text.prepare(tokenize_text.Texts(path), {"same": False}, section, Path(scratch))
    return time.perf_counter() - start, peak() - before


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--words", type=int, default=100_000_000)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    found = {}
    for words in (1_000_000, given.words):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.parquet"
            count = corpus(path, words)
            # A process of its own, whose memory nothing else has raised.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                seconds, memory = pool.submit(measure, path, "words").result()
        found[str(words)] = {
            "words": count,
            "words_a_second": count / seconds,
            "memory_mebibytes": memory,
        }
        sys.stdout.write(
            f"{count:,} words: {count / seconds / 1e6:.2f} million a second, {memory:.0f} MiB "
            "above the program\n"
        )
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
