"""The fixtures of a kind's small task, of which its `conftest.py` gives the names."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tasks import finished


def of_task(write_project: Callable[[], None]) -> tuple[Any, Any, Any]:
    """Returns the fixtures `project`, a folder with raw files and parameters; `trained_once`, in
    which all stages have run; and a copy of that for each test. The first and the last are the
    current folder."""

    @pytest.fixture
    def project(folder: Path) -> Path:
        write_project()
        return folder

    @pytest.fixture(scope="session")
    def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return finished(tmp_path_factory.mktemp("trained"), write_project)

    @pytest.fixture
    def trained(folder: Path, trained_once: Path) -> Path:
        shutil.copytree(trained_once, folder, dirs_exist_ok=True)
        return folder

    return project, trained_once, trained
