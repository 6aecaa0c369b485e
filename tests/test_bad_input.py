"""Bad data and bad parameters: one clear error, exit code 1, and what existed before is still
there."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import baseline, check, command, fetch, ingest, kinds, scale_and_window, summarize
from stages.files import examples

Main = Callable[[list[str]], None]
DAYS = pd.date_range("2022-01-01", periods=60, freq="D")
GOOD = pd.DataFrame({"day": DAYS, "y": np.arange(60) % 7 + np.arange(60) / 10})
PARAMS: dict[str, Any] = {
    "seed": 1,
    "sources": {},
    "scale_and_window": ["x"],
    "tokenize_text": [],
    "tasks": {
        "x": {
            "kind": "forecasting",
            "ingest": {
                "file": "data/raw/x.csv",
                "time": "day",
                "targets": ["y"],
                "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            },
            "scale_and_window": {"lookback": 5, "horizon": 2},
            "baseline": {"season": 7},
            "train": {},
            "evaluate": {},
            "predict": {},
        }
    },
}


def changed(keys: str, value: Any) -> dict[str, Any]:
    """Returns PARAMS with one value replaced; `keys` count from the task."""
    copy = YAML(typ="safe").load(json.dumps(PARAMS))
    *path, last = keys.split(".")
    section = copy["tasks"]["x"]
    for key in path:
        section = section[key]
    section[last] = value
    return copy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    GOOD.to_csv("data/raw/x.csv", index=False)
    Path("params.yaml").write_text(json.dumps(PARAMS))
    return tmp_path


def error_of(main: Main, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a stage as the command line does and returns its one error."""
    monkeypatch.setattr("sys.argv", ["stage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.run(main)
    message = str(stopped.value.code)
    assert message.startswith("error: ")
    return message


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
    "a time that is none": (
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


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("train.unit", 3, r"tasks.x.train.unit is not a known key; expected one of cell, units"),
        ("train.units", "many", r"tasks.x.train.units: expected a valid integer, received 'many'"),
        ("train.units", 0, r"tasks.x.train.units: expected greater than or equal to 1, received 0"),
        (
            "train.cell",
            "rnn",
            r"tasks.x.train.cell: expected 'simple_rnn', 'lstm' or 'gru', received 'rnn'",
        ),
        ("train.dropout", 1.0, r"tasks.x.train.dropout: expected less than 1, received 1.0"),
        ("train.learning_rate", "1e-3x", r"tasks.x.train.learning_rate: expected a valid number"),
        (
            "train.patience",
            True,
            r"tasks.x.train.patience: expected a valid integer, received True",
        ),
        ("ingest.targets", [], r"tasks.x.ingest.targets: .* received \[\]"),
        (
            "ingest.split",
            {"train": 0.9, "validation": 0.2, "test": 0.2},
            r"tasks.x.ingest.split.*fractions whose sum is at most 1",
        ),
        (
            "ingest.frequency",
            "fortnight",
            r"tasks.x.ingest.frequency: expected a frequency as pandas writes it .*received "
            r"'fortnight'",
        ),
        (
            "ingest.frequency",
            "0D",
            r"tasks.x.ingest.frequency: expected a frequency .*received '0D'",
        ),
        (
            "ingest.time_format",
            "%Q",
            r"tasks.x.ingest.time_format: expected a format of strptime.*received '%Q'",
        ),
        (
            "ingest.time_format",
            "quarters",
            r"tasks.x.ingest.time_format: expected a format of strptime.*received 'quarters'",
        ),
        (
            "ingest.zone",
            "Mars/Base",
            r"tasks.x.ingest.zone: expected a time zone, such as Europe/Berlin or \+09:00, "
            r"received 'Mars/Base'",
        ),
        (
            "ingest.separator",
            "§",
            r"tasks.x.ingest.separator: expected one ASCII character.*received '§'",
        ),
        ("ingest.file", "/etc/passwd", r"tasks.x.ingest.file: .*received '/etc/passwd'"),
        ("baseline.methods", ["naive2"], r"tasks.x.baseline.*"),
        (
            "scale_and_window.horizon",
            1.5,
            r"tasks.x.scale_and_window.horizon: expected a valid integer.*received 1.5",
        ),
        (
            "kind",
            "forecast",
            r"tasks.x.kind: expected one of forecasting, language_modelling, received 'forecast'",
        ),
        ("training", {}, r"tasks.x.training is not a known section"),
    ],
)
def test_every_parameter_is_checked_before_any_stage_works(
    keys: str, value: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = changed(keys, value)
    if keys == "baseline.methods":
        content["tasks"]["x"]["baseline"]["season"] = 1
    Path("params.yaml").write_text(json.dumps(content))
    error = error_of(check.main, [], monkeypatch)
    assert re.search(message, error), error
    assert not Path("data/checked.txt").exists()


def test_all_faults_are_told_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed("train.units", -1)
    content["tasks"]["y"] = {**content["tasks"]["x"], "train": {"cell": 4}}
    content["scale_and_window"] = ["x", "z"]
    content["colour"] = "red"
    Path("params.yaml").write_text(
        json.dumps({key: value for key, value in content.items() if key != "colour"})
    )
    error = error_of(check.main, [], monkeypatch)
    for part in (
        "tasks.x.train.units",
        "tasks.y.train.cell",
        "scale_and_window: expected 'y' in this list",
        "received 'z'",
    ):
        assert part in error
    Path("params.yaml").write_text(json.dumps(content))
    assert "colour is not a known key" in error_of(check.main, [], monkeypatch)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1\ntasks: {}\n", "line"),
        ("seed: 1\nseed: 2\n", "duplicate key"),
        ("- seed\n", "expected keys such as seed and tasks at the top, received list"),
        ("", "received NoneType"),
        (
            "seed: 1\ntasks: 3\nsources: {}\nscale_and_window: []\ntokenize_text: []\n",
            "tasks: expected keys with values, received 3",
        ),
        ("tasks: {}\nsources: {}\nscale_and_window: []\ntokenize_text: []\n", "seed"),
    ],
)
def test_a_parameter_file_that_is_broken_is_one_error(
    text: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("params.yaml").write_text(text)
    assert message in error_of(check.main, [], monkeypatch)


def test_numbers_are_read_as_dvc_reads_them(folder: Path) -> None:
    text = json.dumps(PARAMS).replace(
        '"train": {}', '"train": {"learning_rate": 1e-3, "patience": null}'
    )
    Path("params.yaml").write_text(text)
    check.main([])
    assert Path("data/checked.txt").exists()


def test_an_unknown_task_or_source_is_one_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "expected the name of a task, one of x; received 'y'" in error_of(
        ingest.main, ["y"], monkeypatch
    )
    assert "expected the name of a source, received 'y'" in error_of(fetch.main, ["y"], monkeypatch)


def test_a_short_series_can_be_dropped_and_is_counted(folder: Path) -> None:
    long = pd.concat([GOOD.assign(name="a"), GOOD[:8].assign(name="b")])
    long.to_csv("data/raw/x.csv", index=False)
    content = changed("ingest.series", "name")
    content["tasks"]["x"]["scale_and_window"]["short_series"] = "drop"
    Path("params.yaml").write_text(json.dumps(content))
    ingest.main(["x"])
    scale_and_window.main(["x"])
    about = examples.read(Path("data/examples/x")).about
    assert (about["series"], about["dropped_series"]) == (["a", "b"], ["b"])
    assert about["rows_fitted_on"] == 36


PERIODIC = pd.DataFrame({"day": DAYS, "y": [float(day % 7) for day in range(len(DAYS))]})


@pytest.mark.parametrize(
    ("table", "section", "score", "message"),
    [
        (
            PERIODIC,
            {"season": 7},
            "mase",
            "evaluate.score: expected a score that exists, one of mae, .* received 'mase', which "
            "has no scale",
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
    given = examples.read(Path("data/examples/x"))
    floors = json.loads(Path("data/baselines/x/scores.json").read_text())
    assert floors["last_value"]["mase"] is None
    part, arrays = (
        kinds.module("forecasting", "evaluate"),
        examples.read(Path("data/baselines/x")).arrays,
    )
    scores, _, _ = part.evaluate(
        given.arrays,
        given.about,
        lambda windows: windows.future(np.arange(len(windows)))["targets"],
        floors,
        arrays,
        part.Parameters(),
    )
    assert scores["model"]["mae"] == 0
    assert np.isnan(scores["model"]["mase"])
    assert np.isnan(scores["model"]["owa"])
    entry = summarize.headline(
        {**scores, "model": {**scores["model"], "mase": None}}, "mase", "lower"
    )
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
