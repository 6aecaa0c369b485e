"""A small task of text classification in the current folder."""

import shutil
from pathlib import Path

import pytest

from tests.kinds.text_classification.project import write_project
from tests.tasks import finished


@pytest.fixture
def project(folder: Path) -> Path:
    """A folder with raw texts and parameters, which is the current one."""
    write_project()
    return folder


@pytest.fixture(scope="session")
def classified_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("classified"), write_project)


@pytest.fixture
def classified(folder: Path, classified_once: Path) -> Path:
    """A folder in which all stages have run, which is the current one."""
    shutil.copytree(classified_once, folder, dirs_exist_ok=True)
    return folder
