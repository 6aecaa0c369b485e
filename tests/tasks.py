"""Tasks in the current folder, whose data the tests write as the stages do."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import (
    baseline,
    command,
    evaluate,
    ingest,
    kinds,
    predict,
    preparing,
    train,
)
from stages.files import parameters, tables
from stages.files.checkpoints import Checkpoints
from stages.files.task_data import TaskData
from stages.files.writing import write_json

NAME = "x"


def prepare(
    kind: str, table: pd.DataFrame, ingested: Any, section: dict[str, Any]
) -> TaskData[Any, Any]:
    """Writes an ingested table and the examples that are made of it by a `section` of the preparing
    stage, and returns what later stages read."""
    folder = Path("data/ingested") / NAME
    tables.write(folder / "table.parquet", table)
    write_json(folder / "about.json", asdict(ingested))
    module = kinds.module(kind, kinds.preparing(kind))
    preparing.prepare(NAME, kind, module, module.Parameters.model_validate(section))
    package = kinds.package(kind)
    return TaskData(NAME, package.Ingested, package.Examples)


def die_at_checkpoint(number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Interrupts the process once, behind the checkpoint of this number, from 1. Returns a function
    that counts the checkpoints so far."""
    count, save = 0, Checkpoints.save

    def dying(self: Checkpoints, arrays: dict[str, np.ndarray]) -> None:
        nonlocal count
        save(self, arrays)
        count += 1
        if count == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", dying)
    return lambda: count


def never(prepared: Any, name: str) -> Any:
    """Stands in for `retrain` where nothing may be retrained."""
    raise AssertionError(f"{name} was retrained")


def write_task(entry: dict[str, Any]) -> None:
    """Writes params.yaml with this entry as the only task."""
    own = kinds.preparing(entry["kind"])
    names = {stage: [NAME] if stage == own else [] for stage in kinds.PREPARING}
    params = {"seed": 1, "arithmetic": "portable", "sources": {}, **names, "tasks": {NAME: entry}}
    Path("params.yaml").write_text(json.dumps(params))


def run_all() -> dict[str, Any]:
    """Takes the task to its prediction, and returns its scores."""
    second = import_module(f"stages.{kinds.preparing(parameters.kind(NAME))}")
    for stage in (ingest, second, baseline, train, evaluate, predict):
        stage.main([NAME])
    return json.loads(Path("data/evaluations/x/scores.json").read_text())


def error_of(
    main: Callable[[list[str]], None], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Returns the one line with which a command ends."""
    monkeypatch.setattr("sys.argv", ["stage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.run(main)
    message = str(stopped.value.code)
    assert message.startswith("error: ")
    assert "Traceback" not in message
    return message


def write_raw(name: str, text: str) -> None:
    """Writes a raw file, which may be in folders below `data/raw`."""
    path = Path("data/raw", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def finished(folder: Path, write_project: Callable[[], None]) -> Path:
    """Writes a project to a folder, runs all its stages, and returns the folder."""
    with contextlib.chdir(folder):
        write_project()
        run_all()
    return folder
