"""A small recogniser in the current folder."""

import shutil
from pathlib import Path

import pytest

from tests.kinds.speech_recognition.project import write_project
from tests.tasks import finished


@pytest.fixture
def project(folder: Path) -> Path:
    """A folder with raw files and parameters, which is the current one."""
    write_project()
    return folder


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("trained"), write_project)


@pytest.fixture
def trained(folder: Path, trained_once: Path) -> Path:
    """A folder in which all stages have run, which is the current one."""
    shutil.copytree(trained_once, folder, dirs_exist_ok=True)
    return folder
