"""Named `.npy` arrays on disk, memory-mapped when read, beside an `about.json`; and examples, which
are dataclasses of such arrays and of plain values."""

import hashlib
from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from stages.errors import InputError
from stages.files.writing import RESTORE, read_json, whole, write_json

Record = TypeVar("Record")


def write(folder: Path, examples: Any) -> None:
    """Writes a dataclass: each field of the type `np.ndarray` as an array, the others to
    `about.json`."""
    arrays, about = {}, {}
    for field in fields(examples):
        value = getattr(examples, field.name)
        if _is_array(field):
            arrays[field.name] = value
        else:
            about[_key(field)] = value
    write_arrays(folder, arrays, about)


def read(folder: Path, model: type[Record]) -> Record:
    """Reads a dataclass that `write` wrote."""
    arrays, about = read_arrays(folder)
    return record(folder / "about.json", about, model, arrays)


def record(
    path: Path,
    content: Mapping[str, Any],
    model: type[Record],
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Record:
    """Returns the dataclass `model` of what stands in the file `path`; other keys are ignored."""
    try:
        return model(
            **{
                field.name: (arrays or {})[field.name] if _is_array(field) else content[_key(field)]
                for field in fields(model)  # type: ignore[arg-type]
            }
        )
    except KeyError as error:
        raise InputError(f"{path}: expected the key {error}, found none. {RESTORE}") from None


def _is_array(field: "Field[Any]") -> bool:
    return field.type is np.ndarray


def _key(field: "Field[Any]") -> str:
    """Returns the name of a field in the file, which is another one where an array has its name."""
    return str(field.metadata.get("key", field.name))


def write_arrays(
    folder: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, object]
) -> None:
    """Writes one `.npy` file per array, and `about.json` with the shapes, dtypes and checksums of
    all: where two folders differ, these files differ."""
    entries = {}
    for name, array in arrays.items():
        digest = hashlib.sha256()
        with whole(folder / f"{name}.npy") as path, path.open("wb") as file:

            def write(block: bytes, file: Any = file, digest: Any = digest) -> None:
                digest.update(block)
                file.write(block)

            # NumPy would write to a real file by itself, and not notice when the end of a small
            # one no longer fits on the disk.
            np.lib.format.write_array(SimpleNamespace(write=write), array, allow_pickle=False)
        entries[name] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": digest.hexdigest(),
        }
    write_json(folder / "about.json", {**about, "arrays": entries})


def read_arrays(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns the arrays of a folder, and its `about.json`."""
    about = read_json(folder / "about.json")
    return {
        name: _load(folder / f"{name}.npy", entry["shape"])
        for name, entry in about["arrays"].items()
    }, about


def _load(path: Path, shape: list[int]) -> np.ndarray:
    try:
        # An empty array cannot be memory-mapped, and need not be.
        return np.load(path, mmap_mode=None if 0 in shape else "r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{path}: expected an array as Reprise writes it, received a damaged file: {error}. "
            f"{RESTORE}"
        ) from None
