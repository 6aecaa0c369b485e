"""Keras's own tests of recurrent layers, with the fast layers in the place of Keras's."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from stages.networks.backend import keras

FOLDER = Path(keras.__path__[0], "src", "layers", "rnn")
RUN = """
import sys
import pytest
from stages.networks import recurrent
from keras.src import layers
for fast in (*recurrent.FAST.values(), recurrent.Bidirectional):
    setattr(layers, fast.__name__, fast)
sys.exit(pytest.main(sys.argv[1:]))
"""


def run(folder: Path, *arguments: str) -> dict[str, int]:
    """Returns how many tests there were, failed, ended in an error and were skipped."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    options = [
        "-c",
        "pytest.ini",
        "--rootdir",
        ".",
        "-p",
        "no:cacheprovider",
        "--junitxml",
        "results.xml",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *options, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    [suite] = ET.parse(folder / "results.xml").getroot()
    return {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}


@pytest.mark.slow
@pytest.mark.skipif(
    not (FOLDER / "lstm_test.py").exists(), reason="this Keras comes without its tests"
)
def test_they_pass(tmp_path: Path) -> None:
    counts = run(tmp_path, str(FOLDER))
    assert counts["tests"] >= 79
    assert (counts["failures"], counts["errors"], counts["skipped"]) == (0, 0, 2)
