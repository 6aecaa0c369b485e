"""What is said of the last rows of each series, of newer rows, or of rows as they come."""

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from stages.errors import InputError
from stages.files import joining, raw_series
from stages.files.task_data import TaskData
from stages.kinds.anomaly_detection import detections, detector, ingest
from stages.kinds.anomaly_detection.detections import draw_series as draw
from stages.kinds.anomaly_detection.following import reconstructs
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.kinds.anomaly_detection.streaming import Stream as Rows
from stages.kinds.anomaly_detection.streaming import portions
from stages.kinds.anomaly_detection.watching import Watcher, expect_known, watchers
from stages.kinds.data import Answer, Prediction, Request, Stream
from stages.sections import Count, Section

Data = TaskData[IngestedLabels, LabelledSeries]

__all__ = ["Parameters", "arguments", "draw", "predict"]


class Parameters(Section):
    """history: the last rows of each series that are written and drawn."""

    history: Count = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained network on the command line."""
    parser.add_argument("--input", type=Path, help="newer rows, laid out as the task's raw file")
    parser.add_argument("--output", type=Path, help="the CSV file to write scores and alarms to")
    parser.add_argument(
        "--follow",
        action="store_true",
        default=None,
        help="read newer rows as CSV from the standard input as they come, and write what is said "
        "of each at once",
    )


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer | Stream:
    """Says of rows what was expected, their score and whether it is an alarm.

    Returns:
        `detections.csv`, the table of `detections.detections`, of the last rows of each series, and
        the table of a plot of the first target of the first one; or such a table of the rows that
        `--input` names, or of those that come from the standard input.
    """
    from stages.networks.serving import answering

    args, data = request.arguments, request.data
    if args.follow and (args.input is not None or args.output is not None):
        raise InputError(
            "expected --follow alone, as it reads the standard input and writes to the standard "
            "output, received --input or --output too"
        )
    if not args.follow and (args.input is None) != (args.output is None):
        raise InputError("expected both --input and --output, or neither, received one of them")
    assert isinstance(request.layout, ingest.Parameters)
    layout = _forwards(request.layout, data.ingested.about)
    watching = watchers(
        data.examples,
        data.ingested.about,
        detector.of_arrays(request.fitted),
        answering(network),
        reconstructs=reconstructs(network),
    )
    if args.follow:
        if sys.stdin is None:
            raise InputError("--follow: expected rows from the standard input, which is closed")
        rows = Rows(data, layout, watching)
        return Stream(rows.pieces(portions(sys.stdin.buffer, header=layout.header is True)))
    if args.input is None:
        return _of_pipeline(data, watching, parameters.history)
    try:
        said = _newer(args.input, data, layout, watching)
        return Answer(detections.csv(said, data.examples.frequency))
    except InputError as error:
        # Errors of reading name the file by themselves.
        where = "" if str(args.input) in str(error) else f"{args.input}: "
        raise InputError(f"{where}{error}") from None


def _forwards(layout: ingest.Parameters, about: IngestedLabels) -> ingest.Parameters:
    """Returns the layout for newer rows: nothing is filled in from rows that come after it, as it
    is behind training; and what many rows told of their decimal mark, a few may not."""
    changes: dict[str, Any] = {}
    if layout.gaps == "interpolate":
        changes["gaps"] = "forward_fill"
    if layout.decimal is None and "separator" in about.reading:
        changes["decimal"] = about.reading.get("decimal", ".")
    return layout.model_copy(update=changes)


def _of_pipeline(data: Data, watching: dict[str, Watcher], history: int) -> Prediction:
    tables = detections.by_series(data.ingested.read())
    said = [
        watcher.watch(tables[name].tail(history + watcher.memory)).tail(history)
        for name, watcher in watching.items()
    ]
    target, name = data.examples.target_names[0], said[0]["series"].iloc[0]
    return Prediction(
        {"detections.csv": detections.csv(pd.concat(said), data.examples.frequency)},
        detections.of_target(said[0], target),
        f"{target}, the last rows" if name == "all" else f"{target} of {name}, the last rows",
    )


def _newer(
    source: Path, data: Data, layout: ingest.Parameters, watching: dict[str, Watcher]
) -> pd.DataFrame:
    """Returns what is said of newer rows, which come behind those of the task."""
    table, about = data.ingested.read(), data.ingested.about
    tables = ingest.read(source, layout, newer=True)
    layout = joining.naming(layout, tables, data.examples)
    begins = raw_series.newer(tables, layout, about).groupby("series")["time"].min()
    expect_known(begins.index, watching)
    last = {name: rows["time"].iloc[-1] for name, rows in detections.by_series(table).items()}
    joined = joining.join(table, tables, data, layout, forecast=False)
    said = []
    for name, rows in detections.by_series(joined).items():
        # What was filled in between the table and them is newer too.
        is_newer = rows["time"] > last[name]
        if layout.time is not None:
            is_newer |= rows["time"] >= begins[name]
        newer = int(is_newer.sum())
        said.append(watching[name].watch(rows.tail(newer + watching[name].memory)).tail(newer))
    return pd.concat(said)
