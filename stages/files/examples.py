"""Examples on disk: named `.npy` arrays, memory-mapped when read, and `about.json`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.files.writing import RESTORE, read_json, whole, write_json


@dataclass(frozen=True)
class Examples:
    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def write(folder: Path, examples: Examples) -> None:
    """Writes one `.npy` file an array, and `about.json` with the shapes, types and sums of them
    all: examples that differ differ there."""
    arrays = {}
    for name, array in examples.arrays.items():
        with whole(folder / f"{name}.npy") as part, part.open("wb") as file:
            digest = hashlib.sha256()

            def write(block: bytes, file: Any = file, digest: Any = digest) -> None:
                digest.update(block)
                file.write(block)

            # NumPy would write to a real file by itself, and not notice when a small one no longer
            # fits on the disk.
            np.lib.format.write_array(SimpleNamespace(write=write), array, allow_pickle=False)
        arrays[name] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": digest.hexdigest(),
        }
    write_json(folder / "about.json", {**examples.about, "arrays": arrays})


def read(folder: Path) -> Examples:
    about = read_json(folder / "about.json")
    return Examples(
        {
            name: _load(folder / f"{name}.npy", entry["shape"])
            for name, entry in about["arrays"].items()
        },
        about,
    )


def _load(path: Path, shape: list[int]) -> np.ndarray:
    try:
        # An empty array cannot be memory-mapped, and need not be.
        return np.load(path, mmap_mode=None if 0 in shape else "r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{path}: expected an array as Reprise writes it, received a damaged file: {error}. "
            f"{RESTORE}"
        ) from None
