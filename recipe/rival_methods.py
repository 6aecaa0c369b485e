"""Forecasts of other packages, in an environment of their own, which holds no module of this
project: `recipe.rivals` starts this file as a program.

`python rival_methods.py METHOD` reads names of folders line by line, and answers each with the line
`done` when it has written `out.npz` there. A folder's `job.npz` holds `values` (rows,) in raw
units, the series one after the other; `starts` (series + 1,), their first rows, and the number of
rows; `known` (series,), the row after the last one before the test split; `origins` and `series`
(windows,), the first target row and the series of each window; `lookback`, `horizon` and `season`.
`out.npz` gets `forecast` (windows, horizon), and `failed`, the number of windows that the method
gave up.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Job = dict[str, np.ndarray]
SEED = 7
DONE = "done"


def local(job: Job, forecast: Callable[[np.ndarray, int], np.ndarray]) -> tuple[np.ndarray, int]:
    """Fits a method anew at each origin, on all history of its series before it.

    Args:
        forecast: (history, horizon) -> (horizon,).

    Returns:
        (windows, horizon), and how many windows have the last value as their forecast, because the
        method raised an error or gave none.
    """
    horizon, failed = int(job["horizon"]), 0
    out = np.empty((len(job["origins"]), horizon))
    for index, (origin, series) in enumerate(zip(job["origins"], job["series"], strict=True)):
        history = job["values"][job["starts"][series] : origin]
        try:
            out[index] = forecast(history, horizon)
        except Exception:  # packages raise whatever they like on series that they cannot fit
            out[index] = np.nan
        if not np.isfinite(out[index]).all():
            out[index] = history[-1]
            failed += 1
    return out, failed


def _statistical(name: str) -> Callable[[Job], tuple[np.ndarray, int]]:
    def run(job: Job) -> tuple[np.ndarray, int]:
        from statsforecast import models

        model = getattr(models, name)(season_length=int(job["season"]))
        return local(job, lambda history, horizon: model.forecast(y=history, h=horizon)["mean"])

    return run


def _neural(name: str) -> Callable[[Job], tuple[np.ndarray, int]]:
    def run(job: Job) -> tuple[np.ndarray, int]:
        import pandas as pd
        import torch
        from neuralforecast import NeuralForecast, models

        # The same forecasts as with more threads, which wait for each other where cores are busy.
        torch.set_num_threads(1)
        horizon, lookback = int(job["horizon"]), int(job["lookback"])
        model = getattr(models, name)(
            h=horizon,
            input_size=lookback,
            random_seed=SEED,
            accelerator="cpu",
            devices=1,
            enable_progress_bar=False,
            logger=False,
            enable_checkpointing=False,
        )
        forecaster = NeuralForecast([model], freq=1)
        spans = zip(job["starts"][:-1], job["known"], strict=True)
        forecaster.fit(pd.concat(_frame(job, *span, number) for number, span in enumerate(spans)))
        # Each window is a series of its own, which the fitted network continues.
        windows = pd.concat(
            _frame(job, origin - lookback, origin, number)
            for number, origin in enumerate(job["origins"])
        )
        ahead = forecaster.predict(windows).sort_values(["unique_id", "ds"])[name]
        return ahead.to_numpy(np.float64).reshape(-1, horizon), 0

    return run


def _frame(job: Job, start: int, stop: int, number: int) -> Any:
    import pandas as pd

    steps = np.arange(stop - start)
    return pd.DataFrame({"unique_id": number, "ds": steps, "y": job["values"][start:stop]})


METHODS: dict[str, Callable[[Job], tuple[np.ndarray, int]]] = {
    **{name: _statistical(name) for name in ("AutoETS", "AutoTheta")},
    **{name: _neural(name) for name in ("LSTM", "GRU")},
}


def main(method: str) -> None:
    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        with np.load(folder / "job.npz") as arrays:
            forecast, failed = METHODS[method](dict(arrays))
        np.savez(folder / "out.npz", forecast=forecast, failed=failed)
        sys.stdout.write(f"{DONE}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
