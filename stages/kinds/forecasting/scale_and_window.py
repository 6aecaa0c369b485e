"""Ingested table -> data/examples/TASK: the scaled series once, and the windows as an index."""

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from stages import command
from stages.errors import InputError
from stages.files import examples, parameters, tables
from stages.files.writing import read_json
from stages.sections import Count, Section
from stages.series import calendar as cycles
from stages.series import scaling, times, windows
from stages.splits import SPLITS

log = logging.getLogger("reprise")


class Parameters(Section):
    """How series become examples.

    scaler, per_series: `minmax`, `standard` or `none`, per feature; one a series, or one for all.
    log: whether the logarithm is taken before; for positive series that grow in per cent.
    lookback, horizon: past steps seen and future steps predicted.
    stride: steps between training windows; validation and test have every window.
    calendar: cycles given for past and future steps: `hour`, `weekday`, ...; lengths in steps where
        times are whole numbers.
    short_series: what becomes of series that have no window in each split.
    """

    scaler: scaling.ScalerName = "minmax"
    per_series: bool = False
    log: bool = False
    lookback: Count
    horizon: Count
    stride: Count = 1
    calendar: Annotated[list[cycles.CalendarFeature | Count], Field(max_length=100)] = []
    short_series: Literal["error", "drop"] = "error"


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    section = parameters.section(task, "scale_and_window", Parameters)
    source = Path("data/ingested") / task
    try:
        result = prepare(
            tables.read(source / "table.parquet"), read_json(source / "about.json"), section
        )
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    examples.write(Path("data/examples") / task, result)
    log.info("%s: windows %s", task, result.about["windows"])


def prepare(
    table: pd.DataFrame, ingested: dict[str, Any], section: Parameters
) -> examples.Examples:
    """Scales the table with a scaler fitted on its training rows, and indexes its windows."""
    columns = list(dict.fromkeys([*ingested["targets"], *ingested["inputs"]]))
    codes = table["series"].cat.codes.to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).astype(
        np.int64
    )
    names = table["series"].cat.categories.to_numpy()[codes[starts[:-1]]]
    boundaries = _boundaries(table["split"].cat.codes.to_numpy(), starts)
    spans = windows.spans(boundaries, section.lookback, section.horizon)
    short = np.flatnonzero((spans[:, :, 1] <= spans[:, :, 0]).any(axis=0))
    if len(short) and (section.short_series == "error" or len(short) == len(names)):
        sizes = dict(zip(SPLITS, np.diff(boundaries[short[0]]).tolist(), strict=True))
        raise InputError(
            f"expected at least one window of lookback {section.lookback} and horizon "
            f"{section.horizon} in each split of each series, "
            f"received {sizes} rows in series {names[short[0]]!r} ({len(short)} of {len(names)} "
            "series are too short): "
            "shorten lookback or horizon, move ingest.split, or set scale_and_window.short_series "
            "to drop"
        )
    spans[:, short, 1] = spans[:, short, 0]
    _check_targets(
        table[[f"observed_{name}" for name in ingested["targets"]]].to_numpy().any(axis=1),
        spans,
        section.horizon,
    )
    raw = table[columns].to_numpy(np.float64)
    # What was filled in is seen, and counts nowhere.
    known = np.where(table[[f"observed_{name}" for name in columns]].to_numpy(), raw, np.nan)
    training = np.delete(boundaries[:, :2], short, axis=0)
    for index, name in enumerate(columns):
        extremes = [
            (np.nanmin(values), np.nanmax(values))
            for start, stop in training
            if np.isfinite(values := known[start:stop, index]).any()
        ]
        if all(low == high for low, high in extremes):
            shown = f"{float(extremes[0][0])} in all" if extremes else "none in any of the"
            raise InputError(
                f"column {name!r}: expected values that vary, received {shown} training rows"
            )
        if section.log and raw[:, index].min() <= 0:
            raise InputError(
                f"column {name!r}: expected positive values for scale_and_window.log, received "
                f"{raw[:, index].min()}"
            )
    scaler = scaling.fit(
        section.scaler,
        known,
        boundaries[:, :2] if section.per_series else training,
        section.per_series,
        section.log,
    )
    arrays = {
        "values": scaler.transform(raw, starts),
        "observed": table[[f"observed_{name}" for name in ingested["targets"]]].to_numpy(),
        "calendar": cycles.features(
            times.local(table["time"].to_numpy(), ingested["zone"], ingested["in_utc"]),
            section.calendar,
        ),
        "starts": starts,
        "spans": spans,
        "training": boundaries[:, :2],
        "shift_": scaler.shift_,
        "scale_": scaler.scale_,
    }
    about = {
        "columns": columns,
        "inputs": [columns.index(name) for name in ingested["inputs"]],
        "targets": [columns.index(name) for name in ingested["targets"]],
        "frequency": ingested["frequency"],
        "lookback": section.lookback,
        "horizon": section.horizon,
        "stride": section.stride,
        "calendar": section.calendar,
        "series": names.tolist(),
        "dropped_series": names[short].tolist(),
        "scaler": section.scaler,
        "log": section.log,
        "rows_fitted_on": int(np.diff(training).sum()),
        "imputed_targets": int((~arrays["observed"]).sum()),
    }
    about["windows"] = {split: len(windows.of_split(arrays, about, split)) for split in SPLITS}
    return examples.Examples(arrays, about)


def _check_targets(observed: np.ndarray, spans: np.ndarray, horizon: int) -> None:
    """Raises `InputError` where the windows of a split have no target but filled-in ones: nothing
    could be learned from it, or scored."""
    before = np.concatenate([[0], np.cumsum(observed)])
    for split, (starts, stops) in zip(SPLITS, spans.transpose(0, 2, 1), strict=True):
        there = stops > starts
        if not (before[stops[there] + horizon - 1] > before[starts[there]]).any():
            raise InputError(
                f"expected a known target in the windows of {split}, received missing ones alone: "
                "move ingest.split or give more rows"
            )


def _boundaries(splits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Returns (series, 4) where the splits of each series begin and end, from the code of each
    row's split (-1: none)."""
    first = starts[:-1]
    before = np.stack(
        [np.concatenate([[0], np.cumsum(splits == code)]) for code in range(len(SPLITS))], axis=1
    )
    sizes = before[starts[1:]] - before[first]
    return first[:, None] + np.concatenate(
        [np.zeros((len(first), 1), np.int64), np.cumsum(sizes, axis=1)], axis=1
    )


if __name__ == "__main__":
    command.run(main)
