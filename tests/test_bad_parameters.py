"""Bad parameters: one clear error with every fault, before any stage works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages import check, fetch, ingest
from tests.small_task import PARAMS, changed, folder
from tests.tasks import error_of

__all__ = ["folder"]

EMPTY = "sources: {}\nscale_and_window: []\ntokenize_text: []\nextract_features: []\n"


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
        *(
            (
                "evaluate.quantiles",
                levels,
                r"tasks.x.evaluate.quantiles: expected levels above 0 and below 1, each once, from "
                rf"the lowest to the highest, received {re.escape(str(levels))}",
            )
            for levels in ([0.5, 1.0], [0, 0.5], [0.5, 0.1], [0.5, 0.5])
        ),
        ("evaluate.quantiles", [], r"tasks.x.evaluate.quantiles: expected .*, received \[\]"),
        (
            "evaluate",
            {"minimum": 3, "maximum": 3},
            r"tasks.x.evaluate: expected a `minimum` below `maximum`, received",
        ),
        (
            "scale_and_window.horizon",
            1.5,
            r"tasks.x.scale_and_window.horizon: expected a valid integer.*received 1.5",
        ),
        (
            "kind",
            "forecast",
            r"tasks.x.kind: expected one of anomaly_detection, forecasting, .*received 'forecast'",
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


def test_all_faults_are_listed_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed("train.units", -1)
    content["tasks"]["y"] = {**content["tasks"]["x"], "train": {"cell": 4}}
    content["scale_and_window"] = ["x", "z"]
    content["colour"] = "red"
    Path("params.yaml").write_text(
        json.dumps({key: value for key, value in content.items() if key != "colour"})
    )
    error = error_of(check.main, [], monkeypatch)
    for fault in (
        "tasks.x.train.units",
        "tasks.y.train.cell",
        "scale_and_window: expected 'y' in this list",
        "received 'z'",
    ):
        assert fault in error
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
            f"seed: 1\narithmetic: portable\ntasks: 3\n{EMPTY}",
            "tasks: expected keys with values, received 3",
        ),
        (f"arithmetic: portable\ntasks: {{}}\n{EMPTY}", "seed is missing"),
        (f"seed: 1\ntasks: {{}}\n{EMPTY}", "arithmetic is missing"),
        (
            f"seed: 1\narithmetic: fast\ntasks: {{}}\n{EMPTY}",
            "arithmetic: expected 'portable' or 'native', received 'fast'",
        ),
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
