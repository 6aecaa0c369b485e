"""A task of pairs of texts in the current folder, up to its examples."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages import ingest, tokenize_text
from stages.files.task_data import IngestedTable, TaskData
from stages.kinds.sequence_to_sequence import Examples, Ingested
from tests.tasks import write_task

FOLDER = Path("data/ingested/x")


def write_parameters(ingest: dict[str, Any], tokenize_text: dict[str, Any] | None = None) -> None:
    write_task(
        {
            "kind": "sequence_to_sequence",
            "ingest": ingest,
            "tokenize_text": tokenize_text or {},
        }
    )


def ingested(**section: Any) -> tuple[pd.DataFrame, Ingested]:
    """Returns what the stage `ingest` writes."""
    write_parameters(section)
    ingest.main(["x"])
    table = pd.read_parquet(FOLDER / "table.parquet")
    return table, IngestedTable(FOLDER, Ingested).about


def tokenized(**section: Any) -> TaskData[Ingested, Examples]:
    """Returns what the stage `tokenize_text` makes of what was ingested last."""
    write_parameters({"file": "data/raw/unused.csv", "split": {}}, section)
    tokenize_text.main(["x"])
    return TaskData("x", Ingested, Examples)


def ids_of(examples: Examples, name: str, number: int) -> list[int]:
    """Returns the source ids, copies or target ids of a pair."""
    side = "target" if name == "target_ids" else "source"
    first = getattr(examples, f"{side}_starts")[number]
    own = slice(first, first + getattr(examples, f"{side}_lengths")[number])
    return np.asarray(getattr(examples, name)[own]).tolist()
