"""A small task of sequence to sequence in the current folder."""

import shutil
from pathlib import Path

import pytest

from tests.kinds.sequence_to_sequence.project import write_project
from tests.tasks import finished


@pytest.fixture(scope="session")
def translated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("translated"), write_project)


@pytest.fixture
def translated(folder: Path, translated_once: Path) -> Path:
    """A folder in which all stages have run, which is the current one."""
    shutil.copytree(translated_once, folder, dirs_exist_ok=True)
    return folder
