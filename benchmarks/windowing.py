"""Windowing 10 million rows: how much memory it takes above the series, and whether batches come
faster than a network trains on them.

python -m benchmarks.windowing [--rows N] [--json FILE]
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.memory import peak
from stages import kinds
from stages.batching import Batch, Batches, cut_ahead, plan
from stages.files import examples
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.windowing import Windowing, windowed

LOOKBACK, HORIZON, BATCH, STEPS = 168, 24, 32, 32
MIB = 1 << 20


def table_of(rows: int) -> tuple[pd.DataFrame, IngestedSeries]:
    """Returns a tidy table as `ingest` writes it, one series of `rows` hours, and what is to be
    said of it."""
    held_out = rows // 10
    split_rows = {"train": rows - 2 * held_out, "validation": held_out, "test": held_out}
    splits = np.repeat(np.array([0, 1, 2], np.int8), list(split_rows.values()))
    table = pd.DataFrame(
        {
            "series": pd.Categorical.from_codes(np.zeros(rows, np.int8), categories=["all"]),
            "time": np.arange(rows),
            "y": np.random.default_rng(0).random(rows),
            "observed_y": np.ones(rows, bool),
            "split": pd.Categorical.from_codes(splits, categories=list(split_rows)),
        }
    )
    return table, IngestedSeries(
        reading={},
        raw_rows=rows,
        was_sorted=True,
        duplicates=0,
        frequency="1",
        missing_times=0,
        missing_values=0,
        rows=rows,
        series=1,
        split_rows=split_rows,
        rows_ahead=0,
        rows_in_no_split=0,
        inputs=["y"],
        known=[],
        targets=["y"],
        static={},
        categories={},
        first_time="0",
        last_time=str(rows - 1),
        zone=None,
        in_utc=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        table, ingested = table_of(args.rows)
        with_table = peak()
        prepared = windowed(table, ingested, Windowing(lookback=LOOKBACK, horizon=HORIZON))
        series, count = prepared.values.nbytes / MIB, prepared.windows["train"]
        preparing = peak() - with_table - series
        examples.write(Path(folder), prepared)
        del table, prepared

        # In a process of its own, whose peak nothing else has raised.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            cut_rate, iterating = alone.submit(cut_all, folder).result()
        trained_rate = train(examples.read(Path(folder), SeriesExamples))
    result = {
        "rows": args.rows,
        "windows": count,
        "series_mib": round(series),
        "preparing_mib_above_series": round(preparing),
        "iterating_mib_above_series": round(iterating - series),
        "cut_windows_per_second": round(cut_rate),
        "trained_windows_per_second": round(trained_rate),
        "cut_to_trained": round(cut_rate / trained_rate, 1),
    }
    for name, value in result.items():
        sys.stdout.write(f"{name:<30}{value:>12,}\n")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


def cut_all(folder: str) -> tuple[float, float]:
    """Cuts every training window once, in the random order of an epoch.

    Returns:
        Windows per second, and by how many MiB the peak of memory rose. The pages of the mapped
        series count among them.
    """
    windows, before = examples.read(Path(folder), SeriesExamples).windows_of("train"), peak()
    order = np.random.default_rng(1).permutation(len(windows))
    started = time.perf_counter()
    for start in range(0, len(order), BATCH * STEPS):
        windows.cut(order[start : start + BATCH * STEPS])
    return len(order) / (time.perf_counter() - started), peak() - before


def train(prepared: SeriesExamples) -> float:
    """Trains a GRU of 64 units on windows that were cut before. Returns windows per second."""
    from stages.networks.backend import keras
    from stages.networks.steps import training_steps

    module = kinds.module("forecasting", "train")
    parameters = module.Parameters.model_validate({"cell": "gru", "units": 64, "segment": 24})
    network = module.build(prepared, parameters, "network")
    optimizer = keras.optimizers.Adam()
    optimizer.build(network.trainable_variables)
    step = training_steps(network, module.loss(parameters), optimizer, [], None)
    chunks = cut_chunks(module.batches(prepared, "train", parameters), list(network.input))
    step(chunks[0], [])
    started = time.perf_counter()
    for _ in range(5):
        for chunk in chunks:
            step(chunk, [])
    return 5 * len(chunks) * STEPS * BATCH / (time.perf_counter() - started)


def cut_chunks(windows: Batches, names: list[str]) -> list[Batch]:
    """Returns four chunks of batches with the inputs `names`, each of what one call of the compiled
    loop takes."""
    chunks = plan(windows, BATCH, STEPS)[:4]
    with ThreadPoolExecutor(1) as ahead:
        return list(cut_ahead(windows, chunks, BATCH, names, ahead))


if __name__ == "__main__":
    main()
