"""The list of processors: it holds for the outputs that were verified, and for no others."""

from pathlib import Path

from stages.files.writing import read_json
from tools import verified

LOCK = f"""\
schema: '2.0'
stages:
  train@a:
    cmd: x
    outs:
    - {{path: data/models/a, md5: "{1:032}"}}
  evaluate@a:
    cmd: x
    outs:
    - {{path: data/plots/a/curve.csv, md5: "{2:032}"}}
  train@b:
    cmd: x
    outs:
    - {{path: data/models/b, md5: "{3:032}"}}
"""


def test_processors_are_listed_by_the_tasks_whose_bytes_they_gave(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)
    assert verified.read(tmp_path) == {}
    verified.add(tmp_path, ["a", "b"], "new")
    verified.add(tmp_path, ["a"], "old")
    verified.add(tmp_path, ["a"], "old")  # once more
    assert verified.read(tmp_path) == {"a": ["new", "old"], "b": ["new"]}
    assert verified.table(tmp_path)[2:] == ["| new | `a`, `b` |", "| old | `a` |"]


def test_other_outputs_start_a_new_list(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)
    verified.add(tmp_path, ["a", "b"], "old")
    (tmp_path / "dvc.lock").write_text(LOCK.replace(f"{2:032}", f"{5:032}"))
    assert verified.read(tmp_path) == {"b": ["old"]}
    verified.add(tmp_path, ["a"], "new")
    assert verified.read(tmp_path) == {"a": ["new"], "b": ["old"]}
    assert set(read_json(tmp_path / verified.PATH)) == {"a", "b"}


def test_a_task_that_is_gone_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)
    verified.add(tmp_path, ["a", "b"], "old")
    (tmp_path / "dvc.lock").write_text(LOCK[: LOCK.index("  train@b")])
    verified.add(tmp_path, ["a"], "new")
    assert set(read_json(tmp_path / verified.PATH)) == {"a"}
