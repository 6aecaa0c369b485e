"""The rows of a series as the network takes them, and what is said of each of them, as a table and
as a picture."""

from typing import Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, CYCLE
from stages.kinds.anomaly_detection.detector import Detector
from stages.kinds.anomaly_detection.following import Rows
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.series import grid, times
from stages.series.drawing import label_times
from stages.series.splits import starts_of

# Scaled values are at most so far from 0.
LARGEST = 1e6


def by_series(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the rows of each series of a tidy table, by its name."""
    codes = table["series"].cat.codes.to_numpy()
    starts = starts_of(codes)
    names = table["series"].cat.categories[codes[starts[:-1]]]
    return {
        str(name): table.iloc[start:stop]
        for name, start, stop in zip(names, starts[:-1], starts[1:], strict=True)
    }


def rows_of(table: pd.DataFrame, examples: LabelledSeries, number: int) -> Rows:
    """Returns the rows of a series, of a tidy table, as the network takes them."""
    raw = table[examples.columns].to_numpy(np.float64)
    every = list(range(raw.shape[1]))
    scaled = examples.fitted_scaler.forward(raw[None], np.array([number]), every)[0]
    told = examples.input_names if examples.inputs_observed.shape[1] else []
    return Rows(
        # No network tells larger values apart, and as infinite ones they would count as missing.
        np.clip(scaled, -LARGEST, LARGEST).astype(np.float32),
        table[[f"observed_{name}" for name in examples.target_names]].to_numpy(bool),
        table[[f"observed_{name}" for name in told]].to_numpy(bool),
        table["time"].to_numpy(),
    )


def detections(
    table: pd.DataFrame,
    examples: LabelledSeries,
    about: IngestedLabels,
    number: int,
    scores: np.ndarray,
    expected: np.ndarray,
    detector: Detector,
) -> pd.DataFrame:
    """Returns what is said of rows of a series.

    Args:
        table: the rows, of a tidy table.
        scores: (rows,). expected: (rows, targets), scaled.

    Returns:
        `time`, `series`, `score`, `threshold`, `alarm` (0 or 1), where the table has labels
        `anomaly` (0 or 1), and for each target `seen_NAME`, empty where it was filled in, and
        `expected_NAME`, in raw units.
    """
    columns: dict[str, Any] = {
        "time": times.shown(table["time"].to_numpy(), about.zone, about.in_utc),
        "series": examples.series[number],
        "score": scores,
        "threshold": detector.threshold,
        "alarm": (scores > detector.threshold).astype(int),
    }
    if "anomaly" in table:
        columns["anomaly"] = table["anomaly"].to_numpy().astype(int)
    series = np.full(len(table), number)
    restored = examples.restored(expected[:, None], series)[:, 0]
    for index, name in enumerate(examples.target_names):
        columns[f"seen_{name}"] = table[name].where(table[f"observed_{name}"]).to_numpy()
        columns[f"expected_{name}"] = restored[:, index]
    return pd.DataFrame(columns)


def csv(table: pd.DataFrame, frequency: str, *, header: bool = True) -> str:
    """Returns detections of a task with this step as CSV. Rows by themselves are written as they
    are among others."""
    clock = table["time"]
    if pd.api.types.is_datetime64_dtype(clock):  # which pandas writes without hours if all are 0
        clock = clock.map(str).astype("str")
        if grid.in_days(frequency):
            clock = clock.str.removesuffix(" 00:00:00")
    written = table.assign(time=clock)
    text = written.to_csv(index=False, header=header, float_format="%.7g", lineterminator="\n")
    return str(text)


def of_target(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Returns detections as the table of a plot of one target: `time`, `seen`, `expected`, `score`,
    `threshold`, `alarm`, and `anomaly` where there are labels."""
    shown = table.rename(columns={f"seen_{name}": "seen", f"expected_{name}": "expected"})
    if isinstance(shown["time"].dtype, pd.DatetimeTZDtype):
        shown = shown.assign(time=shown["time"].dt.tz_localize(None))
    names = ["time", "seen", "expected", "score", "threshold", "alarm", "anomaly"]
    return shown[[name for name in names if name in shown]]


def draw_series(axes: Any, table: pd.DataFrame) -> None:
    """Draws `seen` and `expected` over `time`, the rows with an alarm, and the anomalies."""
    clock, seen = table["time"].to_numpy(), table["seen"].to_numpy(float)
    _draw_anomalies(axes, table)
    axes.plot(clock, seen, color=COLOURS["actual"], linewidth=0.7, label="seen")
    axes.plot(clock, table["expected"], color=CYCLE[0], linewidth=0.7, label="expected")
    alarms = table["alarm"].to_numpy(bool)
    axes.plot(
        clock[alarms], seen[alarms], ".", color=COLOURS["network"], markersize=3, label="alarm"
    )
    _finish(axes, clock)


def draw_scores(axes: Any, table: pd.DataFrame) -> None:
    """Draws `score` and `threshold` over `time`, and the anomalies."""
    clock = table["time"].to_numpy()
    _draw_anomalies(axes, table)
    axes.plot(clock, table["score"], color=COLOURS["actual"], linewidth=0.7, label="score")
    axes.axhline(
        table["threshold"].iloc[0],
        color=COLOURS["network"],
        linestyle="dashed",
        linewidth=1,
        label="threshold",
    )
    _finish(axes, clock)


def _draw_anomalies(axes: Any, table: pd.DataFrame) -> None:
    if "anomaly" not in table:
        return
    clock = table["time"].to_numpy()
    edges = np.diff(np.concatenate([[0], table["anomaly"].to_numpy(), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        label = None if index else "anomaly"
        axes.axvspan(clock[start], clock[stop - 1], color="#f4c7a1", alpha=0.6, lw=0, label=label)


def _finish(axes: Any, clock: np.ndarray) -> None:
    label_times(axes, dates=clock.dtype.kind == "M")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
