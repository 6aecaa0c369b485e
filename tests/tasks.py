"""Tasks in the current folder, whose data the tests write as the stages do."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import kinds, preparing
from stages.files import tables
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
