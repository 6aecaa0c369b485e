"""Small tasks of anomaly detection in the current folder."""

import shutil
from pathlib import Path

import pytest

from stages.networks import serving
from tests.kinds.anomaly_detection.project import write_project
from tests.tasks import finished


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("detection"), write_project)


@pytest.fixture
def trained(folder: Path, trained_once: Path) -> Path:
    """A folder in which all stages have run, which is the current one."""
    shutil.copytree(trained_once, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one; networks that are no Keras models answer for
    themselves."""
    monkeypatch.setattr(serving, "answering", lambda network: network)
    return folder
