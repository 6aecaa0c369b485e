"""A forecasting task from its raw table on, with a network that repeats the window's last value."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.files.joining import join
from stages.kinds.forecasting import ingest, predict
from stages.kinds.forecasting.newcomers import admit
from stages.series.data import IngestedSeries, SeriesExamples
from tests import tasks

SPLIT = {"train": 0.6, "validation": 0.2, "test": 0.2}


def fitted(examples: SeriesExamples) -> dict[str, np.ndarray]:
    """Returns what an evaluation would have fitted on residuals of 0."""
    shape = (examples.horizon, len(examples.targets))
    return {
        "half_widths": np.zeros((2, *shape)),
        "quantiles": np.array([0.5]),
        "offsets": np.zeros((1, *shape)),
        "bounds": np.array([-np.inf, np.inf]),
    }


class Task:
    """A task in the current folder whose data was ingested, scaled and windowed.

    Attributes:
        window: the last window that the network has seen, (lookback, inputs), in raw units.
    """

    window: np.ndarray

    def __init__(
        self,
        content: str | pd.DataFrame,
        lookback: int = 6,
        horizon: int = 3,
        calendar: tuple[str, ...] = (),
        windowing: dict[str, Any] | None = None,
        **section: Any,
    ) -> None:
        self.layout = ingest.Parameters.model_validate(
            {"file": "data/raw/x.csv", "split": SPLIT, **section}
        )
        raw = [content] if isinstance(content, pd.DataFrame) else self._read(content)
        table, ingested = ingest.ingest(raw, self.layout)
        sizes = {"lookback": lookback, "horizon": horizon, "calendar": list(calendar)}
        self.data = tasks.prepare("forecasting", table, ingested, sizes | (windowing or {}))

    @property
    def ingested(self) -> IngestedSeries:
        return self.data.ingested.about

    @property
    def examples(self) -> SeriesExamples:
        return self.data.examples

    @property
    def fitted(self) -> dict[str, np.ndarray]:
        """What an evaluation would have fitted on residuals of 0."""
        return fitted(self.examples)

    def forecast(self, newer: str | None = None) -> pd.DataFrame:
        """Returns the rows of the forecast as they are written, all of them text: after the task's
        table, or after `newer` rows, a raw file's content."""
        table = self.data.ingested.read()
        data = self.data
        if newer is not None:
            tables = self._read(newer, newer=True)
            table = join(table, tables, data, self.layout)
            data = admit(table, tables, data, self.layout, ["window"])
        rows = predict.forecast(table, data, self.fitted, self._repeat_last_value)
        content = rows.to_csv(index=False, float_format="%.7g")
        return pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)

    def _read(self, content: str, *, newer: bool = False) -> list[pd.DataFrame]:
        path = Path("x.csv")
        path.write_text(content)
        return ingest.read(path, self.layout, newer=newer)

    def _repeat_last_value(self, last: predict.Last) -> np.ndarray:
        windows, examples = last.inputs["window"], self.examples
        self.window = windows[0] * examples.scale_[0] + examples.shift_[0]
        seen = [examples.inputs.index(target) for target in examples.targets]
        return np.repeat(windows[:, -1:, seen], examples.horizon, axis=1)


def days(values: Any, start: str = "2020-01-01", frequency: str = "D") -> pd.DataFrame:
    values = list(values)
    times = pd.date_range(start, periods=len(values), freq=frequency)
    return pd.DataFrame({"day": times, "y": values})


def csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False)
