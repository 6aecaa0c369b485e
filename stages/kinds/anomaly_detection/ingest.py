"""Raw table -> tidy series, split by time, with the rows marked that are anomalies."""

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.files import raw_series
from stages.files.raw_series import Layout
from stages.kinds.anomaly_detection import labels
from stages.kinds.anomaly_detection.series import IngestedLabels
from stages.sections import InnerPath, Name
from stages.series import times
from stages.series.data import IngestedSeries
from stages.splits import SPLITS

log = logging.getLogger("reprise")

ANOMALY = "anomaly"


class Parameters(Layout):
    """How the raw table is laid out, as for forecasting, of which `known` does not apply; and which
    rows are anomalies. Nothing is fitted on labels. Without them there are alarms, but no scores.

    targets: the columns that are watched; all of them are inputs.
    labels: a column of 0 and 1: 1 for an anomaly.
    windows: a file of the folder `file` with the first and the last time of each anomaly: a table
        with the columns `start`, `end` and, for several series, `series`; or JSON, series to lists
        of `[start, end]`. A date without a time is its first moment.
    """

    labels: Name | None = None
    windows: InnerPath | None = None

    @model_validator(mode="after")
    def _labels(self) -> "Parameters":
        if self.labels is not None and self.windows is not None:
            raise ValueError("`labels` or `windows`, not both")
        if self.labels is not None and self.layout in ("rows", "columns"):
            raise ValueError(f"for layout {self.layout} `windows` instead of `labels`")
        if self.windows is not None and self.layout == "rows":
            raise ValueError("for layout rows no `windows`")
        if self.windows is not None and self.layout != "files" and self.parts is None:
            raise ValueError(
                "with `windows`, which is beside the data in the folder `file`, the names of the "
                "data's files in `parts`"
            )
        if self.known:
            raise ValueError("no `known` columns: list them in `inputs`")
        listed = self.targets if isinstance(self.targets, list) else []
        if self.inputs is not None and not set(listed) <= set(self.inputs):
            raise ValueError("all of `targets` among `inputs`")
        return self

    def _check_names(self) -> None:
        super()._check_names()
        listed = self.targets if isinstance(self.targets, list) else []
        values = [*listed, *(self.inputs or []), *self.statics]
        if self.labels in (self.time, self.names_column, *values) and self.labels is not None:
            raise ValueError(
                "a column in `labels` that is none of `time`, `series`, `targets`, `inputs`, "
                "`static` and `categories`: nothing may learn from labels"
            )
        if ANOMALY in values:
            raise ValueError(f"no values in a column that is called {ANOMALY}")

    def is_target(self, name: str) -> bool:
        return name != self.labels and super().is_target(name)


def read(path: Path, parameters: Parameters, *, newer: bool = False) -> list[pd.DataFrame]:
    """Reads the raw tables, with the column of labels and the windows; or newer rows, of which no
    label is read."""
    if newer:
        return raw_series.read(path, parameters, newer=True)
    if parameters.labels is not None:
        return raw_series.read(path, parameters, also=[parameters.labels])
    if parameters.windows is not None:
        return _with_windows(path, parameters, parameters.windows)
    return raw_series.read(path, parameters)


def _with_windows(path: Path, parameters: Parameters, windows: str) -> list[pd.DataFrame]:
    """Returns the raw tables, of which the first one has the attribute `windows`."""
    if not path.is_dir():
        received = "received a file" if path.exists() else "found none"
        raise InputError(f"{path}: expected a folder that holds the data and {windows}, {received}")
    if parameters.layout == "files" and parameters.parts is None:
        names = [name for name in raw_series.tables_of(path) if name != windows]
        if not names:
            raise InputError(f"{path}: expected tables beside {windows}, found none")
        parameters = parameters.model_copy(update={"parts": names})
    tables = raw_series.read(path, parameters)
    tables[0].attrs["windows"] = labels.read_windows(path / windows)
    return tables


def ingest(
    tables: Sequence[pd.DataFrame], parameters: Parameters
) -> tuple[pd.DataFrame, IngestedLabels]:
    """Returns the tidy table of `stages.files.raw_series.ingest`, with a column `anomaly` where
    there are labels, and what is to be said of it."""
    table, about = raw_series.ingest(tables, parameters)
    labelled = parameters.labels is not None or parameters.windows is not None
    anomalies: dict[str, int] = {}
    rows: dict[str, int] = {}
    if labelled:
        table[ANOMALY] = labels.marked(
            table,
            *_windows(tables, table, about, parameters),
            may_be_empty=parameters.windows is None,
        )
        anomalies, rows = _counts(table)
        _report(anomalies, rows)
    return table, IngestedLabels(
        **vars(about), labelled=labelled, anomalies=anomalies, anomalous_rows=rows
    )


def _windows(
    tables: Sequence[pd.DataFrame],
    table: pd.DataFrame,
    about: IngestedSeries,
    parameters: Parameters,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the windows of the labels, as `labels.located` does."""
    if parameters.labels is not None:
        clock = raw_series.clock(tables, parameters)
        every = pd.concat([own[parameters.labels] for own in tables], ignore_index=True)
        return labels.of_column(
            every, clock["time"], clock["series"].to_numpy(object), parameters.duplicates
        )
    series = [str(name) for name in table["series"].cat.categories]
    names = {name: name for name in series}
    # A path stands for the series that its file is, and any file for the only series.
    files = parameters.parts or ([parameters.file] if len(series) == 1 else [])
    if len(series) == 1 or parameters.layout == "files":
        for file in files:
            own = raw_series.name_of(PurePosixPath(file).name)
            names[file] = names[own] = series[0] if len(series) == 1 else own
    read = partial(_times, about=about, parameters=parameters)
    return labels.located(tables[0].attrs["windows"], names, read)


def _times(column: pd.Series, about: IngestedSeries, parameters: Parameters) -> pd.Series:
    """Returns the times of windows, written as those of the data or in another way."""
    whole = about.frequency.isdecimal()
    for form in dict.fromkeys([about.reading.get("time_format"), None]):
        try:
            found = times.read_times(column, form, about.zone, whole, about.in_utc)
            break
        except InputError as error:
            reason = error
    else:
        # Of advice to set a format, which would be that of the data, and of rows, there is none.
        text = re.sub(" in data row [0-9]+", "", str(reason))
        advice = ": write them as the times of the data, or such as 2020-01-31 12:00"
        text = re.sub(": (set ingest.time_format|if these are dates).*", advice, text)
        raise InputError(f"ingest.windows: {text}")
    if pd.api.types.is_datetime64_any_dtype(found.values) == whole:
        expected = "whole numbers" if whole else "dates"
        raise InputError(
            f"ingest.windows: expected {expected}, as the data's times are, received "
            f"{column.iloc[0]!r}"
        )
    if found.zone is not None and about.zone is None:
        raise InputError(
            "ingest.windows: expected times without an offset from UTC, as the data's times are, "
            f"received some with {found.zone}: leave it out, or set ingest.zone"
        )
    return found.values


def _counts(table: pd.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """Returns how many anomalies begin in each split, and how many rows of it are in one."""
    marks, series = table[ANOMALY].to_numpy(), table["series"].cat.codes.to_numpy()
    goes_on = np.concatenate([[False], marks[:-1] & (series[1:] == series[:-1])])
    splits = table["split"].cat.codes.to_numpy()
    anomalies, rows = {}, {}
    for code, name in enumerate(SPLITS):
        anomalies[name] = int((marks & ~goes_on & (splits == code)).sum())
        rows[name] = int((marks & (splits == code)).sum())
    return anomalies, rows


def _report(anomalies: dict[str, int], rows: dict[str, int]) -> None:
    """Warns of anomalies where none are expected, and of none where some are."""
    for split in ("train", "validation"):
        if rows[split]:
            log.warning(
                "labels: %d rows of %s are in anomalies (%d begin there); it is taken for normal: "
                "move ingest.split if there is a longer part without any",
                rows[split],
                split,
                anomalies[split],
            )
    if not rows["test"]:
        log.warning("labels: no row of test is in an anomaly, so there is no score but alarm_rate")


__all__ = ["Parameters", "ingest", "read"]
