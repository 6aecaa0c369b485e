"""Keras as every stage has it, whatever a user's own settings are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ASK = """
import sys
if "keras" in sys.argv: import keras
from stages.networks.backend import keras
c = keras.config
policy = keras.layers.Dense(1).dtype_policy.name
print(c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), policy)
"""
OWN = {
    "floatx": "float64",
    "epsilon": 0.1,
    "backend": "torch",
    "image_data_format": "channels_first",
}


# Each case imports TensorFlow in a process of its own.
@pytest.mark.parametrize(
    ("settings", "variables", "words"),
    [
        (OWN, {"KERAS_BACKEND": "jax", "KERAS_MAX_EPOCHS": "many"}, []),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (OWN, {}, []),
                ({"floatx": "no type"}, {}, []),
                ([1], {}, []),
                ({**OWN, "backend": "tensorflow"}, {}, ["keras"]),
            )
        ),
    ],
)
def test_a_users_own_settings_of_keras_change_nothing(
    settings: object,
    variables: dict[str, str],
    words: list[str],
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    for folder in (tmp_path / ".keras", tmp_path / "home"):
        folder.mkdir()
        (folder / "keras.json").write_text(json.dumps(settings))
    own = {
        **environment,
        "HOME": str(tmp_path),
        "KERAS_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK, *words],
        env=own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "tensorflow float32 1e-07 channels_last float32\n", done.stderr
    assert json.loads((tmp_path / ".keras/keras.json").read_text()) == settings
