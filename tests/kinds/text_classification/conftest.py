"""A small task of text classification in the current folder."""

import contextlib
import shutil
from pathlib import Path

import pytest

from tests.kinds.text_classification.project import run_all, write_project


@pytest.fixture
def project(folder: Path) -> Path:
    """A folder with raw texts and parameters, which is the current one."""
    write_project()
    return folder


@pytest.fixture(scope="session")
def classified_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classified")
    with contextlib.chdir(folder):
        write_project()
        run_all()
    return folder


@pytest.fixture
def classified(folder: Path, classified_once: Path) -> Path:
    """A folder in which all stages have run, which is the current one."""
    shutil.copytree(classified_once, folder, dirs_exist_ok=True)
    return folder
