"""Files appear whole or not at all, and as the same bytes for the same content."""

import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.files import models
from stages.files.writing import read_json, whole, write_json, write_output, write_text
from stages.networks.backend import keras


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep/x.json"
    write_json(path, {"old": 1})

    def fail() -> None:
        with whole(path) as temporary:
            temporary.write_text("half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert json.loads(path.read_text()) == {"old": 1}
    assert [file.name for file in path.parent.iterdir()] == ["x.json"]


def test_json_holds_plain_numbers_and_null_for_nan(tmp_path: Path) -> None:
    content = {
        "a": np.float32(0.5),
        "b": np.array([1, 2]),
        "c": float("nan"),
        "d": {"e": np.inf, "f": None},
        "g": np.array(3.0),
    }
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "a": 0.5,
        "b": [1, 2],
        "c": None,
        "d": {"e": None, "f": None},
        "g": 3.0,
    }


def test_the_file_of_a_model_depends_on_nothing_but_the_model(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        keras.backend.clear_session()
        keras.utils.set_random_seed(1)
        shared = keras.layers.Dense(2, name="shared")
        inputs = keras.Input((3, 2))
        both = keras.layers.Bidirectional(keras.layers.LSTM(2), name="both")
        network = keras.Model(inputs, shared(both(shared(inputs))[:, :2]))
        models.write(tmp_path / name / "model.keras", network)
        written.append((tmp_path / name / "model.keras").read_bytes())
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "a/model.keras") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert archive.namelist() == sorted(archive.namelist())
        assert b"1980-01-01" in archive.read("metadata.json")
    values = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(models.read(tmp_path / "a/model.keras")(values), network(values))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("write", [write_text, write_output])
def test_a_file_keeps_its_mode_and_a_new_one_follows_the_umask(
    write: Callable[[Path, str], None], tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "new", "x")
    finally:
        os.umask(before)
    (tmp_path / "private").write_text("old")
    (tmp_path / "private").chmod(0o600)
    write(tmp_path / "private", "x")
    assert (mode(tmp_path / "new"), mode(tmp_path / "private")) == (0o640, 0o600)


def test_a_link_into_a_protected_cache_is_replaced_by_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("cached")
    (tmp_path / "cache").chmod(0o444)
    (tmp_path / "symbolic").symlink_to("cache")
    (tmp_path / "hard").hardlink_to(tmp_path / "cache")
    for name in ("symbolic", "hard"):
        write_text(tmp_path / name, "new")
        assert ((tmp_path / name).read_text(), (tmp_path / "cache").read_text()) == (
            "new",
            "cached",
        )
        assert mode(tmp_path / name) & stat.S_IWUSR
        with pytest.raises(InputError, match="received one that is write-protected"):
            write_output(tmp_path / "cache", "new")


def test_an_output_that_a_user_names_goes_through_links(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_text("old")
    for link, target in (
        ("to_file", "deep/file"),
        ("dangling", "deep/new"),
        ("to_link", "to_file"),
    ):
        (tmp_path / link).symlink_to(target)
        write_output(tmp_path / link, link)
        assert (tmp_path / link).is_symlink()
        assert (tmp_path / target).read_text() == link
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["file", "new"]


def test_an_output_that_a_user_names_goes_into_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_output(tmp_path / "pipe", "through")
    reader.join(10)
    assert read == ["through"]
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "null").symlink_to("/dev/null")
    for device in (Path("/dev/null"), tmp_path / "null"):
        write_output(device, "x")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("mode", ["w", "a"])
def test_an_output_to_the_standard_output_keeps_what_was_written_before(
    mode: str, tmp_path: Path
) -> None:
    code = (
        "from pathlib import Path; from stages.files.writing import write_output;"
        "print('a'); write_output(Path('/dev/stdout'), 'b\\n'); print('c')"
    )
    (tmp_path / "log").write_text("before\n")
    with (tmp_path / "log").open(mode) as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    assert (tmp_path / "log").read_text() == ("before\n" if mode == "a" else "") + "a\nb\nc\n"


def test_no_folder_is_made_for_an_output_that_a_user_names(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").write_text("old")
    cases = {
        "none/x": "found no folder",
        "file/x": "found no folder",
        ".": "received a folder",
        "circle": "leads back to itself",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            write_output(tmp_path / name, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "file"]


@pytest.mark.parametrize("content", ["{", "[]", "null", "", "\x00", "[" * 100_000])
def test_damaged_json_is_one_clear_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json: expected .*`dvc repro` makes it again"):
        read_json(tmp_path / "x.json")
