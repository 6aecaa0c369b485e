"""A small task of sequence to sequence in the current folder."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages import trained
from tests.kinds.sequence_to_sequence.project import write_project
from tests.tasks import finished


@pytest.fixture(scope="session")
def translated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("translated"), write_project)


@pytest.fixture(scope="session")
def load() -> Callable[[str], Any]:
    """Reads a network once, which takes time."""
    return cache(trained.load)


@pytest.fixture
def translated(
    folder: Path,
    translated_once: Path,
    load: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder in which all stages have run, which is the current one. Its network stays the
    same."""
    shutil.copytree(translated_once, folder, dirs_exist_ok=True)
    monkeypatch.setattr(trained, "load", load)
    return folder
