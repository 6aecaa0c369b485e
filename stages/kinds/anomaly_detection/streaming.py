"""Rows as CSV from a pipe, as they come: in portions, each of which is as large as there are rows
waiting."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files import joining, raw_series
from stages.files.task_data import TaskData
from stages.kinds.anomaly_detection import detections, ingest
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.kinds.anomaly_detection.watching import Watcher, expect_known
from stages.series import tidying, times

# The most bytes of a portion.
LARGEST = 1 << 16
NAME = "standard input"


class Portion(NamedTuple):
    """Whole lines of CSV, the last of which is not empty, with the header, and the number of the
    first one, from 1."""

    header: bytes
    lines: list[bytes]
    first: int

    @property
    def filled(self) -> list[int]:
        """Which of the lines are not empty."""
        return [place for place, line in enumerate(self.lines) if line.strip()]

    def divided(self) -> tuple["Portion", "Portion"]:
        """Returns the portion as two with as many rows each."""
        filled = self.filled
        middle = filled[len(filled) // 2 - 1] + 1
        return (
            Portion(self.header, self.lines[:middle], self.first),
            Portion(self.header, self.lines[middle:], self.first + middle),
        )


def portions(source: Any, *, header: bool) -> Iterator[Portion]:
    """Yields what has come, at once, of a binary file with `read1`.

    Args:
        header: whether the first line that is not empty is one.
    """
    begun, first, heading = b"", 1, b""
    read = source.read1(LARGEST)
    while read or begun:
        lines = (begun + read).splitlines(keepends=True)
        kept = len(lines)
        # The last line of all may have no end.
        if read and not lines[-1].endswith(b"\n"):
            kept -= 1
        # In a single column an empty line is a missing value, but behind the last row it is none.
        while kept and not lines[kept - 1].strip():
            kept -= 1
        begun, lines = b"".join(lines[kept:]), lines[:kept]
        while header and not heading and lines:
            line = lines.pop(0)
            heading = line if line.strip() else b""
            first += 1
        if lines:
            yield Portion(heading, lines, first)
        first += len(lines)
        if not read:
            return
        read = source.read1(LARGEST)


class Stream:
    """What is said of rows that come behind those of a task.

    Args:
        data: of the task. layout: of its raw file. watching: a watcher for each series.
    """

    def __init__(
        self,
        data: TaskData[IngestedLabels, LabelledSeries],
        layout: ingest.Parameters,
        watching: dict[str, Watcher],
    ) -> None:
        if layout.layout == "rows":
            raise InputError("--follow: expected a layout with rows of times, received `rows`")
        self._data, self._watching = data, watching
        self._layout = _read_as_in_training(layout, data.ingested.about)
        self._columns = ["series", "time", *data.ingested.about.inputs]
        table = data.ingested.read().drop(columns=ingest.ANOMALY, errors="ignore")
        tables = {
            name: rows for name, rows in detections.by_series(table).items() if name in watching
        }
        # The watchers remember what they need of the rows before the last one.
        said = [
            watching[name].watch(rows.tail(watching[name].memory)) for name, rows in tables.items()
        ]
        self._header = said[0].head(0)
        self._last = _by_name(pd.concat([rows.tail(1) for rows in tables.values()]), self._columns)

    def pieces(self, source: Iterable[Portion]) -> Iterator[str]:
        """Yields a table as CSV piece by piece, with its header first."""
        frequency = self._data.examples.frequency
        yield detections.csv(self._header, frequency)
        with TemporaryDirectory() as folder:
            # Where files are series, one without a column of their names is named after itself.
            name = NAME if len(self._last) > 1 else self._last.index[0]
            file = Path(folder) / f"{name if self._layout.layout == 'files' else NAME}.csv"
            for portion in source:
                for said in self._said(portion, file):
                    yield detections.csv(said, frequency, header=False)

    def _said(self, portion: Portion, file: Path) -> Iterator[pd.DataFrame]:
        """Yields what is said of a portion. Where a line of it cannot be read, those before it are
        answered first."""
        try:
            said = self._watch(portion, file)
        except InputError as error:
            filled = portion.filled
            if len(filled) == 1:
                reason = str(error).removeprefix(f"{file}: ")
                line = portion.first + filled[0]
                raise InputError(f"{NAME}, line {line}: {reason}") from None
            for half in portion.divided():
                yield from self._said(half, file)
        else:
            yield said

    def _watch(self, portion: Portion, file: Path) -> pd.DataFrame:
        """Returns what is said of the rows of a portion, in their order; of those that were filled
        in, before the next row of their series. Until nothing is wrong with any of them, nothing
        that is remembered changes."""
        file.write_bytes(portion.header + b"".join(portion.lines))
        (read,) = ingest.read(file, self._layout, newer=True)
        if read.empty:  # a row without any cell
            return self._header
        if self._layout.layout == "files" and (read[raw_series.SERIES] == NAME).any():
            raise InputError(
                f"expected a column {raw_series.SERIES!r}, as the task has "
                f"{len(self._last)} series, received none"
            )
        examples = self._data.examples
        layout = joining.naming(self._layout, [read], examples)
        newer = raw_series.newer([read], layout, self._data.ingested.about)
        names = newer["series"].unique()
        expect_known(names, self._watching)
        past = self._last.loc[self._last.index.isin(names)]
        if layout.time is None:
            newer["time"] += newer["series"].map(past["time"] + 1)
        both = pd.concat([past, newer[self._columns]], ignore_index=True)
        self._expect_later(both)
        inputs = self._columns[2:]
        both, _ = tidying.tidy(both, inputs, examples.frequency, "error", layout.gaps, None)
        joining.expect_positive(both, inputs, examples)
        return self._continue(both, newer.assign(row=newer.index % len(read)))

    def _continue(self, table: pd.DataFrame, newer: pd.DataFrame) -> pd.DataFrame:
        """Returns what is said of rows.

        Args:
            table: a tidy table of the last row of each series before them, and of them.
            newer: the `series`, the `time` and the `row` of those that came.
        """
        came = dict(iter(newer.groupby("series")))
        said, order = [], []
        for name, rows in detections.by_series(table).items():
            if len(rows) > 1:
                own = came[name]
                said.append(self._watching[name].watch(rows.iloc[1:]))
                place = np.searchsorted(own["time"].to_numpy(), rows["time"].to_numpy()[1:])
                order.append(own["row"].to_numpy()[place])
        last = _by_name(table.drop_duplicates("series", keep="last"), self._columns)
        self._last.loc[last.index] = last
        if not said:  # rows without a value, where rows are steps whatever their times
            return self._header
        return pd.concat(said).iloc[np.argsort(np.concatenate(order), kind="stable")]

    def _expect_later(self, table: pd.DataFrame) -> None:
        """Raises `InputError` where a row of a series is not behind the one before it."""
        before = table.groupby("series", sort=False)["time"].shift()
        if (late := table["time"] <= before).any():
            row, about = int(late.argmax()), self._data.ingested.about
            both = pd.Series([before.iloc[row], table["time"].iloc[row]], dtype=table["time"].dtype)
            last, own = pd.Series(times.shown(both.to_numpy(), about.zone, about.in_utc))
            raise InputError(
                f"expected rows after {last}, the last one of series "
                f"{table['series'].iloc[row]!r}, received one of {own}"
            )


def _by_name(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Returns columns of a table with one row for each series, by their names."""
    return table[columns].astype({"series": "str"}).set_index("series", drop=False)


def _read_as_in_training(layout: ingest.Parameters, about: IngestedLabels) -> ingest.Parameters:
    """Returns the layout of UTF-8 text with the header, if any, in its first line. What many rows
    told of their separator, a few may not."""
    changes: dict[str, Any] = {"encoding": None, "skip": None, "sheet": None}
    if layout.header is not True and (separator := about.reading.get("separator")):
        changes["separator"] = separator
    return layout.model_copy(update=changes)
