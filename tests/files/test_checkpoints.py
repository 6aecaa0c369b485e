"""Checkpoints on disk: the newest whole one counts, whatever happened to the others."""

import os
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.files import checkpoints
from stages.files.checkpoints import Checkpoints


def arrays(number: int) -> dict[str, np.ndarray]:
    return {"a": np.full((50, 3), number, np.float32), "b": np.array(number), "empty": np.zeros((0, 2))}


def number_of(found: dict[str, np.ndarray] | None) -> int | None:
    return None if found is None else int(found["b"])


def test_the_newest_counts_and_two_are_kept(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "deep/er", 0)
    assert store.latest() is None
    for number in range(5):
        store.save(arrays(number))
    found = Checkpoints(tmp_path / "deep/er", 0).latest()
    assert found is not None
    assert {name: (array.dtype, array.shape) for name, array in found.items()} == {
        name: (array.dtype, array.shape) for name, array in arrays(0).items()
    }
    assert number_of(found) == 4
    assert sorted(path.name for path in (tmp_path / "deep/er").iterdir()) == [
        *("00000004.json", "00000004.npz", "00000005.json", "00000005.npz")
    ]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "a flipped bit": lambda folder: flip(folder / "00000002.npz"),
    "half a file": lambda folder: (folder / "00000002.npz").write_bytes((folder / "00000002.npz").read_bytes()[:100]),
    "an empty file": lambda folder: (folder / "00000002.npz").write_bytes(b""),
    "killed before the sum": lambda folder: (folder / "00000002.json").unlink(),
    "a broken sum": lambda folder: (folder / "00000002.json").write_text("{"),
    "another sum": lambda folder: (folder / "00000002.json").write_text('{"sha256": "0"}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_found_and_the_one_before_it_used(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Checkpoints(tmp_path, 0)
    store.save(arrays(1))
    store.save(arrays(2))
    DAMAGES[damage](tmp_path)
    assert number_of(store.latest()) == 1
    assert "00000002.npz is damaged: the one before it is used" in caplog.text
    store.save(arrays(3))
    assert number_of(store.latest()) == 3


def test_a_checkpoint_that_cannot_be_written_is_one_clear_error_and_the_one_before_it_stays(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "x", 0)
    store.save(arrays(1))
    with pytest.raises(InputError, match=r"could not be written: .*Earlier results are untouched"):
        Checkpoints(tmp_path / "x/00000001.npz/y", 0).save(arrays(2))
    assert number_of(store.latest()) == 1


def test_they_are_due_by_time_and_none_are_kept_without_one(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, 0).due()
    assert not Checkpoints(tmp_path, 1000).due()
    never = Checkpoints(tmp_path / "none", None)
    assert not never.due()
    never.save(arrays(1))
    assert never.latest() is None
    assert not (tmp_path / "none").exists()


def test_the_key_changes_with_parameters_and_examples(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"1")
    first = checkpoints.key_of(tmp_path, {"seed": 1})
    assert first == checkpoints.key_of(tmp_path, {"seed": 1})
    assert first != checkpoints.key_of(tmp_path, {"seed": 2})
    (tmp_path / "x.npy").write_bytes(b"2")
    assert first != checkpoints.key_of(tmp_path, {"seed": 1})


def test_those_of_other_inputs_are_removed(tmp_path: Path) -> None:
    for key in ("old", "new"):
        Checkpoints(tmp_path / key / "member_1", 0).save(arrays(1))
    (tmp_path / "a file").write_text("")
    assert checkpoints.begin(tmp_path, "new") == tmp_path / "new"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    checkpoints.begin(tmp_path, "newer")
    assert not list(tmp_path.iterdir())


def test_a_finished_training_is_done_again_only_when_dvc_has_recorded_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    own = checkpoints.begin(tmp_path / "saved", "key")
    checkpoints.finish(own)
    assert not own.exists()  # a training that keeps none
    Checkpoints(own / "member_1", 0).save(arrays(1))
    os.utime(tmp_path / "dvc.lock", ns=(2**61, 2**61))
    assert checkpoints.begin(tmp_path / "saved", "key").exists()  # not finished: other stages wrote the lock file
    checkpoints.finish(own)
    os.utime(own / "done", ns=(2**61 + 1, 2**61 + 1))
    assert checkpoints.begin(tmp_path / "saved", "key").exists()  # killed before DVC had the model
    os.utime(tmp_path / "dvc.lock", ns=(2**61 + 2, 2**61 + 2))
    assert not checkpoints.begin(tmp_path / "saved", "key").exists()


def test_what_a_killed_process_left_half_written_goes_away(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, 0)
    (tmp_path / ".00000001.123.part.npz").write_bytes(b"half")
    assert store.latest() is None
    store.save(arrays(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000001.json", "00000001.npz"]
