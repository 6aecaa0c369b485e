"""Checkpoints on disk: the newest undamaged one is used, whatever happened to the others."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.files import checkpoints
from stages.files.checkpoints import Checkpoints


def arrays(number: int) -> dict[str, np.ndarray]:
    return {
        "a": np.full((50, 3), number, np.float32),
        "b": np.array(number),
        "empty": np.zeros((0, 2)),
    }


def number_in(checkpoint: dict[str, np.ndarray] | None) -> int | None:
    return None if checkpoint is None else int(checkpoint["b"])


def test_the_newest_counts_and_two_are_kept(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "deep/er", 0)
    assert store.latest() is None
    for number in range(5):
        store.save(arrays(number))
    latest = Checkpoints(tmp_path / "deep/er", 0).latest()
    assert latest is not None
    assert {name: (array.dtype, array.shape) for name, array in latest.items()} == {
        name: (array.dtype, array.shape) for name, array in arrays(0).items()
    }
    assert number_in(latest) == 4
    assert sorted(path.name for path in (tmp_path / "deep/er").iterdir()) == [
        *("00000004.json", "00000004.npz", "00000005.json", "00000005.npz")
    ]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replaced(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("x")


def with_checksum(folder: Path, content: bytes) -> None:
    (folder / "00000002.npz").write_bytes(content)
    (folder / "00000002.json").write_text(
        json.dumps({"sha256": hashlib.sha256(content).hexdigest()})
    )


def one_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def archive(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda folder: flip(folder / "00000002.npz"),
    "half a file": lambda folder: (folder / "00000002.npz").write_bytes(
        (folder / "00000002.npz").read_bytes()[:100]
    ),
    "an empty file": lambda folder: (folder / "00000002.npz").write_bytes(b""),
    "killed before the checksum": lambda folder: (folder / "00000002.json").unlink(),
    "a broken checksum": lambda folder: (folder / "00000002.json").write_text("{"),
    "no file": lambda folder: (folder / "00000002.npz").unlink(),
    "a folder in its place": lambda folder: replaced(folder / "00000002.npz"),
    "a folder in place of the checksum": lambda folder: replaced(folder / "00000002.json"),
    "a pipe in its place": lambda folder: (
        (folder / "00000002.npz").unlink(),
        os.mkfifo(folder / "00000002.npz"),
    ),
    "a link to nothing": lambda folder: (
        (folder / "00000002.npz").unlink(),
        (folder / "00000002.npz").symlink_to("none"),
    ),
    "a checksum that is a list": lambda folder: (folder / "00000002.json").write_text("[1]"),
    "a checksum that is null": lambda folder: (folder / "00000002.json").write_text("null"),
    "a checksum that is not text": lambda folder: (folder / "00000002.json").write_bytes(b"\xff"),
    "no arrays, with a matching checksum": lambda folder: with_checksum(
        folder, b"PK\x05\x06" + bytes(18) + b"x"
    ),
    "no archive, with a matching checksum": lambda folder: with_checksum(folder, b"\x93NUMPY"),
    "one array, with a matching checksum": lambda folder: with_checksum(folder, one_array()),
    "an object, with a matching checksum": lambda folder: with_checksum(
        folder, archive(b=np.array([{}], dtype=object))
    ),
    "arrays of another network, with a matching checksum": lambda folder: with_checksum(
        folder, archive(other=np.zeros(3))
    ),
    "another checksum": lambda folder: (folder / "00000002.json").write_text('{"sha256": "0"}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_detected_and_the_one_before_it_used(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Checkpoints(tmp_path, 0)
    store.save(arrays(1))
    store.save(arrays(2))
    DAMAGES[damage](tmp_path)
    assert number_in(store.latest(lambda checkpoint: "b" in checkpoint)) == 1
    if damage != "no file":
        assert "npz is damaged, so the one before it is used" in caplog.text
    store.save(arrays(3))
    assert number_in(store.latest()) == 3


def test_what_is_not_a_checkpoint_is_left_alone(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, 0)
    store.save(arrays(1))
    for name in ("00000003 (copy).npz", "3.npz", "x.npz", "notes"):
        (tmp_path / name).write_text("x")
    (tmp_path / "00000004 (copy).npz").mkdir()
    assert number_in(store.latest()) == 1
    store.save(arrays(2))
    assert number_in(store.latest()) == 2


def test_without_an_undamaged_checkpoint_training_starts_afresh_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Checkpoints(tmp_path, 0)
    store.save(arrays(1))
    flip(tmp_path / "00000001.npz")
    assert store.latest() is None
    assert "are damaged: training starts afresh" in caplog.text


PLACES: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("x"),
    "a link to nothing": lambda path: path.symlink_to("none"),
    "a link to a file": lambda path: path.symlink_to("/dev/null"),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("place", ["saved", "saved/key", "saved/key/member_1", "saved/key/done"])
@pytest.mark.parametrize("what", [*PLACES, "a folder"])
def test_checkpoints_are_written_whatever_was_in_their_place(
    what: str, place: str, tmp_path: Path
) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    PLACES.get(what, Path.mkdir)(tmp_path / place)
    own = checkpoints.begin(tmp_path / "saved", "key")
    store = Checkpoints(own / "member_1", 0)
    assert store.latest() is None
    store.save(arrays(1))
    assert number_in(store.latest()) == 1
    checkpoints.finish(own)
    assert (own / "done").is_file()


def test_a_file_in_the_place_of_the_folder_is_a_clear_error_before_the_work(
    tmp_path: Path,
) -> None:
    (tmp_path / "checkpoints").write_text("mine")
    with pytest.raises(InputError, match="found something else with this name: move it away"):
        checkpoints.begin(tmp_path / "checkpoints/x", "key")
    assert (tmp_path / "checkpoints").read_text() == "mine"


def test_a_checkpoint_that_cannot_be_written_is_a_clear_error_and_the_one_before_it_stays(
    tmp_path: Path,
) -> None:
    store = Checkpoints(tmp_path / "x", 0)
    store.save(arrays(1))
    with pytest.raises(InputError, match=r"could not be written: .*Earlier results are untouched"):
        Checkpoints(tmp_path / "x/00000001.npz/y", 0).save(arrays(2))
    assert number_in(store.latest()) == 1


def test_they_are_due_by_time_and_none_are_kept_without_one(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, 0).due()
    assert not Checkpoints(tmp_path, 1000).due()
    never = Checkpoints(tmp_path / "none", None)
    assert not never.due()
    never.save(arrays(1))
    assert never.latest() is None
    assert not (tmp_path / "none").exists()


def test_the_key_changes_with_parameters_examples_and_code(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"1")
    first = checkpoints.key_of(tmp_path, {"seed": 1}, "train 12ab\n")
    assert first == checkpoints.key_of(tmp_path, {"seed": 1}, "train 12ab\n")
    assert first != checkpoints.key_of(tmp_path, {"seed": 2}, "train 12ab\n")
    assert first != checkpoints.key_of(tmp_path, {"seed": 1}, "train 34cd\n")
    (tmp_path / "x.npy").write_bytes(b"2")
    assert first != checkpoints.key_of(tmp_path, {"seed": 1}, "train 12ab\n")


def test_checkpoints_of_other_inputs_are_removed(tmp_path: Path) -> None:
    for key in ("old", "new"):
        Checkpoints(tmp_path / key / "member_1", 0).save(arrays(1))
    (tmp_path / "a file").write_text("")
    assert checkpoints.begin(tmp_path, "new") == tmp_path / "new"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    checkpoints.begin(tmp_path, "newer")
    assert not list(tmp_path.iterdir())


def test_a_finished_training_starts_afresh_only_when_dvc_has_recorded_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    own = checkpoints.begin(tmp_path / "saved", "key")
    checkpoints.finish(own)
    assert not own.exists()  # a training that keeps none
    Checkpoints(own / "member_1", 0).save(arrays(1))
    os.utime(tmp_path / "dvc.lock", ns=(2**61, 2**61))
    assert checkpoints.begin(
        tmp_path / "saved", "key"
    ).exists()  # not finished: other stages wrote the lock file
    checkpoints.finish(own)
    os.utime(own / "done", ns=(2**61 + 1, 2**61 + 1))
    assert checkpoints.begin(tmp_path / "saved", "key").exists()  # killed before DVC had the model
    os.utime(tmp_path / "dvc.lock", ns=(2**61 + 2, 2**61 + 2))
    assert not checkpoints.begin(tmp_path / "saved", "key").exists()


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, 0)
    (tmp_path / ".00000001.123.part.npz").write_bytes(b"half")
    assert store.latest() is None
    store.save(arrays(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000001.json", "00000001.npz"]
