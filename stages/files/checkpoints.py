"""Checkpoints of training on disk: named arrays that appear whole or not at all, and are checked before they are used."""

import hashlib
import json
import logging
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from stages.files.writing import read_json, sha256_of, whole, write_json, write_text

log = logging.getLogger("reprise")
KEPT = 2


class Checkpoints:
    """The last two checkpoints of one training, in a folder of its own.

    A checkpoint is `NUMBER.npz` and, written after it, `NUMBER.json` with its sha256: one without the other, or one whose sum differs,
    is damaged, and the one before it is used.
    """

    def __init__(self, folder: Path, seconds: float | None) -> None:
        """`seconds`: time between two checkpoints; None: none is written and none is read."""
        self.folder, self.seconds = folder, seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        return self.seconds is not None and time.monotonic() >= self._last + self.seconds

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        if self.seconds is None:
            return
        for path in self.folder.glob(".*.part.*"):
            path.unlink()  # of a process that was killed while it wrote
        numbers = self._numbers()
        path = self.folder / f"{max(numbers, default=0) + 1:08d}.npz"
        with whole(path) as part:
            np.savez(part, **arrays)  # type: ignore[arg-type]
            sha256 = sha256_of(part)
        write_json(path.with_suffix(".json"), {"sha256": sha256})
        for number in sorted(numbers)[: 1 - KEPT]:
            self._remove(number)
        self._last = time.monotonic()

    def latest(self) -> dict[str, np.ndarray] | None:
        """Returns the arrays of the newest checkpoint that is whole."""
        for number in sorted(self._numbers(), reverse=True) if self.seconds is not None else []:
            path = self.folder / f"{number:08d}.npz"
            try:
                if read_json(path.with_suffix(".json"))["sha256"] == sha256_of(path):
                    with np.load(path, allow_pickle=False) as arrays:
                        return dict(arrays)
            except (OSError, ValueError, KeyError):
                pass
            log.warning("the checkpoint %s is damaged: the one before it is used", path)
            self._remove(number)
        return None

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("[0-9]*.npz")]

    def _remove(self, number: int) -> None:
        for ending in (".json", ".npz"):
            (self.folder / f"{number:08d}{ending}").unlink(missing_ok=True)


def key_of(examples: Path, parameters: dict[str, Any]) -> str:
    """Returns what names the checkpoints of one training: a sum over all that its result may depend on.

    That is the examples' files, the parameters, the project's code (all of it: what is imported only later counts as well), and the
    versions of what computes.
    """
    stages = Path(__file__).parents[1]
    depends = {
        "parameters": parameters,
        "examples": sha256_of(examples),
        "code": {path.relative_to(stages).as_posix(): sha256_of(path) for path in sorted(stages.rglob("*.py"))},
        "versions": {name: version(name) for name in ("keras", "numpy", "tensorflow")},
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]


def begin(folder: Path, key: str) -> Path:
    """Returns where in `folder` the training named `key` has its checkpoints, and removes those of others.

    Its own are removed as well if it was finished and DVC has written `dvc.lock` since: who runs it again wants it done again. Until
    then they are kept, as DVC may be killed before it has the model.
    """
    own, lock = folder / key, Path("dvc.lock")
    recorded = _done(own).exists() and lock.exists() and lock.stat().st_mtime_ns > _done(own).stat().st_mtime_ns
    for path in folder.glob("*"):
        if path != own or recorded:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return own


def finish(own: Path) -> None:
    """Notes that the training whose checkpoints are in `own` is done, and its model written."""
    if own.exists():
        write_text(_done(own), "")


def _done(own: Path) -> Path:
    return own / "done"
