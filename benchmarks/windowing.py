"""Windowing 10 million rows: how much memory it takes above the series, and whether batches come
faster than a network eats them.

python -m benchmarks.windowing [--rows N] [--json FILE]
"""

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from stages.files import examples
from stages.kinds.forecasting import scale_and_window
from stages.series import windows

LOOKBACK, HORIZON, BATCH, STEPS = 168, 24, 32, 32
MIB = 1 << 20


def peak() -> float:
    """Returns the largest memory that this program has held so far, in MiB (Linux)."""
    # getrusage would count what the process held before it became this program.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


def table_of(rows: int) -> pd.DataFrame:
    """A tidy table as `ingest` writes it: one series of `rows` hours."""
    splits = np.repeat(
        np.array([0, 1, 2], np.int8),
        [rows * 8 // 10, rows // 10, rows - rows * 8 // 10 - rows // 10],
    )
    return pd.DataFrame(
        {
            "series": pd.Categorical.from_codes(np.zeros(rows, np.int8), categories=["all"]),
            "time": np.arange(rows),
            "y": np.random.default_rng(0).random(rows),
            "observed_y": np.ones(rows, bool),
            "split": pd.Categorical.from_codes(splits, categories=["train", "validation", "test"]),
        }
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        section = scale_and_window.Parameters(lookback=LOOKBACK, horizon=HORIZON)
        about = {"inputs": ["y"], "targets": ["y"], "frequency": "1"}
        table = table_of(given.rows)
        with_table = peak()
        prepared = scale_and_window.prepare(table, about, section)
        series, count = prepared.arrays["values"].nbytes / MIB, prepared.about["windows"]["train"]
        preparing = peak() - with_table - series
        examples.write(Path(folder), prepared)
        del table, prepared

        # In a process of its own, whose peak nothing else has raised.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            rate, iterating = alone.submit(cutting, folder).result()
        eaten = eating(train_of(folder))
    result = {
        "rows": given.rows,
        "windows": count,
        "series_mib": round(series),
        "preparing_mib_above_series": round(preparing),
        "iterating_mib_above_series": round(iterating - series),
        "cut_windows_per_second": round(rate),
        "trained_windows_per_second": round(eaten),
        "cut_to_trained": round(rate / eaten, 1),
    }
    for name, value in result.items():
        sys.stdout.write(f"{name:<30}{value:>12,}\n")
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def train_of(folder: str) -> windows.Windows:
    found = examples.read(Path(folder))
    return windows.of_split(found.arrays, found.about, "train")


def cutting(folder: str) -> tuple[float, float]:
    """Cuts every window once, in the random order of an epoch.

    Returns:
        Windows a second, and by how many MiB the peak of memory rose. The pages of the mapped
        series count among them.
    """
    train, before = train_of(folder), peak()
    order = np.random.default_rng(1).permutation(len(train))
    started = time.perf_counter()
    for start in range(0, len(order), BATCH * STEPS):
        train.cut(order[start : start + BATCH * STEPS])
    return len(order) / (time.perf_counter() - started), peak() - before


def eating(train: windows.Windows) -> float:
    """Trains a GRU of 64 units on windows that are there already. Returns windows a second."""
    from stages.kinds.forecasting import train as kind
    from stages.networks import training

    parameters = kind.Parameters(cell="gru", units=64, segment=24)
    about = {
        "lookback": LOOKBACK,
        "horizon": HORIZON,
        "inputs": [0],
        "targets": [0],
        "arrays": {"calendar": {"shape": [1, 0]}},
    }
    network = kind.build(about, parameters)
    optimizer = training.keras.optimizers.Adam()
    optimizer.build(network.trainable_variables)
    step = training.training_steps(network, kind.loss(parameters), optimizer, [], None)
    with ThreadPoolExecutor(1) as ahead:
        chunks = list(
            islice(
                training.chunks(network, train, np.arange(BATCH * STEPS * 4), BATCH, STEPS, ahead),
                4,
            )
        )
    step(chunks[0][1])
    started = time.perf_counter()
    for _ in range(5):
        for _, chunk in chunks:
            step(chunk)
    return 5 * 4 * STEPS * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
