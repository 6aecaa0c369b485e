"""How raw files of each sort are read: (source, parts, what is wanted of them, how they are
written) -> tables."""

from collections.abc import Callable
from typing import Any

from stages.files import raw_tables, texts

READERS: dict[str, Callable[..., list[Any]]] = {
    "tables": raw_tables.read_parts,
    "texts": texts.read_parts,
}
