"""Tasks of anomaly detection in the current folder: one that is trained, and some with a network
that goes on from the last value that it sees."""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from stages.kinds.anomaly_detection import evaluate, ingest, predict
from stages.kinds.anomaly_detection.following import HEAD
from stages.kinds.anomaly_detection.sample import SAMPLE
from stages.kinds.anomaly_detection.series import LabelledSeries
from stages.kinds.data import Answer, Baselines, Evaluation, Request, Stream
from tests import tasks
from tests.tasks import never, write_raw, write_task

SPLIT = {"until": 100, "validation": 0.4}


def write_project(**changes: dict[str, Any]) -> None:
    """Writes the sample's raw file, the parameters, with changes of the task's sections, and what
    the stage `code` would write."""
    for name, text in SAMPLE.files.items():
        write_raw(name, text)
    write_parameters(**changes)
    Path("data/code/train").mkdir(parents=True)
    Path("data/code/train/anomaly_detection.txt").write_text("the code of these tests\n")


def write_parameters(**changes: dict[str, Any]) -> None:
    """Writes params.yaml, with changes of the task's sections."""
    entry = SAMPLE.entry | {"train": {"cell": "gru", "units": 4, "epochs": 2}}
    entry |= {name: entry[name] | section for name, section in changes.items()}
    write_task(entry)


class Network:
    """Stands in for a trained network: step h of its forecast is the last value and a tenth of h;
    its reconstruction is each value and a tenth of its distance from the end."""

    def __init__(self, examples: LabelledSeries, *, reconstructs: bool) -> None:
        self._examples, self._reconstructs = examples, reconstructs
        self.layers = [SimpleNamespace(name=HEAD if reconstructs else "forecast")]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        examples = self._examples
        seen = [examples.inputs.index(target) for target in examples.targets]
        window = np.asarray(inputs["window"])[..., seen]
        if self._reconstructs:
            return window + 0.1 * np.arange(examples.lookback, 0, -1)[:, None].astype(np.float32)
        steps = 0.1 * np.arange(1, examples.horizon + 1)[:, None].astype(np.float32)
        if "known" in inputs:  # what the calendar says of the steps
            steps = steps + inputs["known"][:, -examples.horizon :, :1]
        return window[:, -1:] + steps


class Pipe:
    """A standard input from which pieces come, one after the other."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._coming = iter(pieces)
        self._rest = b""
        self.buffer = self

    def read1(self, size: int) -> bytes:
        came = self._rest or next(self._coming, "").encode()
        self._rest = came[size:]
        return came[:size]


class Task:
    """A task in the current folder that was ingested, scaled and evaluated with a `Network`. Tests
    that use it take the fixture `stand_in`."""

    def __init__(
        self,
        content: str | pd.DataFrame,
        windowing: dict[str, Any] | None = None,
        judgement: dict[str, Any] | None = None,
        *,
        reconstructs: bool = False,
        **section: Any,
    ) -> None:
        section = {"file": "data/raw/x.csv", "split": SPLIT} | section
        self.layout = ingest.Parameters.model_validate(section)
        path = Path(self.layout.file)
        if isinstance(content, pd.DataFrame):
            content = csv(content)
        if content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        table, about = ingest.ingest(ingest.read(path, self.layout), self.layout)
        sizes = {"lookback": 6, "horizon": 3, "scaler": "standard"} | (windowing or {})
        self.data = tasks.prepare("anomaly_detection", table, about, sizes)
        self.network = Network(self.data.examples, reconstructs=reconstructs)
        self.evaluation = self.judged(**(judgement or {}))

    def judged(self, **judgement: Any) -> Evaluation:
        settings = evaluate.Parameters.model_validate({"rate": 0.02, **judgement})
        predictor = SimpleNamespace(network=self.network)
        return evaluate.evaluate(self.data, predictor, Baselines({}), settings, never)

    @property
    def detections(self) -> pd.DataFrame:
        return read(self.evaluation.files["detections.csv"])

    def of_file(self, newer: str) -> pd.DataFrame:
        """Returns what is said of newer rows that come as a file."""
        Path("newer.csv").write_text(newer)
        answer = self._predict(input=Path("newer.csv"), output=Path("out.csv"))
        assert isinstance(answer, Answer)
        return read(answer.content)

    def of_pipe(self, *pieces: str) -> pd.DataFrame:
        """Returns what is said of newer rows that come in pieces."""
        return read("".join(self.follow(pieces)))

    def follow(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yields the answers to rows that come in pieces."""
        before, sys.stdin = sys.stdin, Pipe(pieces)  # type: ignore[assignment]
        try:
            stream = self._predict(follow=True)
            assert isinstance(stream, Stream)
            yield from stream.pieces
        finally:
            sys.stdin = before

    def _predict(self, **given: Any) -> Any:
        arguments = argparse.Namespace(**{"input": None, "output": None, "follow": None, **given})
        request = Request(
            self.data, self.evaluation.arrays, self.layout, arguments, lambda *_: None, never
        )
        return predict.predict(request, self.network, predict.Parameters())


def read(content: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(content))


def csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False)


def lines(content: str) -> list[str]:
    """Returns the header with the first row, and each other row."""
    header, *rows = content.splitlines(keepends=True)
    return [header + rows[0], *rows[1:]]


def in_portions(newer: str, size: int) -> list[str]:
    """Returns the header with the first row, and the others in portions of a size."""
    first, *others = lines(newer)
    return [first, *("".join(others[at : at + size]) for at in range(0, len(others), size))]


def hours(
    rows: int, columns: Sequence[str] = ("y",), seed: int = 0, first: str = "2020-03-27"
) -> pd.DataFrame:
    """Returns hourly waves with noise."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"time": pd.date_range(first, periods=rows, freq="h")})
    for index, name in enumerate(columns):
        wave = np.sin(2 * np.pi * np.arange(rows) / (8 + index))
        table[name] = (10 * wave + rng.normal(size=rows) + 30).round(3)
    return table


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Asserts that two tables say the same of the same rows, in any order of the series; `expected`
    may have labels besides."""
    own, other = (
        table.drop(columns="anomaly", errors="ignore").sort_values(["series", "time"])
        for table in (found, expected)
    )
    pd.testing.assert_frame_equal(
        own.reset_index(drop=True), other.reset_index(drop=True), rtol=1e-6, check_dtype=False
    )
