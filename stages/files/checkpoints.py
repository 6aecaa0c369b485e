"""Checkpoints of training on disk: named arrays that appear whole or not at all, and are verified
before they are used."""

import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.files.writing import read_json, sha256_of, whole, write_json, write_text

log = logging.getLogger("reprise")
KEPT = 2


class Checkpoints:
    """The last two checkpoints of one training, in a folder of its own.

    A checkpoint is `NUMBER.npz` and, written after it, `NUMBER.json` with its sha256. It is damaged
    if one of the two is missing, if the checksum differs, or if the arrays belong to another
    network; then the one before it is used. Anything else in the place of a checkpoint is removed.
    """

    def __init__(self, folder: Path, seconds: float | None) -> None:
        """`seconds`: time between two checkpoints; None: none are written or read."""
        self.folder, self.seconds = folder, seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        return self.seconds is not None and time.monotonic() >= self._last + self.seconds

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        if self.seconds is None:
            return
        self._clear_place()
        for path in self.folder.glob(".*.part.*"):
            _remove(path)  # left by a process that was killed while it wrote
        numbers = self._numbers()
        path = self._path(max(numbers, default=0) + 1)
        with whole(path) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
            sha256 = sha256_of(temporary)
        _remove(path.with_suffix(".json"))
        write_json(path.with_suffix(".json"), {"sha256": sha256})
        for number in sorted(numbers)[: 1 - KEPT]:
            self._forget(number)
        self._last = time.monotonic()

    def latest(
        self, fits: Callable[[dict[str, np.ndarray]], bool] = lambda _: True
    ) -> dict[str, np.ndarray] | None:
        """Returns the arrays of the newest undamaged checkpoint that `fits`."""
        if self.seconds is None:
            return None
        self._clear_place()
        numbers = sorted(self._numbers(), reverse=True)
        for number in numbers:
            try:
                arrays = _read(self._path(number))
                if fits(arrays):
                    return arrays
                reason = "it belongs to another network"
            except Exception as error:  # whatever is there, training can start without it
                reason = str(error)
            log.warning(
                "the checkpoint %s is damaged, so the one before it is used (%s)",
                self._path(number),
                reason,
            )
            self._forget(number)
        if numbers:
            log.warning("all checkpoints in %s are damaged: training starts afresh", self.folder)
        return None

    def _clear_place(self) -> None:
        """Removes what is not a folder where the checkpoints go."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            _remove(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.npz"

    def _numbers(self) -> list[int]:
        names = [
            path.stem for path in self.folder.glob("*.npz") if re.fullmatch("[0-9]{8,}", path.stem)
        ]
        return [int(name) for name in names if name == f"{int(name):08d}"]

    def _forget(self, number: int) -> None:
        for suffix in (".json", ".npz"):
            _remove(self._path(number).with_suffix(suffix))


def _read(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a checkpoint. Raises an error of any type if it is damaged."""
    checksum = path.with_suffix(".json")
    if not (path.is_file() and checksum.is_file()):
        raise ValueError("expected two files, found fewer or something else")
    if read_json(checksum).get("sha256") != sha256_of(path):
        raise ValueError("its checksum differs")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _remove(path: Path) -> None:
    """Removes a file, a link or a folder. What cannot be removed is treated as damaged again."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed: %s", path, error)


def key_of(examples: Path, parameters: dict[str, Any], code: str) -> str:
    """Returns the name of one training's checkpoints: a hash of all that its result may depend on.

    Args:
        examples: the folder of the examples' files.
        parameters: of the training.
        code: the hashes of the code that trains, as the stage `code` writes them, so that a changed
            comment does not discard checkpoints.
    """
    inputs = {
        "parameters": parameters,
        "examples": sha256_of(examples),
        "code": code,
        "versions": {name: version(name) for name in ("keras", "numpy", "tensorflow")},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def begin(folder: Path, key: str) -> Path:
    """Returns the subfolder of `folder` for the checkpoints of the training named `key`, and
    removes those of all other trainings.

    Its own are removed too if it has finished and DVC has written `dvc.lock` since: an explicit
    rerun starts afresh. Until then they are kept, as DVC may be killed before it has recorded the
    model.

    Raises:
        InputError: the parent of `folder` is not a folder.
    """
    if folder.parent.exists() and not folder.parent.is_dir():
        raise InputError(
            f"expected a folder {folder.parent} for checkpoints, found something else with this "
            "name: move it away"
        )
    own, lock = folder / key, Path("dvc.lock")
    if folder.is_symlink() or not folder.is_dir():
        _remove(folder)
    recorded = (
        _done(own).exists()
        and lock.exists()
        and lock.stat().st_mtime_ns > _done(own).stat().st_mtime_ns
    )
    for path in folder.glob("*"):
        if path != own or recorded or not path.is_dir():
            _remove(path)
    return own


def finish(own: Path) -> None:
    """Records that the training whose checkpoints are in `own` has finished and its model is
    written."""
    if own.is_dir():
        if _done(own).is_dir():
            _remove(_done(own))
        write_text(_done(own), "")


def _done(own: Path) -> Path:
    return own / "done"
