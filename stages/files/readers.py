"""How raw files of each sort are read: (source, parts, columns, further columns) -> tables."""

from collections.abc import Callable
from typing import Any

from stages.files import tables, texts

READERS: dict[str, Callable[..., list[Any]]] = {"tables": tables.read_parts, "texts": texts.read_parts}
