"""Files appear whole or not at all, and as the same bytes for the same content."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.files import models
from stages.files.writing import whole, write_json
from stages.networks.backend import keras


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep/x.json"
    write_json(path, {"old": 1})

    def half() -> None:
        with whole(path) as part:
            part.write_text("half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert json.loads(path.read_text()) == {"old": 1}
    assert [found.name for found in path.parent.iterdir()] == ["x.json"]


def test_json_holds_plain_numbers_and_null_for_what_is_none(tmp_path: Path) -> None:
    content = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": float("nan"), "d": {"e": np.inf, "f": None}, "g": np.array(3.0)}
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 0.5, "b": [1, 2], "c": None, "d": {"e": None, "f": None}, "g": 3.0}


def test_a_model_is_the_same_bytes_with_nothing_of_the_run_in_it(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        keras.backend.clear_session()
        keras.utils.set_random_seed(1)
        shared = keras.layers.Dense(2, name="shared")
        inputs = keras.Input((3, 2))
        network = keras.Model(inputs, shared(keras.layers.Bidirectional(keras.layers.LSTM(2), name="both")(shared(inputs))[:, :2]))
        models.write(tmp_path / name / "model.keras", network)
        written.append((tmp_path / name / "model.keras").read_bytes())
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "a/model.keras") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert archive.namelist() == sorted(archive.namelist())
        assert b"1980-01-01" in archive.read("metadata.json")
    values = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(models.read(tmp_path / "a/model.keras")(values), network(values))
