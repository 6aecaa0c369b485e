"""Small tasks of anomaly detection in the current folder."""

from pathlib import Path

import pytest

from stages.networks import serving
from tests.kinds.anomaly_detection.project import write_project
from tests.kinds.fixtures import of_task

_, trained_once, trained = of_task(write_project)


@pytest.fixture
def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one; networks that are no Keras models answer for
    themselves."""
    monkeypatch.setattr(serving, "answering", lambda network: network)
    return folder
