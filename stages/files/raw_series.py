"""Raw table -> tidy series, split by time."""

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from stages.errors import InputError
from stages.files import raw, raw_json, raw_tables
from stages.formats import NumberFormat, Reading, Wanted
from stages.sections import InnerPath, Name
from stages.series import ahead, grid, statics, tidying, times
from stages.series.data import IngestedSeries
from stages.series.numbers import sentinels, to_numbers
from stages.series.splits import ByDate, ByPrefix, Split

log = logging.getLogger("reprise")


def _frequency(name: str) -> str:
    try:
        grid.parse(name)
    except ValueError:
        raise ValueError(
            "a frequency as pandas writes it (h, D, B, W-SAT, MS, 15min), MS-15 or a whole number"
        ) from None
    return name


def _time_format(form: str) -> str:
    try:
        pd.to_datetime(pd.Series(["x"]), format=form, errors="coerce")
    except ValueError as error:
        raise ValueError(f"a format of strptime, such as %d.%m.%Y ({error})") from None
    if "%" not in form or "%z" in form.rstrip()[:-2]:
        raise ValueError("a format of strptime, such as %d.%m.%Y, with %z at its end if at all")
    return form


def _zone(name: str) -> str:
    times.check_zone(name)
    return name


# The column of the names of series where each file is one.
SERIES = "series"


class Layout(NumberFormat):
    """How the raw table is laid out, and what becomes of its flaws. How the file is written:
    `stages.formats`.

    parts: the files of the folder, in the order of their times; null, for layout `files`: all of
        its tables.
    layout: `table`: a row a time (and series). `columns`: each target column is a series of its
        own. `rows`: each row is one. `files`: each file of the folder is one, named after it.
    time: the column of times or whole numbers; null: rows are steps.
    time_format: as `datetime.strptime` takes it; null: found out, where there is only one way to
        read the times.
    zone: the time zone of the data, such as Europe/Berlin, where the times do not name it.
    series: the column that names the series; null: there is one.
    targets: the columns to forecast; for `columns` the series; for `rows` one name for the values.
        `all`: each column that is neither `time` nor `series`; any other text: a regular expression
        that their names match.
    inputs: the columns to forecast from; null: the targets.
    known: columns of numbers whose future is known as well, such as prices or promotions. Rows
        behind the last targets in which these alone have values are the future that is forecast.
    static, categories: columns of numbers, and of text, that are the same in all rows of a series;
        the network is told them.
    values: for `rows`, a regular expression that the names of the value columns match; null: all
        but `series`.
    frequency: the step between times, as `stages.series.grid` says; null: found out. 1: times are
        whole numbers.
    """

    parts: Annotated[list[InnerPath], Field(min_length=1)] | None = None
    layout: Literal["table", "columns", "rows", "files"] = "table"
    time: Name | None = None
    time_format: Annotated[Name, AfterValidator(_time_format)] | None = None
    zone: Annotated[Name, AfterValidator(_zone)] | None = None
    series: Name | None = None
    targets: Annotated[list[Name], Field(min_length=1)] | Name
    inputs: Annotated[list[Name], Field(min_length=1)] | None = None
    known: list[Name] = []
    static: list[Name] = []
    categories: list[Name] = []
    values: Name | None = None
    frequency: Annotated[Name, AfterValidator(_frequency)] | None = None
    duplicates: Literal["error", "first", "last", "mean"] = "error"
    gaps: Literal["error", "interpolate", "forward_fill", "zero", "keep"] = "error"
    split: Split

    @model_validator(mode="after")
    def _layout(self) -> Self:
        if self.layout == "rows" and (
            self.series is None
            or isinstance(self.targets, str)
            or len(self.targets) != 1
            or self.time is not None
        ):
            raise ValueError(
                "for layout rows a column `series`, a list of one name in `targets` and no `time`"
            )
        if self.layout == "files" and self.series is not None:
            raise ValueError("for layout files no `series`: each file is one, named after it")
        if self.layout in ("columns", "rows") and self.known:
            raise ValueError(f"for layout {self.layout} no `known`: put series below each other")
        if self.statics and (self.layout != "table" or self.series is None):
            raise ValueError("for `static` and `categories` layout table and a column `series`")
        if self.layout == "columns" and (self.series is not None or self.inputs is not None):
            raise ValueError(
                "for layout columns neither `series` nor `inputs`: each column of `targets` is a "
                "series"
            )
        for pattern in (self.values, self.targets if isinstance(self.targets, str) else None):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ValueError(f"a regular expression, not {pattern!r}: {error}") from None
        self._check_names()
        return self

    def _check_names(self) -> None:
        listed = self.target_columns if isinstance(self.targets, list) else []
        inputs, alone = self.inputs or [], [*self.known, *self.statics]
        values = list(dict.fromkeys([*listed, *inputs]))
        marks = {f"observed_{name}" for name in (*values, *self.known)}
        if (
            any(len(set(names)) < len(names) for names in (listed, inputs, [*values, *alone]))
            or ({"series", "time", "split"} | marks) & {*values, *self.known}
            or {self.time, self.series} & set(alone)
        ):
            raise ValueError(
                "each column once among `time`, `series`, `targets`, `inputs`, `known`, `static` "
                "and `categories` (targets alone can be inputs too), and no values in columns that "
                "are named series, time, split, or observed_ and the name of another one"
            )

    @property
    def names_column(self) -> str | None:
        """The column that names the series in what is read; None where there is none."""
        return SERIES if self.layout == "files" else self.series

    @property
    def statics(self) -> list[str]:
        return [*self.static, *self.categories]

    def naming(self, names: Sequence[str]) -> Self:
        """Returns these parameters with the names of the targets among the columns `names`, where a
        pattern stood for them."""
        if isinstance(self.targets, list):
            return self
        targets = [name for name in names if self.is_target(name)]
        if not targets:
            raise InputError(
                f"ingest.targets: expected columns that match {self.targets!r}, found none among "
                f"{', '.join(map(repr, names))}"
            )
        found = self.model_copy(update={"targets": targets})
        try:
            found._check_names()
        except ValueError as error:
            raise InputError(f"ingest.targets: expected {error}: rename the columns") from None
        return found

    def is_target(self, name: str) -> bool:
        if isinstance(self.targets, list):
            return name in self.targets
        return name not in (self.time, self.names_column, *self.known, *self.statics) and (
            self.targets == "all" or re.fullmatch(self.targets, name) is not None
        )

    @property
    def columns(self) -> list[str]:
        """The value columns of the tidy table: targets first, then the inputs that are no targets,
        then the known ones."""
        return [*self.seen_columns, *self.known]

    @property
    def seen_columns(self) -> list[str]:
        """Those whose future is not known."""
        return list(dict.fromkeys([*self.target_columns, *self.input_columns]))

    @property
    def input_columns(self) -> list[str]:
        return ["value"] if self.layout == "columns" else list(self.inputs or self.targets)

    @property
    def target_columns(self) -> list[str]:
        return ["value"] if self.layout == "columns" else list(self.targets)


@dataclass(frozen=True)
class LongTable:
    """A table with `series`, `time` and the value columns, how its times were read, and what was
    detected on the way."""

    table: pd.DataFrame
    times: times.Times
    reading: Reading


def columns_to_read(parameters: Layout, *, newer: bool = False, also: Sequence[str] = ()) -> Wanted:
    """Returns what is read of the raw file, `also` as text. `newer` rows need no targets, unless
    these are inputs too, and static columns for series alone that training never saw."""
    if parameters.layout == "rows":
        pattern = re.compile(parameters.values or ".*")
        return Wanted(
            [str(parameters.series)],
            lambda name: pattern.fullmatch(name) is not None,
            lambda name: name != parameters.series,
        )
    others = [name for name in (parameters.time, parameters.series, *also) if name is not None]
    listed = parameters.targets if isinstance(parameters.targets, list) else []
    if parameters.layout == "table" and parameters.inputs is not None:
        listed = list(dict.fromkeys([*([] if newer else listed), *parameters.inputs]))
    listed = [*listed, *parameters.known, *([] if newer else parameters.statics)]
    by_pattern = isinstance(parameters.targets, str)

    in_column = {SERIES} if newer and parameters.layout == "files" else set()

    def matches(name: str) -> bool:
        if name in in_column or name in parameters.statics:
            return True
        return by_pattern and parameters.is_target(name)

    texts = [*others, *in_column, *parameters.categories]
    return Wanted([*others, *listed], matches, lambda name: name not in texts)


def read(
    path: Path, parameters: Layout, *, newer: bool = False, also: Sequence[str] = ()
) -> list[pd.DataFrame]:
    """Reads a raw table, or those of a folder in the order of their times; or `newer` rows, which
    come as one table. Where each file is a series, newer rows may also name it in a column
    `series`.

    Args:
        also: other columns that are read, as text. No layout of series has them.
    """
    wanted = columns_to_read(parameters, newer=newer, also=also)
    names = None if newer else parameters.parts
    if parameters.layout != "files":
        return raw_tables.read_files(path, names, wanted, parameters)
    paths = [path] if newer else [path / name for name in names or tables_of(path)]
    _check_names_of(paths)
    tables = []
    for file in paths:
        table = raw_tables.read_raw(file, wanted, parameters)
        if SERIES not in table:
            table[SERIES] = name_of(file.name)
        tables.append(table)
    return tables


def _check_names_of(paths: Sequence[Path]) -> None:
    """Raises `InputError` for files that would be one series."""
    first: dict[str, Path] = {}
    for path in paths:
        other = first.setdefault(name_of(path.name), path)
        if other is not path:
            raise InputError(
                f"{path.name}: expected files whose names differ before the suffix, as each is a "
                f"series, received {other} and {path}: rename one"
            )


def name_of(file: str) -> str:
    """Returns the name of the series that a file is: that of the file without its suffixes."""
    return file.removesuffix(".gz").rsplit(".", 1)[0]


def tables_of(folder: Path) -> list[str]:
    """Returns the names of the tables in a folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of tables, found none")
    suffixes = [suffix for suffix in raw_tables.SUFFIXES if suffix not in raw_json.SUFFIXES]
    names = sorted(path.name for path in folder.iterdir() if raw.suffix_of(path) in suffixes)
    if not names:
        raise InputError(f"{folder}: expected tables in it ({', '.join(suffixes)}), found none")
    return names


def ingest(
    tables: Sequence[pd.DataFrame], parameters: Layout
) -> tuple[pd.DataFrame, IngestedSeries]:
    """Returns the tidy table of `stages.series.tidying.tidy`, with what is known of the time after
    it, and what is to be said of both: `vars` of that are fields of any class derived from it."""
    parameters = parameters.naming(list(tables[0].columns))
    long = _long(tables, parameters, parameters.columns, parameters.time_format, None)
    split = parameters.split
    if isinstance(split, ByDate | ByPrefix):
        split = split.on_clock(
            lambda time: times.on_clock(time, long.times.zone, long.times.in_utc)
        )
    seen, known = parameters.seen_columns, parameters.known
    happened, future = ahead.of_task(long.table, parameters.target_columns, seen, known)
    table, counts = tidying.tidy(
        happened,
        parameters.columns,
        parameters.frequency,
        parameters.duplicates,
        parameters.gaps,
        split,
    )
    names = table["series"].cat.categories
    constant = describe(tables, parameters)
    reading: Reading = {**long.times.reading, **long.reading}
    if suspects := _suspects(long.table, parameters.columns):
        reading["possible_missing_values"] = suspects
    first_time, last_time = (str(time) for time in (table["time"].min(), table["time"].max()))
    if len(future):
        step = None if parameters.gaps == "keep" else counts["frequency"]
        table = ahead.append(table, future, known, step, parameters.duplicates)
        counts["raw_rows"] += len(future)
        counts["duplicates"] += len(future) - (len(table) - counts["rows"])
    return table, IngestedSeries(
        reading=reading,
        **counts,
        rows_ahead=len(table) - counts["rows"],
        inputs=parameters.input_columns,
        targets=parameters.target_columns,
        known=known,
        static={name: constant.loc[names, name].tolist() for name in parameters.static},
        categories={name: constant.loc[names, name].tolist() for name in parameters.categories},
        first_time=first_time,
        last_time=last_time,
        zone=long.times.zone,
        in_utc=long.times.in_utc,
    )


def describe(
    tables: Sequence[pd.DataFrame], parameters: Layout, only: Collection[str] | None = None
) -> pd.DataFrame:
    """Returns the static columns of raw tables as `stages.series.statics.collect` does; nothing
    where the task has none."""
    if not parameters.statics:
        return pd.DataFrame()
    return statics.collect(
        _concatenated(tables),
        str(parameters.series),
        parameters.static,
        parameters.categories,
        parameters,
        only,
    )


def newer(
    tables: Sequence[pd.DataFrame], parameters: Layout, ingested: IngestedSeries
) -> pd.DataFrame:
    """Returns the inputs and the known columns of rows that came after training as a long table.

    Times are read as in training, where all rows together left one way to read them: a few rows
    alone may leave several.
    """
    columns = [*parameters.input_columns, *parameters.known]
    long = _long(tables, parameters, columns, ingested.reading.get("time_format"), ingested)
    has_dates = pd.api.types.is_datetime64_any_dtype(long.table["time"])
    had_dates = not ingested.frequency.isdecimal()
    if has_dates != had_dates:
        expected, received = ("dates", "whole numbers") if had_dates else ("whole numbers", "dates")
        raise InputError(
            f"column {parameters.time!r}: expected {expected}, as in training, received {received}"
        )
    _suspects(long.table, columns)
    return long.table


def _suspects(table: pd.DataFrame, columns: list[str]) -> dict[str, dict[str, int]]:
    """Warns of the values of each column that look as if they stood for missing ones, and returns
    them."""
    suspects = {
        column: values for column in columns if (values := sentinels(table[column].to_numpy()))
    }
    for column, values in suspects.items():
        shown = ", ".join(f"{value} ({count} times)" for value, count in values.items())
        log.warning(
            "column %r: %s: far from all other values; if missing ones are written so, name them "
            "in ingest.missing",
            column,
            shown,
        )
    return suspects


def _long(
    tables: Sequence[pd.DataFrame],
    parameters: Layout,
    columns: list[str],
    time_format: str | None,
    ingested: IngestedSeries | None,
) -> LongTable:
    """Returns raw tables as one long table. `ingested`: of training, where rows are newer."""
    if not any(len(table) for table in tables):
        raise InputError("expected at least one row of data below the header, received none")
    reading: Reading = {**tables[0].attrs.get("reading", {})}
    if parameters.layout == "rows":
        long = tidying.stack_rows(
            tables, str(parameters.series), parameters.target_columns[0], parameters, reading
        )
        if not len(long):
            raise InputError(
                f"expected value columns with numbers, found none that match {parameters.values!r}"
            )
        return LongTable(long, times.Times(long["time"]), reading)
    table = _concatenated(tables)
    by_columns = parameters.layout == "columns"
    absent = [name for name in (parameters.targets if by_columns else columns) if name not in table]
    if absent:
        raise InputError(
            f"expected the column {absent[0]!r}, found {', '.join(map(repr, table.columns))}"
        )
    column = parameters.names_column
    names = None if column is None else tidying.names_of(table[column])
    clock = _times(table, names, parameters, time_format, ingested)
    if by_columns:
        long = tidying.stack_columns(
            table, clock.values, list(parameters.targets), "value", parameters, reading
        )
    else:
        values = pd.DataFrame(to_numbers(table[columns], parameters, reading), columns=columns)
        series = "all" if names is None else names.to_numpy()
        long = values.assign(series=series, time=clock.values.to_numpy())
    return LongTable(long, clock, reading)


def clock(tables: Sequence[pd.DataFrame], parameters: Layout) -> pd.DataFrame:
    """Returns the `series` and the `time` of each row of raw tables of layout `table` or
    `files`."""
    table, column = _concatenated(tables), parameters.names_column
    names = None if column is None else tidying.names_of(table[column])
    found = _times(table, names, parameters, parameters.time_format, None)
    series = "all" if names is None else names.to_numpy()
    return pd.DataFrame({"time": found.values.to_numpy()}).assign(series=series)


def _concatenated(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


def _times(
    table: pd.DataFrame,
    names: pd.Series | None,
    parameters: Layout,
    time_format: str | None,
    ingested: IngestedSeries | None,
) -> times.Times:
    """Returns the times of the rows; without a column of times, the steps of each series."""
    if parameters.time is None:
        steps = (
            pd.Series(range(len(table)))
            if names is None
            else table.groupby(names.to_numpy(), sort=False).cumcount()
        )
        return times.Times(steps.astype("int64"))
    zone, in_utc, frequency = (
        (parameters.zone, None, parameters.frequency or "")
        if ingested is None
        else (ingested.zone, ingested.in_utc, ingested.frequency)
    )
    return times.read_times(
        table[parameters.time], time_format, zone, frequency.isdecimal(), in_utc
    )
