"""Raw table -> tidy series, split by time."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from stages.arrays import series
from stages.arrays.splits import Split
from stages.errors import InputError
from stages.sections import Name, Section

READS = "tables"


class Parameters(Section):
    """How the raw table is laid out, and what becomes of its flaws.

    file: the raw file, or a folder of them, in `data/raw/`.
    parts: the files of the folder, in the order of their times.
    layout: `table`: a row a time (and series). `columns`: each target column is a series of its own. `rows`: each row is one.
    time: the column of times or whole numbers; null: rows are steps.
    series: the column that names the series; null: there is one.
    targets: the columns to forecast; for `columns` the series; for `rows` one name for the values.
    inputs: the columns to forecast from; null: the targets.
    values: for `rows`, a regular expression that the names of the value columns match; null: all but `series`.
    """

    file: Annotated[str, Field(pattern=r"^data/raw/[^/]+$")]
    parts: list[Name] | None = None
    layout: Literal["table", "columns", "rows"] = "table"
    time: Name | None = None
    time_format: Name | None = None
    series: Name | None = None
    targets: Annotated[list[Name], Field(min_length=1)]
    inputs: Annotated[list[Name], Field(min_length=1)] | None = None
    values: Name | None = None
    frequency: Name | None = None
    duplicates: Literal["error", "first", "last", "mean"] = "error"
    gaps: Literal["error", "interpolate", "forward_fill", "zero", "keep"] = "error"
    split: Split

    @model_validator(mode="after")
    def _layout(self) -> "Parameters":
        if self.layout == "rows" and (self.series is None or len(self.targets) != 1 or self.time is not None):
            raise ValueError("for layout rows a column `series`, one name in `targets` and no `time`")
        if self.layout == "columns" and (self.series is not None or self.inputs is not None):
            raise ValueError("for layout columns neither `series` nor `inputs`: each column of `targets` is a series")
        if self.layout == "rows" and self.values is not None:
            re.compile(self.values)
        if len(set(self.columns)) != len(self.columns) or {"series", "time", "split"} & set(self.columns):
            raise ValueError("different names in `targets` and `inputs`, none of them series, time or split")
        if self.frequency is not None and not (self.frequency.isdigit() and int(self.frequency) > 0):
            try:
                pd.tseries.frequencies.to_offset(self.frequency)
            except ValueError:
                raise ValueError(
                    f"a frequency as pandas writes it (h, D, B, W-SAT, MS, 15min) or a whole number, not {self.frequency!r}"
                ) from None
        return self

    @property
    def columns(self) -> list[str]:
        """The value columns of the tidy table: targets first, then the inputs that are no targets."""
        if self.layout == "columns":
            return ["value"]
        return [*self.targets, *(name for name in self.inputs or [] if name not in self.targets)]

    @property
    def input_columns(self) -> list[str]:
        return ["value"] if self.layout == "columns" else list(self.inputs or self.targets)

    @property
    def target_columns(self) -> list[str]:
        return ["value"] if self.layout == "columns" else list(self.targets)


def columns_to_read(parameters: Parameters, *, newer: bool = False) -> tuple[list[str], Any]:
    """Returns the names that must be in the raw file, and a test for further names that belong to the values.

    `newer` rows need no targets, unless these are inputs too.
    """
    if parameters.layout == "rows":
        pattern = re.compile(parameters.values or ".*")
        return [str(parameters.series)], lambda name: pattern.fullmatch(name) is not None
    values = parameters.targets if parameters.layout == "columns" else parameters.input_columns if newer else parameters.columns
    named = [parameters.time, parameters.series, *values]
    return [name for name in named if name is not None], None


def ingest(parts: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Returns the tidy table of `stages.arrays.series.tidy` and what `about.json` says of it."""
    table, counts = series.tidy(
        _long(parts, parameters, parameters.columns),
        parameters.columns,
        parameters.frequency,
        parameters.duplicates,
        parameters.gaps,
        parameters.split,
    )
    return table, {
        **counts,
        "inputs": parameters.input_columns,
        "targets": parameters.target_columns,
        "first_time": str(table["time"].iloc[0]),
        "last_time": str(table["time"].iloc[-1]),
    }


def newer(parts: Sequence[pd.DataFrame], parameters: Parameters, frequency: str) -> pd.DataFrame:
    """Returns the inputs of rows that came after training as a tidy table without splits, on the steps that were found in training."""
    table = _long(parts, parameters, parameters.input_columns)
    return series.tidy(table, parameters.input_columns, frequency, parameters.duplicates, parameters.gaps, None)[0]


def _long(parts: Sequence[pd.DataFrame], parameters: Parameters, columns: list[str]) -> pd.DataFrame:
    if not any(len(part) for part in parts):
        raise InputError("expected at least one row of data below the header, received none")
    if parameters.layout == "rows":
        table = series.stack_rows(parts, str(parameters.series), parameters.targets[0])
        if not len(table):
            raise InputError(f"expected value columns with numbers, found none that match {parameters.values!r}")
        return table
    table = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    if parameters.layout == "columns":
        table = series.stack_columns(table, parameters.time, parameters.targets, "value")
    else:
        values = series.numbers(table[columns])
        time = range(len(table)) if parameters.time is None else table[parameters.time]
        if parameters.series is None:
            names = pd.Series(["all"] * len(table))
        else:
            names = table[parameters.series].astype(str)
            if parameters.time is None:
                time = table.groupby(parameters.series, sort=False).cumcount()
        table = pd.DataFrame(values, columns=columns, index=table.index).assign(series=names.to_numpy(), time=time)
    return table.assign(time=series.times_of(table["time"], parameters.time_format))
