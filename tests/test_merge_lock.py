"""The merge of two lock files, stage by stage."""

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
        "deps": [{"path": path, "md5": changes.get(path, "0")} for path in ("a", "b")],
        "params": {"params.yaml": {"seed": changes.get("seed", 1), "tasks": tasks}},
        "outs": [{"path": "out", "md5": changes.get("out", "0")}],
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
    "both put something into a list": (entry(t=["a"]), entry(t=["b", "a"]), entry(t=["c", "a"]), "again"),
    "both changed a list": (entry(t=["a"]), entry(t=["b"]), entry(t=["c"]), "conflict"),
    "the same file, otherwise": (entry(), entry(a="1"), entry(a="2"), "conflict"),
    "the same parameter, otherwise": (entry(), entry(t={"units": 2}), entry(t={"units": 3}), "conflict"),
    "the command, otherwise": (entry(), entry(cmd="y"), entry(cmd="z"), "conflict"),
    "the same inputs, other outputs": (entry(), entry(a="1", out="1"), entry(a="1", out="2"), "again"),
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
    sides = [{"stage": side} if side else {} for side in ([base, theirs, ours] if swapped else [base, ours, theirs])]
    stages, again, conflicts = merged(*sides)
    assert again == (["stage"] if expected == "again" else [])
    assert conflicts == (["stage"] if expected == "conflict" else [])
    assert stages == ({"stage": expected} if isinstance(expected, dict) else {})


def test_stages_keep_the_order_of_ours() -> None:
    base = {"b": entry(), "a": entry()}
    stages, again, conflicts = merged(base, {"b": entry(), "a": entry(), "z": entry()}, {"b": entry(), "y": entry(), "a": entry(seed=2)})
    assert list(stages) == ["b", "a", "z", "y"]
    assert stages["a"] == entry(seed=2)
    assert not again + conflicts


def test_what_other_stages_make_is_no_conflict_of_those_that_read_it() -> None:
    """Two tasks, each trained anew by one side, and a stage that reads the folder of both results."""

    def lock(a: str, b: str) -> dict[str, Any]:
        tasks = {
            name: {"cmd": name, "params": {"p": name + md5}, "outs": [{"path": f"data/{name}", "md5": md5}]}
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
    assert stages == {"first": entry(seed=2, out="1"), "second": entry(a="1"), "third": entry(seed=3)}
