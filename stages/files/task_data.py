"""What the stages before have written for a task, read when it is asked for."""

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd

from stages.files import examples, tables
from stages.files.writing import read_json

About = TypeVar("About")
Examples = TypeVar("Examples")


class IngestedTable(Generic[About]):
    """The table that `ingest` wrote to a folder, and what it says of it."""

    def __init__(self, folder: Path, model: type[About]) -> None:
        self.folder, self._model = folder, model

    @cached_property
    def about(self) -> About:
        path = self.folder / "about.json"
        return examples.record(path, read_json(path), self._model)

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        return tables.read(self.folder / "table.parquet", columns)

    def chunks(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Yields the rows in chunks, so that memory holds one chunk at a time."""
        return tables.read_chunks(self.folder / "table.parquet", columns)


class TaskData(Generic[About, Examples]):
    """The ingested table and the examples of a task."""

    def __init__(self, task: str, about: type[About], model: type[Examples]) -> None:
        self.ingested = IngestedTable(Path("data/ingested") / task, about)
        self._folder, self._model = Path("data/examples") / task, model

    @cached_property
    def examples(self) -> Examples:
        return examples.read(self._folder, self._model)

    def with_examples(self, examples: Examples) -> "TaskData[About, Examples]":
        """Returns the same data with other examples."""
        other = copy(self)
        other.examples = examples
        return other

    def text(self, name: str) -> str:
        """Returns the content of a text file that the preparing stage wrote."""
        return (self._folder / name).read_text(encoding="utf-8")
