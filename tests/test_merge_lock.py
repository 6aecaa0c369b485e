"""The merge of two lock files, stage by stage; of what is none, as text, and always with the marks
of a conflict."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tools import merge_lock
from tools.merge_lock import merged


def entry(**changes: Any) -> dict[str, Any]:
    tasks = {"t": changes.get("t", {"units": 1}), "u": changes.get("u", 2)}
    return {
        "cmd": changes.get("cmd", "x"),
        "deps": [{"path": path, "md5": changes.get(path, "0") * 32} for path in ("a", "b")],
        "params": {"params.yaml": {"seed": changes.get("seed", 1), "tasks": tasks}},
        "outs": [{"path": "out", "md5": changes.get("out", "0") * 32}],
    }


# base, ours, theirs -> the entry, "again", or "conflict"
CASES = {
    "none changed": (entry(), entry(), entry(), entry()),
    "ours changed": (entry(), entry(a="1", out="1"), entry(), entry(a="1", out="1")),
    "theirs changed": (entry(), entry(), entry(seed=2, out="1"), entry(seed=2, out="1")),
    "both the same": (entry(), entry(a="1"), entry(a="1"), entry(a="1")),
    "other files": (entry(), entry(a="1", out="1"), entry(b="1", out="2"), "again"),
    "other parameters": (entry(), entry(t={"units": 2}, out="1"), entry(u=3, out="2"), "again"),
    "a file and a parameter": (entry(), entry(a="1", out="1"), entry(seed=2, out="2"), "again"),
    "both added to a list": (entry(t=["a"]), entry(t=["a", "b"]), entry(t=["a", "c"]), "again"),
    "both put something into a list": (
        entry(t=["a"]),
        entry(t=["b", "a"]),
        entry(t=["c", "a"]),
        "again",
    ),
    "both changed a list": (entry(t=["a"]), entry(t=["b"]), entry(t=["c"]), "conflict"),
    "the same file, otherwise": (entry(), entry(a="1"), entry(a="2"), "conflict"),
    "the same parameter, otherwise": (
        entry(),
        entry(t={"units": 2}),
        entry(t={"units": 3}),
        "conflict",
    ),
    "the command, otherwise": (entry(), entry(cmd="y"), entry(cmd="z"), "conflict"),
    "the same inputs, other outputs": (
        entry(),
        entry(a="1", out="1"),
        entry(a="1", out="2"),
        "again",
    ),
    "added by one": (None, entry(), None, entry()),
    "added by both, the same": (None, entry(), entry(), entry()),
    "added by both, otherwise": (None, entry(), entry(seed=2), "conflict"),
    "removed by one": (entry(), None, entry(), None),
    "removed by one, changed by the other": (entry(), None, entry(a="1"), "conflict"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_stage_is_merged(case: str, swapped: bool) -> None:
    base, ours, theirs, expected = copy.deepcopy(CASES[case])
    sides = [
        {"stage": side} if side else {}
        for side in ([base, theirs, ours] if swapped else [base, ours, theirs])
    ]
    stages, again, conflicts = merged(*sides)
    assert again == (["stage"] if expected == "again" else [])
    assert conflicts == (["stage"] if expected == "conflict" else [])
    assert stages == ({"stage": expected} if isinstance(expected, dict) else {})


def test_stages_keep_the_order_of_ours() -> None:
    base = {"b": entry(), "a": entry()}
    stages, again, conflicts = merged(
        base,
        {"b": entry(), "a": entry(), "z": entry()},
        {"b": entry(), "y": entry(), "a": entry(seed=2)},
    )
    assert list(stages) == ["b", "a", "z", "y"]
    assert stages["a"] == entry(seed=2)
    assert not again + conflicts


def test_what_other_stages_make_is_no_conflict_of_those_that_read_it() -> None:
    """Two tasks, each trained anew by one side, and a stage that reads the folder of both
    results."""

    def lock(a: str, b: str) -> dict[str, Any]:
        tasks = {
            name: {
                "cmd": name,
                "params": {"p": name + md5},
                "outs": [{"path": f"data/{name}", "md5": md5}],
            }
            for name, md5 in [("a", a), ("b", b)]
        }
        both = {
            "cmd": "s",
            "deps": [{"path": "data", "md5": a + b}, {"path": "s.py", "md5": "0"}],
            "outs": [{"path": "table", "md5": a + b}],
        }
        return {**tasks, "summarize": both}

    stages, again, conflicts = merged(lock("0", "0"), lock("1", "0"), lock("0", "1"))
    assert (again, conflicts) == (["summarize"], [])
    assert stages == {name: entry for name, entry in lock("1", "1").items() if name != "summarize"}
    assert merged(lock("0", "0"), lock("1", "0"), lock("2", "0"))[1:] == (["summarize"], ["a"])


def test_two_edits_of_code_are_no_conflict() -> None:
    """Both changed code, and with it the file that says which code a training runs; what `code`
    reads is in Git, which merges it."""

    def lock(code: str, train: str) -> dict[str, Any]:
        return {
            "code": {
                "cmd": "c",
                "deps": [{"path": "stages", "md5": f"{code}.dir"}],
                "outs": [{"path": "data/code", "md5": f"{train}.dir"}],
            },
            "train@x": {
                "cmd": "t",
                "deps": [{"path": "data/code/train/x.txt", "md5": train}],
                "outs": [{"path": "data/models/x", "md5": train}],
            },
        }

    base = lock("0", "0")
    assert merged(base, lock("1", "1"), lock("2", "2")) == ({}, ["code", "train@x"], [])
    # A comment, and an edit: the training is that of the edit.
    stages, again, conflicts = merged(base, lock("1", "0"), lock("2", "2"))
    assert (again, conflicts) == (["code"], [])
    assert stages == {"train@x": lock("2", "2")["train@x"]}


def test_the_marks_of_a_conflict_stand_around_its_stage_alone(tmp_path: Path) -> None:
    def lock(name: str, **stages: dict[str, Any]) -> Path:
        YAML().dump({"schema": "2.0", "stages": stages}, tmp_path / name)
        return tmp_path / name

    base = lock("base", first=entry(), second=entry(), third=entry())
    ours = lock("ours", first=entry(seed=2, out="1"), second=entry(a="1"), third=entry())
    theirs = lock("theirs", first=entry(), second=entry(a="2"), third=entry(seed=3))
    with pytest.raises(SystemExit) as ended:
        merge_lock.main([str(base), str(ours), str(theirs)])
    assert ended.value.code == 1
    text = ours.read_text()
    marks = text.index("<<<<<<<"), text.index(">>>>>>>")
    assert text.index("second:") < marks[0] < marks[1]
    assert text.count("<<<<<<<") == 1
    kept = re.sub(r"<<<<<<<.*\n|=======\n(.*\n)*?>>>>>>>.*\n", "", text)
    stages = YAML(typ="safe").load(kept)["stages"]
    assert stages == {
        "first": entry(seed=2, out="1"),
        "second": entry(a="1"),
        "third": entry(seed=3),
    }


LOCK = """\
schema: '2.0'
stages:
  a:
    cmd: python -m a
    deps:
    - path: a.py
      md5: ffffffffffffffffffffffffffffffff
    outs:
    - path: a.txt
      md5: ffffffffffffffffffffffffffffffff
  b:
    cmd: python -m b
    params:
      params.yaml:
        names:
        - x
        - y
        - z
    outs:
    - path: b.txt
      md5: ffffffffffffffffffffffffffffffff
"""
MALFORMED = {
    "empty": "",
    "a text": "hello\n",
    "a list": "- a\n",
    "null": "null\n",
    "a number": "3\n",
    "no YAML": LOCK.replace("cmd: python -m a", "cmd: [python"),
    "a colon is missing": LOCK.replace("path: a.py", "path a.py"),
    "cut off": LOCK[: LOCK.index("    - path")],
    "cut off in a text": LOCK.replace("cmd: python -m b", 'cmd: "python -m b'),
    "a key twice": LOCK.replace("  b:", "  a:"),
    "a tab": LOCK.replace("    cmd: python -m a", "\tcmd: python -m a"),
    "marks": LOCK.replace("  b:", "<<<<<<< HEAD\n  b:\n=======\n>>>>>>> theirs"),
    "another version": LOCK.replace("2.0", "1.0"),
    "no version": LOCK.replace("schema: '2.0'\n", ""),
    "no stages": "schema: '2.0'\nstages:\n",
    "stages as a list": "schema: '2.0'\nstages:\n- a\n",
    "stages as a text": "schema: '2.0'\nstages: a\n",
    "an entry that is null": "schema: '2.0'\nstages:\n  a:\n  b:\n    cmd: x\n",
    "an entry that is a list": "schema: '2.0'\nstages:\n  a: []\n",
    "an entry that is a number": "schema: '2.0'\nstages:\n  a: 3\n",
    "no command": LOCK.replace("    cmd: python -m a\n", ""),
    "deps that are null": LOCK.replace(
        "    - path: a.py\n      md5: ffffffffffffffffffffffffffffffff\n", "", 1
    ),
    "deps that are a mapping": LOCK.replace("    - path: a.py\n      md5:", "      a.py:"),
    "deps that are texts": LOCK.replace("    - path: a.py\n      md5:", "    - a.py #"),
    "deps without a path": LOCK.replace("    - path: a.py\n      md5", "    - md5"),
    "outs without a path": LOCK.replace("    - path: a.txt\n      md5", "    - md5"),
    "outs that are null": LOCK.replace(
        "    - path: b.txt\n      md5: ffffffffffffffffffffffffffffffff\n", ""
    ),
    "outs that are numbers": LOCK.replace("    - path: b.txt\n      md5:", "    - 3 #"),
    "a path that is a list": LOCK.replace("path: a.txt", "path: [a.txt]"),
    "params that are a list": LOCK.replace("      params.yaml:\n        names:\n", "").replace(
        "        - ", "    - "
    ),
    "a date that is none": LOCK.replace("cmd: python -m a", "cmd: 2026-02-30"),
    "a tag": LOCK.replace("cmd: python -m a", "cmd: !!python/object:x.y {}"),
    "an alias of nothing": LOCK.replace("cmd: python -m a", "cmd: *x"),
    "nested deeply": LOCK.replace("- x", "- " + "[" * 3000),
    "two documents": LOCK + "---\n" + LOCK,
    "not UTF-8": LOCK.encode().replace(b"python -m a", b"\xff\xfe"),
    "NUL bytes": LOCK.encode().replace(b"python -m a", b"\0\0"),
    "UTF-16": LOCK.encode("utf-16"),
}


@pytest.mark.parametrize("fault", MALFORMED)
@pytest.mark.parametrize("side", ["base", "ours", "theirs"])
def test_what_is_no_lock_file_ends_in_a_conflict_with_marks(
    fault: str, side: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {
        "base": LOCK,
        "ours": LOCK.replace("- x", "- w"),
        "theirs": LOCK.replace("- z", "- q"),
        side: MALFORMED[fault],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if (side, fault) == ("base", "empty"):  # no fault: both added the file
        return
    with pytest.raises(SystemExit) as ended:
        merge_lock.main([str(tmp_path / name) for name in ("base", "ours", "theirs")])
    assert ended.value.code == 1
    left = (tmp_path / "ours").read_bytes()
    assert [
        left.count(b"\n" + mark) + left.startswith(mark) > 0
        for mark in (b"<<<<<<< ours", b"=======", b">>>>>>> theirs")
    ] == [True] * 3
    [said] = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"dvc\.lock is merged as text, as its stages cannot be: .+\. Settle the conflict and run "
        r"dvc repro",
        said,
    )


def test_a_conflict_that_is_none_as_text_has_marks_too(tmp_path: Path) -> None:
    """Both changed one list, in lines that are far enough from each other for Git."""
    for name, content in {
        "base": LOCK,
        "ours": LOCK.replace("- x", "- w"),
        "theirs": LOCK.replace("- z", "- q"),
    }.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit) as ended:
        merge_lock.main([str(tmp_path / name) for name in ("base", "ours", "theirs")])
    assert ended.value.code == 1
    assert (
        "<<<<<<< ours\n        - w\n        - y\n        - z\n=======\n        - x"
        in (tmp_path / "ours").read_text()
    )
