"""Bad data, and parameters that do not fit it: one clear error, and earlier results stay."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import baseline, ingest, kinds, scale_and_window, summarize
from stages.files.examples import read_arrays
from stages.files.task_data import TaskData
from stages.files.writing import read_json
from stages.kinds.data import Baselines
from stages.series.data import IngestedSeries, SeriesExamples
from tests.small_task import DAYS, GOOD, changed, folder
from tests.tasks import error_of, never

__all__ = ["folder"]


def csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def cell(row: int, value: Any) -> bytes:
    table = GOOD.astype({"y": object})
    table.loc[row, "y"] = value
    return csv(table)


RAW = {
    "empty file": (b"", "received an empty file"),
    "header only": (b"day,y\n", "at least one row of data"),
    "one row": (csv(GOOD[:1]), "at least 3 different times to find the frequency, received 1"),
    "missing column": (
        csv(GOOD.rename(columns={"y": "z"})),
        "expected the column 'y', found 'day', 'z'",
    ),
    "text in a number column": (
        cell(4, "many"),
        r"column 'y': expected finite numbers .* received 'many' in data row 5",
    ),
    "infinite": (cell(4, "inf"), "received inf in data row 5"),
    "missing value": (
        cell(4, None),
        r"found none at 2022-01-05 00:00:00 \(1 missing values\): set ingest.gaps",
    ),
    "missing day": (csv(GOOD.drop(index=9)), "found none at 2022-01-10"),
    "duplicate times": (
        csv(pd.concat([GOOD, GOOD[7:9]])),
        r"2022-01-08 00:00:00 .* again \(2 such rows\)",
    ),
    "no time": (
        csv(GOOD.assign(day=[None, *DAYS[1:]])),
        "a time in every row, found none in data row 1",
    ),
    "an invalid time": (
        csv(GOOD.assign(day=["2022-01-01", "tomorrow", *DAYS[2:].astype(str)])),
        "received 'tomorrow' in data row 2",
    ),
    "a comma for a decimal point": (
        b"day,y\n2022-01-01,1,5\n2022-01-02,2,5\n",
        "expected 2 fields between ',' in each row.* received 3",
    ),
    "ragged row": (
        b"day,y\n2022-01-01,1\n2022-01-02,2,3,4\n",
        "expected 2 fields between ',' in each row.* received 4",
    ),
    "not UTF-8": (b"day,y\n2022-01-01,\xff\xfe\n", "expected UTF-8 text, received the byte 0xff"),
    "binary": (bytes(range(256)) * 20, "x.csv: expected"),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_file_that_is_wrong_is_one_error_and_earlier_results_stay(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, message = RAW[name]
    ingest.main(["x"])
    before = {
        path: path.read_bytes()
        for path in sorted(Path("data/ingested").rglob("*"))
        if path.is_file()
    }
    Path("data/raw/x.csv").write_bytes(content)
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert re.search(message, error), error
    assert len(error.splitlines()) == 1
    assert before == {
        path: path.read_bytes()
        for path in sorted(Path("data/ingested").rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (
            "ingest.file",
            "data/raw/none.csv",
            "expected a raw file at data/raw/none.csv, found none",
        ),
        ("ingest.file", "data/raw/x.xls", r"expected a name that ends in \.csv"),
        ("ingest.frequency", "h", "found none at"),
        ("ingest.frequency", "W-SUN", "apart, received 2022-01-01"),
        (
            "ingest.split",
            {"train": 50, "validation": 9, "test": 9},
            "at least one row in each split",
        ),
        ("ingest.split", {"validation": "2022-01-20", "test": "2023-01-20"}, "ingest.split"),
        ("ingest.targets", ["day"], "column 'day': expected finite numbers"),
    ],
)
def test_parameters_that_do_not_fit_the_data_are_one_error(
    keys: str, value: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if str(value).endswith(".xls"):
        Path(value).write_text("x")
    Path("params.yaml").write_text(json.dumps(changed(keys, value)))
    assert re.search(message, error_of(ingest.main, ["x"], monkeypatch))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (
            "scale_and_window.lookback",
            40,
            r"lookback 40 and horizon 2 .* \(1 of 1 series are too short\)",
        ),
        ("scale_and_window.horizon", 20, "at least one window of lookback 5 and horizon 20"),
        (
            "scale_and_window.log",
            True,
            "expected positive values for scale_and_window.log, received 0.0",
        ),
        (
            "scale_and_window.calendar",
            [7],
            "scale_and_window.calendar: expected names such as hour",
        ),
    ],
)
def test_windows_that_do_not_fit_are_one_error(
    keys: str, value: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    Path("params.yaml").write_text(json.dumps(changed(keys, value)))
    assert re.search(message, error_of(scale_and_window.main, ["x"], monkeypatch))


def test_a_constant_series_is_one_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data/raw/x.csv").write_bytes(csv(GOOD.assign(y=4.0)))
    ingest.main(["x"])
    assert "expected values that vary, received 4.0 in all training rows" in error_of(
        scale_and_window.main, ["x"], monkeypatch
    )


def test_a_season_longer_than_the_past_is_one_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    scale_and_window.main(["x"])
    Path("params.yaml").write_text(json.dumps(changed("baseline.season", 59)))
    assert "baseline.season: expected at least 59 rows before every test window" in error_of(
        baseline.main, ["x"], monkeypatch
    )


def test_unsorted_rows_and_other_forms_of_the_same_file_give_the_same_table(folder: Path) -> None:
    ingest.main(["x"])
    expected = Path("data/ingested/x/table.parquet").read_bytes()
    forms: dict[str, Callable[[str], Any]] = {
        "data/raw/shuffled.csv": lambda path: GOOD.sample(frac=1, random_state=0).to_csv(
            path, index=False
        ),
        "data/raw/x.tsv": lambda path: GOOD.to_csv(path, index=False, sep="\t"),
        "data/raw/x.csv.gz": lambda path: Path(path).write_bytes(gzip.compress(csv(GOOD))),
        "data/raw/x.parquet": lambda path: GOOD.to_parquet(path),
        "data/raw/extra.csv": lambda path: GOOD.assign(other="text").to_csv(path, index=False),
    }
    for path, write in forms.items():
        write(path)
        Path("params.yaml").write_text(json.dumps(changed("ingest.file", path)))
        ingest.main(["x"])
        assert Path("data/ingested/x/table.parquet").read_bytes() == expected, path


def test_a_short_series_can_be_dropped_and_is_counted(folder: Path) -> None:
    long = pd.concat([GOOD.assign(name="a"), GOOD[:8].assign(name="b")])
    long.to_csv("data/raw/x.csv", index=False)
    content = changed("ingest.series", "name")
    content["tasks"]["x"]["scale_and_window"]["short_series"] = "drop"
    Path("params.yaml").write_text(json.dumps(content))
    ingest.main(["x"])
    scale_and_window.main(["x"])
    examples = TaskData("x", IngestedSeries, SeriesExamples).examples
    assert (examples.series, examples.dropped_series) == (["a", "b"], ["b"])
    assert examples.rows_fitted_on == 36


PERIODIC = pd.DataFrame({"day": DAYS, "y": [float(day % 7) for day in range(len(DAYS))]})


@pytest.mark.parametrize(
    ("table", "section", "score", "message"),
    [
        (
            PERIODIC,
            {"season": 7},
            "mase",
            "evaluate.score: expected a score that exists, one of crps, mae, .* received 'mase', "
            "which has no scale",
        ),
        (
            PERIODIC,
            {"season": 7, "methods": ["naive2"]},
            "owa",
            "received 'owa', which has no scale",
        ),
        (PERIODIC, {"season": 7}, "owa", "received 'owa', which needs naive2"),
    ],
)
def test_a_score_that_does_not_exist_is_one_error_before_training(
    table: pd.DataFrame,
    section: dict[str, Any],
    score: str,
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table.to_csv("data/raw/x.csv", index=False)
    content = changed("evaluate.score", score)
    content["tasks"]["x"]["baseline"] = section
    Path("params.yaml").write_text(json.dumps(content))
    for stage in (ingest, scale_and_window):
        stage.main(["x"])
    assert re.search(message, error_of(baseline.main, ["x"], monkeypatch))


def test_the_scores_that_exist_are_shown_beside_those_that_do_not(folder: Path) -> None:
    PERIODIC.to_csv("data/raw/x.csv", index=False)
    Path("params.yaml").write_text(
        json.dumps(changed("baseline", {"season": 7, "methods": ["last_value", "naive2"]}))
    )
    for stage in (ingest, scale_and_window, baseline):
        stage.main(["x"])
    folder = Path("data/baselines/x")
    baselines = Baselines(read_json(folder / "scores.json"), read_arrays(folder)[0])
    assert baselines.scores["last_value"]["mase"] is None
    module = kinds.module("forecasting", "evaluate")
    scores = module.evaluate(
        TaskData("x", IngestedSeries, SeriesExamples),
        lambda windows: windows.future(np.arange(len(windows)))["targets"],
        baselines,
        module.Parameters(),
        never,
    ).scores
    assert scores["mae"] == 0
    assert np.isnan(scores["mase"])
    assert np.isnan(scores["owa"])
    written = {
        "model": {**scores, "mase": None},
        "baseline": baselines.scores,
        "best_baseline": "last_value",
        "skill": None,
    }
    entry = summarize.headline(written, "mase", "lower", [])
    assert "mase" in summarize.table({"x": entry})[1]


def test_a_split_without_a_known_target_is_one_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    GOOD.assign(y=[None if row >= 50 and row != 59 else float(row) for row in range(60)]).to_csv(
        "data/raw/x.csv", index=False
    )
    content = changed("ingest.gaps", "interpolate")
    content["tasks"]["x"]["ingest"]["split"] = {"train": 40, "validation": 10, "test": 9}
    Path("params.yaml").write_text(json.dumps(content))
    ingest.main(["x"])
    assert "expected a known target in the windows of test" in error_of(
        scale_and_window.main, ["x"], monkeypatch
    )


def test_three_hundred_columns_warn_of_nothing(
    folder: Path, recwarn: pytest.WarningsRecorder
) -> None:
    wide = pd.concat(
        [GOOD[["day"]], pd.DataFrame({f"y{number}": GOOD["y"] + number for number in range(300)})],
        axis=1,
    )
    wide.to_csv("data/raw/x.csv", index=False)
    Path("params.yaml").write_text(json.dumps(changed("ingest.targets", "all")))
    for stage in (ingest, scale_and_window):
        stage.main(["x"])
    assert not list(recwarn)
